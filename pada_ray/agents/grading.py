"""Fail by an LLM judge, for tasks whose answers are open: section 2.1 of the paper names it and leaves it out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from pada_ray.agents.asking import Asking
from pada_ray.agents.injection import prompts_apart
from pada_ray.config import GradingConfig
from pada_ray.errors import EndpointError
from pada_ray.llm.ask import ask_each
from pada_ray.llm.chat import Llm
from pada_ray.llm.reply_schemas import GradeReply
from pada_ray.prompts import Prompts
from pada_ray.records import Prediction, Sample
from pada_ray.tasks import get_task

_GRADE_TOKENS = 50  # that a reply on one of the model's replies is expected to take


def is_judged(samples: Iterable[Sample]) -> bool:
    """Whether some sample's task leaves Fail to a judge."""
    return any(get_task(name).judged for name in {s.task for s in samples})


class Grader:
    """Rates a model's replies against the references by a rubric, and holds the ratings against a threshold."""

    def __init__(self, llm: Llm, settings: GradingConfig, asking: Asking):
        self._llm = llm
        self._settings = settings
        self._asking = asking
        self._prompts = Prompts(asking.prompts, asking.seed)

    async def grade(self, samples: Sequence[Sample], predictions: Sequence[Prediction]) -> list[Prediction]:
        """The predictions for the samples, in order, with a verdict where `failed` was None, in calls of `batch_size`.
        It stays None, unscored, where the judge's rating stays unreadable.

        Raises EndpointError when that leaves a split without a single score: with such a judge there is no result.
        """
        pairs = list(zip(samples, predictions, strict=True))
        to_rate = [pair for pair in pairs if pair[1].failed is None]
        size = self._settings.batch_size
        parts = [to_rate[i : i + size] for i in range(0, len(to_rate), size)]
        calls = [self._grade(group) for part in parts for group in _groups(part)]
        rated = {(p.split, p.id): p for part in await asyncio.gather(*calls) for p in part}
        graded = [rated.get((p.split, p.id), p) for p in predictions]
        for split in dict.fromkeys(p.split for p in graded):
            if all(p.failed is None for p in graded if p.split == split):
                raise EndpointError(
                    f"llm.judge: none of its ratings of the replies to {split} could be read; take another model as "
                    "the judge, or a smaller grading.batch_size"
                )
        return graded

    async def _grade(self, pairs: Sequence[tuple[Sample, Prediction]]) -> list[Prediction]:
        named = {f"reply-{i}": pair for i, pair in enumerate(pairs, start=1)}

        def prompt(names: Sequence[str]) -> str:
            return self._prompts.render(
                "grading", rubric=self._settings.rubric, replies=[_shown(name, *named[name]) for name in names]
            )

        read = await ask_each(
            self._llm,
            dict.fromkeys(named, _GRADE_TOKENS),
            prompt,
            GradeReply,
            purpose="grading",
            max_reasks=self._asking.max_reasks,
        )
        return [self._graded(prediction, read.get(name)) for name, (_, prediction) in named.items()]

    def _graded(self, prediction: Prediction, grade: GradeReply | None) -> Prediction:
        if grade is None:
            return prediction
        failed = grade.rating < self._settings.threshold
        return prediction.model_copy(update={"failed": failed, "rating": grade.rating, "feedback": grade.feedback})


def _groups(pairs: Sequence[tuple[Sample, Prediction]]) -> list[list[tuple[Sample, Prediction]]]:
    originals = ["\n".join(m.content for m in sample.messages) for sample, _ in pairs]
    texts = [f"{original}\n{p.reply}" for original, (_, p) in zip(originals, pairs, strict=True)]
    return prompts_apart(pairs, texts, originals)


def _shown(name: str, sample: Sample, prediction: Prediction) -> dict[str, Any]:
    own_rubric = {"rubric": sample.meta["rubric"]} if sample.meta.get("rubric") else {}
    return {
        "reply_id": name,
        "conversation": [m.model_dump() for m in sample.prompt],
        "reference": sample.reference,
        "reply": get_task(sample.task).read(prediction.reply),
        **own_rubric,
    }
