"""The records that the loop passes from step to step, and that stand as lines in the run's files.

Names are the paper's: a failure e_i = (x_i, y_i, ŷ_i), its analysis a_i, a pattern and a strategy per
cluster, and synthetic samples (section 2 of arXiv 2510.18143).
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class Record(BaseModel):
    """An immutable line of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_post_init(self, context: Any) -> None:
        # pydantic holds the names of the fields that it was given, in a set for each object. Nobody here asks for them,
        # and they are a fifth of what a sample takes in memory.
        object.__setattr__(self, "__pydantic_fields_set__", _NO_NAMES)


_NO_NAMES: set[str] = set()  # pydantic copies it before it adds to it


class Message(Record):
    role: Literal["system", "user", "assistant"]
    content: str


class Sample(Record):
    """One item of train, val or test: a conversation that ends in the reference reply.

    `answer` is what a reply is checked against: a string, or for extractive question answering a list of
    accepted strings. `task` names one of `pada_ray.tasks`.
    """

    id: str
    messages: list[Message] = Field(min_length=2)
    task: str
    answer: str | list[str]
    meta: dict[str, Any] = Field(default_factory=dict)

    @property
    def prompt(self) -> list[Message]:
        """The conversation without its last reply: x_i."""
        return self.messages[:-1]

    @property
    def question(self) -> str:
        """The last user message as text."""
        return self.messages[-2].content

    @property
    def reference(self) -> str:
        """The reference reply: y_i."""
        return self.messages[-1].content


Split = Literal["train", "val", "val_apart", "test"]
"""`val_apart` is the part of val that the agents never see, where the config holds one apart."""
SPLITS: tuple[Split, ...] = get_args(Split)


class Prediction(Record):
    """What the model replied to one sample of a split (ŷ_i), and whether the task counts it as a failure."""

    id: str
    split: Split
    reply: str
    failed: bool | None  # None is unscored: a judge has yet to rate the reply, or what it said was unreadable
    truncated: bool  # the reply reached the token limit without ending its turn
    rating: float | None = None  # the judge's, 1 to 10, where the task asks for one
    feedback: str = ""  # why the judge rates so


class Failure(Record):
    """e_i = (x_i, y_i, ŷ_i)."""

    sample: Sample
    reply: str | None  # None for a training sample that is right, but hard for the model


class Mistake(Record):
    """What is wrong with a reply, found without any LLM. It names labels, functions and fields alone, so it holds
    nothing of a held-out sample's text."""

    text: str  # such as `expected card_arrival, replied card_linking`
    kinds: list[str] = Field(default_factory=list)  # the labels or functions that it is about, the expected one first

    @property
    def is_confusion(self) -> bool:
        """Whether one kind was taken for another."""
        return len(self.kinds) == 2


class MistakeCount(Mistake):
    times: int  # failures of the cluster that have it

    @property
    def told(self) -> str:
        """As prompts show it."""
        return f"{self.text}: {self.times}"


class Analysis(Record):
    """a_j: what is known of one validation failure, then its root cause and scenario (appendix A.2.1, figure 2)."""

    sample_id: str
    error_cause: str
    scenario_category: str
    question: str = ""  # this and what follows runs of 0.1 do not say
    facts: dict[str, str] = Field(default_factory=dict)  # the task's, which may quote the sample
    mistakes: list[Mistake] = Field(default_factory=list)
    call: str = ""  # which one analysed it, such as `2`; `2.1` is a smaller one that `2` was asked again in

    @property
    def text(self) -> str:
        """What is embedded and clustered."""
        known = "; ".join(f"{name} {fact}" for name, fact in self.facts.items())
        return "\n".join([*filter(None, [self.question, known]), f"{self.scenario_category}: {self.error_cause}"])

    @property
    def confusion(self) -> str | None:
        """The kinds that were confused, as one text; None if the mistake is another."""
        return next((mistake.text for mistake in self.mistakes if mistake.is_confusion), None)


class Pattern(Record):
    """pattern_k: what the failures of cluster k have in common (figure 3)."""

    cluster: int
    category_name: str
    error_pattern: str
    representative_samples: list[str] = Field(default_factory=list)
    size: int  # analyses in the cluster
    mistakes: list[MistakeCount] = Field(default_factory=list)  # the commonest first


