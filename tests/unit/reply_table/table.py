"""The table of replies, from the YAML files beside this one."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pada_ray.records import Message, Sample
from pada_ray.tasks import Knowledge

FOLDER = Path(__file__).parent
TASKS = ("math", "multiple_choice", "extractive_qa", "code", "label", "json", "exact")


class Entry(NamedTuple):
    """A reply, whether it should pass, and by scorer the class of the reason where a scorer says otherwise."""

    sample: Sample
    reply: str
    passes: bool
    kind: str
    differs: dict[str, str]
    knowledge: Knowledge


def _entry(sample: Sample, fields: dict[str, Any], knowledge: Knowledge) -> Entry:
    verdicts = fields.keys() & {"pass", "fail"}
    assert len(verdicts) == 1 and fields.keys() <= {"pass", "fail", "kind", "differs"}, fields
    verdict = verdicts.pop()
    return Entry(sample, fields[verdict], verdict == "pass", fields["kind"], fields.get("differs", {}), knowledge)


@functools.cache
def entries(task: str) -> list[Entry]:
    """The table's entries for a task, in order."""
    table = []
    for number, item in enumerate(yaml.safe_load((FOLDER / f"{task}.yaml").read_text(encoding="utf-8"))):
        sample = Sample(
            id=f"{task}-{number}",
            messages=[Message(role="user", content=item["question"]), Message(role="assistant", content="")],
            task=task,
            answer=item["answer"],
            meta=item.get("meta", {}),
        )
        knowledge = Knowledge.model_validate({key: item[key] for key in ("labels", "normalisation") if key in item})
        table += [_entry(sample, fields, knowledge) for fields in item["replies"]]
    return table


def reasons() -> dict[str, dict[str, str]]:
    """By scorer: the classes of differences, and why ours says otherwise."""
    classes: dict[str, dict[str, str]] = yaml.safe_load((FOLDER / "reasons.yaml").read_text(encoding="utf-8"))
    return classes
