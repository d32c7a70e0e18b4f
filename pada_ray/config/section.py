"""What all sections of a config have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Section(BaseModel):
    """A part of the config. Unknown keys are errors, and values cannot be changed."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        validate_by_name=False,
        serialize_by_alias=True,
        allow_inf_nan=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_one(cls, given: Any, info: ValidationInfo) -> Any:
        if isinstance(given, bool) and "bool" not in str(cls.model_fields[str(info.field_name)].annotation):
            raise ValueError(f"{str(given).lower()} is no value here (yes, no, on and off are true and false in YAML)")
        return given


def fewest_first(bounds: tuple[int, int]) -> tuple[int, int]:
    fewest, most = bounds
    if fewest > most:
        raise ValueError(f"[{fewest}, {most}]: put the smaller number first")
    return bounds
