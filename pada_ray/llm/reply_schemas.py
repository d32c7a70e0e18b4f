"""What the LLM is asked to answer with, as pydantic models: the JSON fields of appendix C (figures 2 to 7).

An array of the paper stands under one key here, because structured output wants an object at the root; a bare
array is understood as well. Unknown keys in a reply are ignored, missing ones make it unreadable.
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
    """A message as the LLM wrote it; whether its role and content will do is judged sample by sample."""

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
    """Figure 7, in the branch of training errors, which has no strategy to adhere to."""

    evaluations: list[EvaluationReply] = Field(min_length=1)


class PatternEvaluationReply(EvaluationReply):
    adherence: float = Field(ge=1, le=10)


class PatternQualityReply(QualityReply):
    """Figure 7, in the pattern branch."""

    evaluations: list[PatternEvaluationReply] = Field(min_length=1)  # type: ignore[assignment]


class GradeReply(BaseModel):
    reply_id: str
    feedback: str
    rating: float = Field(ge=1, le=10)


class GradingReply(BaseModel):
    """The judge's ratings of a model's replies to open-ended questions (section 2.1)."""

    grades: list[GradeReply] = Field(min_length=1)
