"""How the offline teacher behaves: how often it errs, and which endpoint faults it simulates."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

Rate = Annotated[float, Field(ge=0, le=1)]

FaultName = Literal["rate_limit", "server_error", "hang", "cut_off", "prose", "fenced_prose", "wrong_count", "empty"]
FAULT_NAMES: tuple[FaultName, ...] = get_args(FaultName)


class TeacherSettings(BaseModel):
    """The offline teacher's settings. Rates are shares of entries or of requests, 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: int = 0
    """Seed of its wordings, mistakes and faults."""

    model: str = "offline-teacher"
    """The name that /v1/models lists. Requests may name any model."""

    wrong_rate: Rate = 0.15
    """Share of new samples with a wrong reply, for prompts without feedback."""

    wrong_rate_with_feedback: Rate = 0.03
    """The same for prompts with feedback."""

    meaning_lost_rate: Rate = 0.03
    """Share of rephrased questions that ask something different from the original."""

    misread_rate: Rate = 0.05
    """Share of failures whose diagnosis is wrong."""

    judge_error_rate: Rate = 0.02
    """Share of verdicts that are reversed: a good sample rejected or a bad one accepted."""

    latency_ms: float = Field(default=0, ge=0, le=86_400_000)
    """Wait before every reply, in milliseconds."""

    faults: dict[FaultName, Rate] = Field(default_factory=dict)
    """Share of requests with each fault; see `pada_ray.teacher.faults`. A request has at most one fault."""

    hang_seconds: float = Field(default=30, ge=0, le=86_400)
    """Seconds that a request with the fault "hang" waits for its reply."""

    retry_after_seconds: float = Field(default=1, ge=0, le=86_400)
    """Seconds in the Retry-After header of the fault "rate_limit"."""

    access_log: str | None = None
    """File that gets a JSON line for every request; see `pada_ray.teacher.access_log`."""

    @field_validator("faults")
    @classmethod
    def _at_most_one(cls, faults: dict[FaultName, float]) -> dict[FaultName, float]:
        if sum(faults.values()) > 1 + 1e-9:
            raise ValueError("the rates must not add up to more than 1")
        return faults