class Strategy(Record):
    """strategy_k: how to write data against pattern k (figure 4)."""

    cluster: int
    category_name: str
    strategy_name: str
    generation_approach: str
    key_elements: list[str]
    mistakes: list[MistakeCount] = Field(default_factory=list)  # of its pattern
    size: int = 0  # analyses in its cluster; 0 where it has none, or in runs of 0.1
    person: Literal["", "edited by a person", "added by a person"] = ""
    """What a person did to it, where the run stopped for a review."""

    @property
    def shown(self) -> dict[str, Any]:
        """As prompts show it."""
        told: dict[str, Any] = {
            "strategy_name": self.strategy_name,
            "generation_approach": self.generation_approach,
            "key_elements": self.key_elements,
        }
        return told | ({"mistakes": [mistake.told for mistake in self.mistakes]} if self.mistakes else {})

    @property
    def group(self) -> str:
        """Whose quota the samples count for that are written by it."""
        return f"cluster-{self.cluster}"


class Ratings(Record):
    """The judge's ratings of one synthetic sample, 1 to 10 each (appendix A.4). `adherence` is absent in
    the branch of training errors, which has no strategy to adhere to."""

    adherence: float | None = None
    utility: float
    relevance: float

    @property
    def overall(self) -> float:
        """The mean of the dimensions that were rated."""
        rated = [s for s in (self.adherence, self.utility, self.relevance) if s is not None]
        return sum(rated) / len(rated)


class Seed(Record):
    """What a synthetic sample is made from: a training sample (by the method `val_errors`, one of val), and where the
    method looks at errors the model's wrong reply, or questions like it that the model got right."""

    sample: Sample
    wrong_reply: str | None = None
    answered_correctly: list[Sample] = Field(default_factory=list)
    contrast: Sample | None = None  # a training sample of the kind that the model confuses this one's with


class Attempt(Record):
    """A try at a synthetic sample: what it is made from, and what quality control said of the try before."""

    draft: str  # unique in the run, the same for every attempt at this sample
    seed: Seed
    number: int = 0  # 0 is the first draft, then regenerations
    feedback: str | None = None


class Batch(Record):
    """What one call is asked for: attempts at samples of one group, from x_i drawn from D̂_train^k for strategy k, from
    e_i of Ê_train, or from what another method draws."""

    id: str  # unique in the run; what is random about the call follows from it and the run's seed
    group: str  # such as `cluster-3` or `errors`: whose quota its samples count for
    instruction: str  # the prompt that the generator gets, by a method's record
    strategy: Strategy | None = None  # of pattern_generation alone
    attempts: list[Attempt]
    reviewed: bool = True  # whether the Quality Control Agent verifies and judges what comes of it
    keep_reply: bool = False  # the question alone is written anew; reply and answer stay the seed's

    @property
    def seeds(self) -> list[Seed]:
        """One for each attempt, in order."""
        return [attempt.seed for attempt in self.attempts]


Reason = Literal[
    "malformed", "leak", "duplicate", "wrong", "not confirmed", "low score", "unscored", "dropped by a person"
]
"""Why a candidate was turned down: not in the form of a sample, quotes val or test, repeats its seed or what stands in
the training set already, its answer is verifiably wrong, the judge answered its question otherwise, the judge rated it
below the threshold, the judge's rating was unreadable, a person who reviewed it left it out."""

Deed = Literal["", "edited by a person", "added by a person", "accepted by a person", "dropped by a person"]
"""What a person did to a sample: nothing, or against the judge accepted or dropped it."""


class ByPerson(Record):
    """What a person said of a synthetic sample, where the run stopped for a review."""

    deed: Deed = ""
    rating: float | None = None  # 1 to 10
    feedback: str = ""


class WrittenMessage(Record):
    """A message as the LLM wrote it; whether its role and content will do is for quality control to say."""

    role: str
    content: str


class Candidate(Record):
    """A synthetic sample with its origin and what quality control said of it."""

    id: str
    draft: str = ""  # the same for every attempt at one sample; runs of 0.1 have batch and seed_id, together, instead
    batch: str  # the call that wrote it
    group: str
    strategy_name: str | None
    seed_id: str  # the sample that it was made from: a training sample, unless the method takes its seeds from val
    attempt: int  # 0 is the first draft, then regenerations
    messages: list[WrittenMessage]
    answer: str | None  # only where the generator was shown one, such as test code
    sample: Sample | None = None  # what is trained on; absent when malformed
    ratings: Ratings | None = Field(default=None, validation_alias=AliasChoices("ratings", "scores"))
    """Absent when the judge was not asked, or its reply was unreadable. Runs of 0.1 call them scores."""
    feedback: str = ""
    rejected: Reason | None = None
    person: ByPerson | None = None  # None where no person reviewed it


class LeakHit(Record):
    """Held-out text found where it must not be."""

    where: str  # such as `pattern cluster-2` or a candidate's id
    held_out_id: str
    words: str
