"""The config as a contract: every key a run understands, checked before anything is spent.

The defaults are the paper's settings (section 3.2 of arXiv 2510.18143) wherever it gives one.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from pada_ray.config import deepspeed
from pada_ray.config.teacher import TeacherSettings

Fraction = Annotated[float, Field(ge=0, le=1)]
VLLM_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # those that it has kernels for
ErrorShare = Fraction | Literal["error_rate", "cluster"]


def _fewest_first(bounds: tuple[int, int]) -> tuple[int, int]:
    fewest, most = bounds
    if fewest > most:
        raise ValueError(f"[{fewest}, {most}]: the fewest come first")
    return bounds


FewestAndMost = Annotated[
    tuple[PositiveInt, PositiveInt],
    BeforeValidator(lambda value: (value, value) if isinstance(value, int) else value),
    AfterValidator(_fewest_first),
]


class Section(BaseModel):
    """A part of the config. Unknown keys are errors, and nothing is changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class DemoData(Section):
    """The embedded domain of word problems, drawn by the run's seed."""

    absent: bool = True
    """Whether some kinds of problem that val and test hold are left out of train altogether."""


class DataConfig(Section):
    """Where train, val and test come from: three JSONL files, a dataset of the paper, or the demo's domain."""

    train: str | None = None
    val: str | None = None
    test: str | None = None
    """Paths or fsspec URLs. `test` may be left out; then the report shows val only."""
    demo: DemoData | None = None
    dataset: str | None = None
    """A dataset of section 3.1 of the paper: gsm8k, hellaswag, squad, arc_challenge or humaneval."""
    folder: str | None = None
    """Where the dataset's files lie, as NAME/{train_1000,val,test}.jsonl. None: they are drawn from the Hub."""
    task: str | None = None
    """The task of lines that name none: a task's name, or `module:Class` for your own."""
    regime: int | None = Field(default=None, ge=1)
    """How many training samples to draw (the paper: 1000, 600 or 300). Smaller regimes nest in larger ones."""
    eval_samples: int | None = Field(default=500, ge=1)
    """At most so many of val, and of test; the same ones for every seed."""
    val_apart: float = Field(default=0, ge=0, lt=1)
    """Share of val that is held apart from the agents. It chooses the best model, and shows what the rest of val, which
    drives the loop, would flatter. 0: val does both, as in the paper."""

    @model_validator(mode="before")
    @classmethod
    def _read_key_of_0_1(cls, given: Any) -> Any:
        if isinstance(given, dict) and "benchmark" in given and "dataset" not in given:
            return {"dataset" if key == "benchmark" else key: value for key, value in given.items()}
        return given

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        sources = [self.demo is not None, self.dataset is not None, any([self.train, self.val, self.test])]
        if sum(sources) > 1:
            raise ValueError("give either `demo` or the files `train`, `val` (and `test`) or `dataset`, not two")
        if not any(sources[:2]) and not all([self.train, self.val]):
            raise ValueError("give the files `train` and `val` (and `test`), or `dataset: gsm8k`, or `demo: {}`")
        if self.folder is not None and self.dataset is None:
            raise ValueError("`folder` is where the files of a dataset lie; name it with `dataset`")
        return self


class StudentConfig(Section):
    """The small model to improve."""

    model: str = "meta-llama/Llama-3.2-1B-Instruct"
    """A Hub id, a local folder, or `demo` for the embedded student."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """`auto` takes bfloat16 where the device has it, else float32."""
    quantization: Literal["4bit"] | None = None
    """`4bit` keeps the base model's weights in NF4, for training (QLoRA) and evaluation: less memory, and somewhat
    different replies. Needs a GPU and `pip install 'pada-ray[4bit]'`."""
    chat_template: dict[str, Any] = Field(default_factory=dict)
    """Values for the model's chat template, such as a fixed `date_string` for Llama 3."""
    max_length: int = Field(default=2048, ge=16)
    """Tokens of prompt and reply together; longer training samples are left out, and counted."""


