"""Messages that get one label of a fixed set, such as the intent of a message to a bank.

    Which intent does this message to a bank have? ... Message: My card has not arrived yet.
    Reply: card_arrival

The labels come from the config's `data.labels`, or from the training samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rapidfuzz import process

from pada_ray.errors import DataError
from pada_ray.records import Message, Mistake, Sample
from pada_ray.tasks.base import NOTHING, Check, Task, one_answer
from pada_ray.tasks.knowledge import Knowledge
from pada_ray.tasks.label_name import label_in, label_like, same_label

NO_LABEL = "none of the labels"  # the fact `given` of a reply that names no label
_ROOM = 16  # tokens of a reply beside its label


class Label(Task):
    name = "label"
    max_new_tokens = 64

    def learn(self, train: Sequence[Sample]) -> Knowledge:
        """The labels of the training samples, where the config gives none, and the length of the longest."""
        labels = self.knowledge.labels or sorted({one_answer(sample).strip() for sample in train})
        # A token holds at least one byte.
        limit = max(len(label.encode()) for label in labels) + _ROOM
        return self.knowledge.model_copy(update={"labels": labels, "reply_limit": max(limit, self.max_new_tokens)})

    def describe(self) -> str:
        labels = self.knowledge.labels
        return f"The reply is one of these {len(labels)} labels: {', '.join(labels)}" if labels else ""

    @property
    def choices(self) -> list[str]:
        return self.knowledge.labels

    def read(self, reply: str) -> str | None:
        """See `label_in`. Where no labels are known, the whole reply without what is written around a label."""
        return label_in(reply, self.knowledge.labels) if self.knowledge.labels else label_like(reply)

    def fails(self, reply: str, sample: Sample) -> bool:
        expected = one_answer(sample).strip()
        if self.knowledge.labels and expected not in self.knowledge.labels:
            raise DataError(f"sample {sample.id}: {self._not_among(expected)}; correct it, or add it to data.labels")
        if self.knowledge.labels:
            return self.read(reply) != expected
        return not same_label(self.read(reply) or "", expected)

    def chance(self, sample: Sample) -> float:
        return 1 / len(self.knowledge.labels) if self.knowledge.labels else 0.0

    def answer_of(self, messages: Sequence[Message]) -> str | None:
        label = self.read(messages[-1].content)
        if label is None and self.knowledge.labels:
            raise ValueError(f"The reply must be a label: {self._not_among(label_like(messages[-1].content) or '')}.")
        return label

    def check(self, sample: Sample) -> Check:
        label = self.read(sample.reference)
        if label is None:
            return Check("wrong", self._not_among(label_like(sample.reference) or ""))
        return Check("unknown", "whether it is the right label cannot be computed")

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        given = self.read(reply)
        facts = {"expected": one_answer(sample).strip(), "given": given or NO_LABEL}
        return facts if given else facts | {"reply": label_like(reply) or NOTHING}

    def mistakes(self, sample: Sample, facts: Mapping[str, str]) -> list[Mistake]:
        """The two labels. A reply counts as a label only where the labels are known."""
        expected, given = facts["expected"], facts["given"]
        if given not in self.knowledge.labels:
            return [Mistake(text=f"expected {expected}, replied {NO_LABEL}", kinds=[expected])]
        return [Mistake(text=f"expected {expected}, replied {given}", kinds=[expected, given])]

    def kind(self, sample: Sample) -> str:
        return one_answer(sample).strip()

    def _not_among(self, text: str) -> str:
        labels = self.knowledge.labels
        near = process.extractOne(text, labels, score_cutoff=60)
        shown = text if len(text) <= 60 else f"{text[:59]}…"
        return f"label {shown!r} is none of the {len(labels)} labels" + (f" (nearest: {near[0]!r})" if near else "")
