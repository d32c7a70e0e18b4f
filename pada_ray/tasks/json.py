"""Structured output and function calls: the reply is one JSON value.

    Turn this request into a function call, as JSON. Request: Find a novel called Matching Dreams.
    Reply: {"name": "SearchCreativeWork", "arguments": {"object_name": "Matching Dreams", "object_type": "novel"}}
    Answer: the same

The schema comes from the config's `data.schema`, or is learned from the training samples.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pada_ray.errors import DataError
from pada_ray.records import Message, Mistake, Sample
from pada_ray.tasks.base import NOTHING, Check, Task, one_answer
from pada_ray.tasks.json_schema import learned, outline, problem
from pada_ray.tasks.json_value import canonical, counted, fields, json_in, same, strict
from pada_ray.tasks.knowledge import Knowledge
from pada_ray.tasks.normalisation import NORMALISATIONS

_MOST = 200  # characters of what a schema's validator says


class Json(Task):
    name = "json"
    max_new_tokens = 512

    def learn(self, train: Sequence[Sample]) -> Knowledge:
        """The schema, where the config gives none; which fields need not stand in the question; and a limit that holds
        one and a half times the longest answer, up to the next power of two, so that draws of train have the same."""
        values = [expected(sample) for sample in train]
        found = [self._composed(sample.question, value) for sample, value in zip(train, values, strict=True)]
        longest = max(_most_tokens(one_answer(sample)) for sample in train)
        return self.knowledge.model_copy(
            update={
                "value_schema": self.knowledge.value_schema or learned(values),
                "composed_fields": sorted(set().union(*found)),
                "reply_limit": max(64, 1 << (longest * 3 // 2).bit_length()),
            }
        )

    def describe(self) -> str:
        schema, composed = self.knowledge.value_schema, self.knowledge.composed_fields
        if schema is None:
            return ""
        told = f"The reply is one JSON value that fits this:\n{outline(schema)}"
        if composed is None:
            return told
        but = f" but those of {', '.join(composed)}" if composed else ""
        return f"{told}\nAll values{but} are copied from the question."

    def own_texts(self, sample: Sample) -> list[str]:
        return [value for _, value in fields(expected(sample)) if isinstance(value, str)]

    def read(self, reply: str) -> str | None:
        """The value of `json_in`, on one line with sorted keys."""
        try:
            return canonical(json_in(reply))
        except ValueError:
            return None

    def fails(self, reply: str, sample: Sample) -> bool:
        answer = expected(sample)
        if self.knowledge.schema_given and (broken := self._broken(answer)):
            raise DataError(f"sample {sample.id}: the answer does not fit data.schema: {broken}")
        try:
            return not same(json_in(reply), answer, self._normalised)
        except ValueError:
            return True

    def answer_of(self, messages: Sequence[Message]) -> str:
        try:
            return json.dumps(json_in(messages[-1].content), ensure_ascii=False)
        except ValueError as err:
            raise ValueError(f"The reply must be one JSON value: {err}.") from err

    def is_bare(self, reply: str) -> bool:
        """Whether all of the reply is one JSON value, whatever its spaces."""
        try:
            strict(reply)
        except ValueError:
            return False
        return True

    def check(self, sample: Sample) -> Check:
        try:
            value = json_in(sample.reference)
        except ValueError as err:
            return Check("wrong", f"the reply must be one JSON value: {err}")
        if broken := self._broken(value):
            return Check("wrong", broken)
        composed = self.knowledge.composed_fields
        missing = set() if composed is None else self._composed(sample.question, value) - set(composed)
        if missing:
            return Check("wrong", f"not copied from the question: the value of {', '.join(sorted(missing))}")
        return Check("unknown", "the reply is JSON of a known form; whether it is right cannot be computed")

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        """The functions, where the values are calls, the names of fields that are missing, wrong or too many, and the
        values of these."""
        answer = expected(sample)
        try:
            value = json_in(reply)
        except ValueError as err:
            return {"expected": canonical(answer), "given": NOTHING, "reply": str(err)}
        facts = {}
        if isinstance(answer, dict) and isinstance(value, dict) and isinstance(answer.get("name"), str):
            facts = {"expected function": answer["name"], "given function": str(value.get("name", NOTHING))}
        left, extra = (counted(v, self._normalised) for v in (answer, value))
        left, extra = left - extra, extra - left
        names, given_names = _names(left), _names(extra)
        of_kind = {
            "missing fields": [name for name in names if name not in given_names],
            "wrong fields": [name for name in names if name in given_names],
            "extra fields": [name for name in given_names if name not in names],
        }
        facts |= {kind: ", ".join(found) for kind, found in of_kind.items() if found}
        if not left and not extra:
            facts["wrong order"] = "an array has the right values in another order, or an empty value differs"
        facts |= {"expected values": _shown(left)} if left else {}
        return facts | ({"given values": _shown(extra)} if extra else {})

    def mistakes(self, sample: Sample, facts: Mapping[str, str]) -> list[Mistake]:
        """The functions that were confused, and each field that is missing, wrong or too many. Names that the schema
        does not have are left out: a reply may hold anything."""
        if facts.get("given") == NOTHING:
            return [Mistake(text="the reply is no JSON")]
        function, given = facts.get("expected function"), facts.get("given function")
        about = [function] if function and self._known(function) else []
        if about and given and given != function:
            if self._known(given):
                return [Mistake(text=f"expected function {function}, replied {given}", kinds=[*about, given])]
            return [Mistake(text=f"expected function {function}, replied an unknown one", kinds=about)]
        where = f" of {function}" if about else ""
        return [
            Mistake(text=f"{kind.removesuffix('s')} {field.removeprefix('arguments.')}{where}", kinds=about)
            for kind in ("missing fields", "wrong fields", "extra fields")
            for field in facts.get(kind, "").split(", ")
            if field and all(map(self._known, re.findall(r"[^.\[\]]+", field)))
        ]

    def kind(self, sample: Sample) -> str | None:
        """The function, where the answer is a call."""
        value = expected(sample)
        name = value.get("name") if isinstance(value, dict) and len(value) == 2 else None
        return name if isinstance(name, str) else None

    def _known(self, name: str) -> bool:
        return json.dumps(name) in json.dumps(self.knowledge.value_schema)

    def field_counts(self, sample: Sample, reply: str) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """How often each field is in the answer, in the reply, and in both with the same value."""
        answer = counted(expected(sample), self._normalised)
        try:
            given = counted(json_in(reply), self._normalised)
        except ValueError:
            given = Counter()
        of_answer, of_reply, of_both = (_by_name(fields) for fields in (answer, given, answer & given))
        return of_answer, of_reply, of_both

    def _broken(self, value: Any) -> str | None:
        """What a value breaks of the schema."""
        found = problem(self.knowledge.value_schema, value) if self.knowledge.value_schema else None
        return found if found is None or len(found) <= _MOST else f"{found[:_MOST]}…"

    def _composed(self, question: str, value: Any) -> set[str]:
        """The fields of a value that do not stand in the question."""
        text = self._normalised(question)
        return {name for name, v in fields(value) if v not in ({}, []) and self._as_text(v) not in text}

    def _as_text(self, value: Any) -> str:
        return self._normalised(value if isinstance(value, str) else canonical(value))

    def _normalised(self, text: str) -> str:
        return NORMALISATIONS[self.knowledge.normalisation](text)


def expected(sample: Sample) -> Any:
    """The value of the sample's answer. Raises DataError if that is no JSON."""
    try:
        return json_in(one_answer(sample))
    except ValueError as err:
        raise DataError(f"sample {sample.id}: task json needs `answer` to be one JSON value as a text: {err}") from err


def _most_tokens(text: str) -> int:
    """About the most tokens that JSON takes: one for each digit and each byte beyond ASCII, and one for each two other
    characters."""
    single = sum(1 if sign.isdigit() else len(sign.encode()) for sign in text if sign.isdigit() or not sign.isascii())
    return single + sum(sign.isascii() and not sign.isdigit() for sign in text) // 2


def _names(counts: Counter[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for name, _ in counts))


def _by_name(counts: Counter[tuple[str, str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for (name, _), count in counts.items():
        total[name] += count
    return total


def _shown(counts: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name}: {value!r}" for name, value in counts)