class LoraSettings(Section):
    r: int = Field(default=32, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    target_modules: str | list[str] = "all-linear"


class FineTuneConfig(Section):
    """LoRA fine-tuning by Ray Train."""

    lora: LoraSettings = LoraSettings()
    epochs: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0)
    batch_size: int = Field(default=8, ge=1)
    """Samples per optimiser step over all workers together."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Forward passes per optimiser step; `batch_size` must be a multiple of it times `workers`. When fewer workers are
    there than at most, they make more passes: a step keeps its samples."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: Fraction = 0.05
    """Share of the steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    restart: Literal["base", "previous"] = "base"
    """Each round's adapter starts fresh from the base model, or goes on from the previous round's."""
    workers: FewestAndMost = (1, 1)
    """How many train together: `2`, or `[1, 4]` for one and up to four as the cluster has room and workers are lost."""
    deepspeed: dict[str, Any] | None = None
    """DeepSpeed instead of DDP: `zero1`, `zero2`, `zero3` or `zero3_offload` of `configs/deepspeed`, a JSON file of
    your own, or its keys."""
    cpus_per_worker: float = Field(default=1, gt=0)
    gpus_per_worker: float | Literal["auto"] = "auto"
    """`auto`: one GPU if the cluster has any, or if its autoscaler may add some. Where that cannot be seen, as on
    KubeRay while no GPU is there, a number is asked for."""
    max_failures: int = Field(default=2, ge=0)
    """How often a lost worker is replaced; training goes on from the last epoch's checkpoint."""

    @field_validator("deepspeed", mode="before")
    @classmethod
    def _resolve_deepspeed(cls, given: Any) -> Any:
        return deepspeed.resolve(given)

    @model_validator(mode="after")
    def _workers_fit(self) -> FineTuneConfig:
        fewest, most = self.workers
        if fewest < most and self.deepspeed is not None:
            raise ValueError("deepspeed needs a fixed number of workers: its checkpoints are split among them")
        share = most * self.gradient_accumulation
        if self.batch_size % share:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of workers x gradient_accumulation ({share})"
            )
        return self


class EvaluationConfig(Section):
    """Greedy generation by a Ray Data actor pool."""

    backend: str = "transformers"
    """`transformers`, or `vllm`, which writes faster and takes longer to start. That one needs
    `pip install 'pada-ray[vllm]'`; docs/vllm.md."""
    vllm: dict[str, Any] = Field(default_factory=dict)
    """Engine arguments of vLLM over those that follow from the config, such as `gpu_memory_utilization`."""
    batch_size: int = Field(default=32, ge=1)
    max_new_tokens: int | None = Field(default=None, ge=1)
    """Instead of the task's own limit."""
    workers: FewestAndMost = (1, 1)
    """How many hold the student at a time: `2`, or `[1, 4]` for one and up to four as the cluster has room. The
    predictions are the same."""
    cpus_per_worker: float = Field(default=1, gt=0)
    gpus_per_worker: float | Literal["auto"] = "auto"
    """As in `fine_tune`."""

    @model_validator(mode="after")
    def _holds_together(self) -> EvaluationConfig:
        if self.vllm and self.backend != "vllm":
            raise ValueError("vllm: these arguments are for backend: vllm")
        return self


class PatternAnalysisConfig(Section):
    enabled: bool = True
    """False removes the branch: the ablation without generalization pattern analysis."""
    max_failures: int = Field(default=50, ge=1)
    """Validation failures to analyse, drawn at random."""
    batch_size: int = Field(default=10, ge=1)
    """Failures per call."""
    embedding: str = "sentence-transformers/all-mpnet-base-v2"
    """A sentence-transformers model (Hub id or folder), or `tfidf`, which needs no weights."""
    min_clusters: int = Field(default=2, ge=1)
    max_clusters: int = Field(default=10, ge=1)
    of_last_model: bool = True
    """What the last model still gets wrong is analysed too, for the reader: some ten calls."""
    leave_out: int | None = Field(default=None, ge=0)
    """A cluster (0 is the largest) whose strategy is drafted but not used: what is it worth?"""

    @model_validator(mode="after")
    def _ordered(self) -> PatternAnalysisConfig:
        if self.min_clusters > self.max_clusters:
            raise ValueError(f"min_clusters ({self.min_clusters}) is above max_clusters ({self.max_clusters})")
        return self

    def what_findings_depend_on(self) -> str:
        """As JSON. Runs that agree in it find the same in the same failures."""
        return self.model_dump_json(exclude={"of_last_model", "leave_out"})


