"""The replies that an LLM is asked for, as pydantic models: the JSON fields of appendix C (figures 2 to 7).

Structured output needs an object at the root, so each array of the paper has a key here; a bare array is
accepted too. Unknown keys in a reply are ignored; missing keys make it unreadable.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class AnalysisReply(BaseModel):
    sample_idx: int
    error_cause: str = Field(min_length=1)
    scenario_category: str = Field(min_length=1)


class ErrorAnalysisReply(BaseModel):
    """Figure 2."""

    analyses: list[AnalysisReply] = Field(min_length=1)


class PatternCategorizationReply(BaseModel):
    """Figure 3."""

    category_name: str = Field(min_length=1)
    error_pattern: str = Field(min_length=1)
    representative_samples: list[str]


class StrategyReply(BaseModel):
    category_name: str
    strategy_name: str = Field(min_length=1)
    generation_approach: str = Field(min_length=1)
    key_elements: list[str]


class StrategyDraftingReply(BaseModel):
    """Figure 4."""

    strategies: list[StrategyReply] = Field(min_length=1)


class MessageReply(BaseModel):
    """A message as the LLM wrote it. Its role and content are checked later, for each sample."""

    role: str
    content: str


class SyntheticReply(BaseModel):
    sample_id: str
    is_synthetic: bool = True
    based_on_strategy: str | None = None
    based_on_example: str | None = None
    messages: list[MessageReply]
    answer: str | None = None


class GenerationReply(BaseModel):
    """Figures 5 and 6."""

    samples: list[SyntheticReply] = Field(min_length=1)


class EvaluationReply(BaseModel):
    sample_id: str
    utility: float = Field(ge=1, le=10)
    relevance: float = Field(ge=1, le=10)
    feedback: str


class QualityReply(BaseModel):
    """Figure 7 for the training errors, which have no strategy to adhere to."""

    evaluations: list[EvaluationReply] = Field(min_length=1)


class PatternEvaluationReply(EvaluationReply):
    adherence: float = Field(ge=1, le=10)


class PatternQualityReply(QualityReply):
    """Figure 7 for the patterns."""

    evaluations: list[PatternEvaluationReply] = Field(min_length=1)  # type: ignore[assignment]


class GradeReply(BaseModel):
    reply_id: str
    feedback: str
    rating: float = Field(ge=1, le=10)


class GradingReply(BaseModel):
    """The judge's ratings of a model's replies to open-ended questions (section 2.1)."""

    grades: list[GradeReply] = Field(min_length=1)
