"""What a run knows of its task beyond single samples: from the config, or learned from the training data."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pada_ray.config.normalisation import Normalisation
from pada_ray.records import Record


class Knowledge(Record):
    """It is made once in a run, before anything is spent, and handed to the tasks by `get_task(name, knowledge)`."""

    labels: list[str] = Field(default_factory=list)
    """Every label that a reply may be, for task `label`; empty where none are known."""
    value_schema: dict[str, Any] | None = None
    """The JSON Schema of a reply's value, for task `json`; None where none is known."""
    schema_given: bool = False
    """Whether the schema comes from the config. What was learned may miss what val and test have."""
    composed_fields: list[str] | None = None
    """Fields of a JSON value that need not stand in the question, because some in train do not; every other one must.
    None: nothing was learned, and none must."""
    normalisation: Normalisation = "whitespace"
    """How texts are compared, for tasks `exact` and `json`."""
    reply_limit: int | None = None
    """Most tokens of a reply, where the training data show it. None: the task's limit."""

    def of_replies(self) -> str:
        """As JSON, what replies and their scores depend on; "" where that is nothing."""
        told = self.model_dump_json(include={"labels", "normalisation", "reply_limit"})
        return "" if told == Knowledge().model_dump_json(include={"labels", "normalisation", "reply_limit"}) else told