class DataGenerationConfig(Section):
    ratio: float = Field(default=0.5, gt=0)
    """Accepted synthetic samples per iteration, as a share of the original training set."""
    batch_size: int = Field(default=10, ge=1)
    """Samples per call: B of appendix A.5."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    error_share: ErrorShare = "error_rate"
    """Share of the branch of training errors: a number (0 removes the branch); `error_rate`, what train's error rate is
    of train's and val's together; `cluster`, as much as for one more cluster. docs/error_share.md says why."""
    candidate_budget: float = Field(default=3.0, ge=1)
    """At most so many first drafts per accepted sample asked for; then the shortfall is reported."""

    def samples_to_add(self, train: int) -> int:
        """What an iteration adds to an original training set of so many samples."""
        return round(self.ratio * train)


class QualityControlConfig(Section):
    enabled: bool = True
    """False lets everything well-formed pass that is neither a leak nor known: the ablation without quality control."""
    threshold: float = Field(default=7, ge=1, le=10)
    max_regenerations: int = Field(default=3, ge=0)
    batch_size: int = Field(default=10, ge=1)
    """Samples per judge's call; a generated batch larger than that is split."""
    decide: Literal["sample", "batch"] = "sample"
    """Whether the threshold holds for each sample, or for a batch's mean as in the paper (a mean hides wrong
    answers)."""
    verify: bool = True
    """Whether an answer that can be computed or executed is checked; a wrong one never passes."""
    for_all_methods: bool = False
    """Whether the methods that PaDA-Agent is compared with get its quality control as well. They have none of their
    own."""


class GradingConfig(Section):
    """How the judge decides what fails, in the tasks that leave it to one (`task: judged`)."""

    rubric: str = (
        "10: right, complete and helpful, in the form that was asked for; 7: serves its purpose, with small faults; "
        "4: partly right, or something asked for is missing; 1: wrong, beside the point or unreadable."
    )
    """What to rate a reply by, 1 to 10. A sample's own `meta.rubric` goes before it."""
    threshold: float = Field(default=7, ge=1, le=10)
    """A reply rated lower fails."""
    batch_size: int = Field(default=10, ge=1)
    """Replies per judge's call."""


class SandboxConfig(Section):
    """The sandbox for code that a model wrote, in the tasks that run any (`task: code`)."""

    require: Literal["strong", "basic"] = "basic"
    """The weakest level to run code at; see docs/sandbox.md. `strong` refuses to start where the machine holds less."""


class LeakGuardConfig(Section):
    words: int = Field(default=8, ge=4)
    """A run of so many words of a val or test text is a leak, unless it stands in the training set too."""


class Price(Section):
    """USD per million tokens."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class VllmServerConfig(Section):
    """How the cluster serves a model by vLLM on GPUs of its own (`base_url: vllm`)."""

    engines: Annotated[tuple[NonNegativeInt, PositiveInt], AfterValidator(_fewest_first)] = (0, 1)
    """The fewest and the most. With 0 the last one lets go of its GPU when there is no call for it."""
    idle_s: float = Field(default=60, ge=0)
    """Seconds without a call after which an engine ends."""
    cpus_per_engine: float = Field(default=1, gt=0)
    gpus_per_engine: float | Literal["auto"] = "auto"
    """As in `fine_tune`; with `tensor_parallel_size` in `arguments`, so many for each part."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Engine arguments of vLLM, such as `max_model_len`."""


class EndpointConfig(Section):
    """An OpenAI-compatible endpoint. A secret is never a value here, only the name of its variable."""

    base_url: str
    """`https://.../v1`; `offline` for the embedded rule-based teacher; `vllm` to have the cluster serve `model` by
    itself, which needs `pip install 'pada-ray[vllm]'`."""
    model: str
    """As the server calls it; with `vllm` a Hub id or a folder."""
    vllm: VllmServerConfig = VllmServerConfig()
    """For `base_url: vllm`."""
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the key."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Of prompts and replies together."""
    max_in_flight: int | None = Field(default=None, ge=1)
    """Calls at a time. A limit that is not given is found: up in steps, down by a share when the endpoint refuses."""
    max_retries: int = Field(default=8, ge=0)
    """Of one call, after a lost connection, a timeout, 408, 409, 429 or 5xx, with growing waits or as long as
    Retry-After says. A 429 counts for a tenth while the endpoint answers others."""
    timeout: float = Field(default=120, gt=0)
    """Seconds for one call."""
    price: Price | None = None
    """Without it there is no account of money: a price is never guessed."""
    max_tokens: int = Field(default=8192, ge=16)
    """For one reply."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Extra headers that are no secrets."""
    body: dict[str, Any] = Field(default_factory=dict)
    """Extra fields of the request's body."""

    @field_validator("api_key_env")
    @classmethod
    def _is_no_key(cls, name: str | None) -> str | None:
        if name is not None and len(name) >= 20 and name != name.upper():
            raise ValueError("this looks like a key; give the name of the variable that holds it, in capitals")
        return name

    @field_validator("base_url")
    @classmethod
    def _has_no_password(cls, url: str) -> str:
        if re.search("://[^/@]*@", url):
            raise ValueError("a URL with a user or a password is written to files; give a key by api_key_env")
        return url


class LlmConfig(Section):
    """Who analyses and writes, and who judges. The paper takes two models, to avoid self-enhancement bias."""

    teacher: EndpointConfig
    judge: EndpointConfig
    max_reasks: int = Field(default=3, ge=0)
    """How often a reply that cannot be read is asked for again, with the parser's error."""
    cache: str | None = None
    """Folder or fsspec URL for the replies already paid for, which runs may share. None: the run's folder."""


class Budget(Section):
    """What a run may spend on LLM calls in all, over every resumption. At the limit it pauses."""

    usd: float | None = Field(default=None, gt=0)
    """Needs `price` at both endpoints."""
    tokens: int | None = Field(default=None, ge=1)
    """Of prompts and replies together."""


CHANGEABLE = {"llm", "budget", "shared_disk"}  # keys that may change in a run that has begun


class Config(Section):
    """One run of PaDA-Agent."""

    name: str = Field(default="pada", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """The run's folder is called so, with a number where the name is taken."""
    runs: str = "runs"
    """Folder or fsspec URL under which runs are kept."""
    shared_disk: bool = False
    """Whether local paths, such as `runs`, are on a disk that all nodes of the cluster mount at the same place. A
    cluster of several nodes takes a local path only so; see docs/storage.md."""
    seed: int = 0
    method: str = "pada"
    """PaDA-Agent, a method to compare it with, or a control: the table in `pada_ray/methods`."""
    iterations: int = Field(default=2, ge=1)
    """Rounds of augmentation after the initial fine-tuning."""
    data: DataConfig
    student: StudentConfig = StudentConfig()
    fine_tune: FineTuneConfig = FineTuneConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    pattern_analysis: PatternAnalysisConfig = PatternAnalysisConfig()
    data_generation: DataGenerationConfig = DataGenerationConfig()
    quality_control: QualityControlConfig = QualityControlConfig()
    leak_guard: LeakGuardConfig = LeakGuardConfig()
    sandbox: SandboxConfig = SandboxConfig()
    grading: GradingConfig = GradingConfig()
    llm: LlmConfig
    budget: Budget = Budget()
    offline: TeacherSettings = TeacherSettings()
    """How the embedded teacher (`base_url: offline`) behaves."""
    shared_stages: str | None = None
    """Folder of fine-tunings and evaluations that runs have in common and do once; a sweep sets it."""
    prompts: str | None = None
    """Folder with templates of your own, named like those in `pada_ray/prompts`."""

    @model_validator(mode="after")
    def _money_is_counted(self) -> Config:
        unpriced = [role for role in ("teacher", "judge") if getattr(self.llm, role).price is None]
        if self.budget.usd is not None and unpriced:
            raise ValueError(
                f"budget.usd needs llm.{unpriced[0]}.price: {{prompt: ..., completion: ...}} in USD per million tokens"
            )
        return self

    @model_validator(mode="after")
    def _vllm_can_load_the_student(self) -> Config:
        if self.evaluation.backend != "vllm":
            return self
        if self.student.quantization is not None:
            raise ValueError("evaluation.backend: vllm does not go with student.quantization; take transformers")
        if self.fine_tune.lora.r > VLLM_LORA_RANKS[-1]:
            raise ValueError(f"evaluation.backend: vllm knows adapters up to fine_tune.lora.r: {VLLM_LORA_RANKS[-1]}")
        return self

    @model_validator(mode="after")
    def _some_branch(self) -> Config:
        if not self.pattern_analysis.enabled and self.data_generation.error_share == 0:
            raise ValueError(
                "both branches are off (pattern_analysis.enabled: false, data_generation.error_share: 0); "
                "set method: vanilla for vanilla fine-tuning"
            )
        return self
