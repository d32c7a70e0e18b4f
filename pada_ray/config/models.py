"""Every key of a run's config, checked before anything is spent.

Where the paper (section 3.2 of arXiv 2510.18143) gives a value, it is the default.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from pada_ray.config import deepspeed
from pada_ray.config.endpoints import LlmConfig
from pada_ray.config.normalisation import Normalisation
from pada_ray.config.section import Section, fewest_first
from pada_ray.config.teacher import TeacherSettings

Fraction = Annotated[float, Field(ge=0, le=1)]
VLLM_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # ranks that vLLM has kernels for
MOST_OF_DEMO = 100_000  # samples of a split, which are drawn one by one
ErrorShare = Fraction | Literal["error_rate", "cluster"]
Gap = Literal["none", "rare", "absent"]
Reviewed = Literal["strategies", "samples"]
StopCondition = Literal["no_better_than_chance", "one_sided_judge", "cannot_tell", "unreadable", "no_gain"]


FewestAndMost = Annotated[
    tuple[PositiveInt, PositiveInt],
    BeforeValidator(lambda value: (value, value) if isinstance(value, int) else value),
    AfterValidator(fewest_first),
]


def _as_verify(value: Any) -> Any:
    return {True: "computation", False: "none"}[value] if isinstance(value, bool) else value


Verify = Annotated[Literal["computation", "agreement", "classifier", "none"] | bool, AfterValidator(_as_verify)]
Cpus = Annotated[float, Field(gt=0)] | Literal["auto"]


class DemoData(Section):
    """The demo's domain: word problems, drawn with the run's seed."""

    gap: Gap = "absent"
    """How train differs from val and test: `none`, it is drawn as they are; `rare`, kinds of problem that are frequent
    there are rare in train; `absent`, and half of these are left out of train altogether."""

    @model_validator(mode="before")
    @classmethod
    def _read_key_of_0_1(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.keys() == {"absent"}:
            return {"gap": "absent" if given["absent"] else "rare"}
        return given


class SplitShares(Section):
    """How one file is cut into train, val and test."""

    val: float = Field(default=0.15, gt=0, lt=1)
    """Share of the questions for val."""
    test: float = Field(default=0.15, ge=0, lt=1)
    """Share of the questions for test. With 0 there is none."""
    seed: int = 0
    """Seed of the cut. Runs that differ in the run's `seed` alone have the same val and test, so that their results can
    be paired."""

    @model_validator(mode="after")
    def _leaves_train(self) -> SplitShares:
        if self.val + self.test >= 1:
            raise ValueError("val and test together leave nothing to train on; make them smaller")
        return self


class DataConfig(Section):
    """Where train, val and test come from: three files, one file that is cut, a dataset, or the demo's domain."""

    file: str | None = None
    """One file for all three, which `split` cuts: CSV, TSV, JSON, JSONL, Parquet, Arrow, or a folder that `datasets`
    saved; a path or fsspec URL. docs/data.md has the layouts."""
    question: str | None = None
    """The column with the question, or a text with columns in braces: `"Which team? {subject}: {body}"`."""
    answer: str | None = None
    """The column with the reply to learn, likewise."""
    split: SplitShares | None = None
    """How `file` is cut. None: 15% each for val and test."""
    train: str | None = None
    """File of training samples, of the same kinds: a path or fsspec URL, as for `val` and `test`."""
    val: str | None = None
    """File of validation samples. Their failures drive the loop."""
    test: str | None = None
    """File of test samples. Without one the report shows val only."""
    demo: DemoData | None = None
    """`{}` takes the demo's domain."""
    dataset: str | None = None
    """A dataset of section 3.1 of the paper (gsm8k, hellaswag, squad, arc_challenge or humaneval), or banking77 or
    snips, which need `folder`."""
    folder: str | None = None
    """Folder of the dataset's files, as NAME/{train_1000,val,test}.jsonl. None draws them from the Hub."""
    task: str | None = None
    """Task of lines that name none: a task's name, or `module:Class` for your own."""
    labels: tuple[str, ...] | str | None = None
    """Every label of task `label`: a list, or a file with one a line (a path or fsspec URL). None takes those of the
    training samples."""
    value_schema: str | None = Field(default=None, alias="schema")
    """File with the JSON Schema of the replies to task `json`, or with a list of tools as in OpenAI's API. None learns
    one from the training samples."""
    normalisation: Normalisation = "whitespace"
    """How texts are compared, in task `exact` and in the strings of task `json`: `none`; `whitespace`, up to white
    space; `case`, also up to case and forms of one character; `punctuation`, also without punctuation; `squad`, as in
    `extractive_qa`."""
    regime: int | None = Field(default=None, ge=1, le=10_000_000)
    """Number of training samples to draw (the paper: 1000, 600 or 300). None takes all, of the demo 1000. With one
    seed, smaller regimes nest in larger ones."""
    eval_samples: int | None = Field(default=500, ge=1, le=10_000_000)
    """Most samples to take of val, and of test (the paper: 500). Every seed takes the same ones of a file."""
    val_apart: float = Field(default=0, ge=0, lt=1)
    """Share of val that the agents never see. It chooses the best model and shows how much the rest of val, which
    drives the loop, flatters. With 0, as in the paper, val does both."""

    @model_validator(mode="before")
    @classmethod
    def _read_key_of_0_1(cls, given: Any) -> Any:
        if isinstance(given, dict) and "benchmark" in given and "dataset" not in given:
            return {"dataset" if key == "benchmark" else key: value for key, value in given.items()}
        return given

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        files = any([self.train, self.val, self.test])
        sources = [self.demo is not None, self.dataset is not None, self.file is not None, files]
        if sum(sources) > 1:
            raise ValueError("give only one of `demo`, `dataset`, `file` and the files `train`, `val` (and `test`)")
        if not any(sources[:3]) and not all([self.train, self.val]):
            raise ValueError(
                "give one `file`, or the files `train` and `val` (and `test`), or `dataset: gsm8k`, or `demo: {}`"
            )
        if (self.question is None) != (self.answer is None):
            raise ValueError("`question` and `answer` go together: name the columns of both")
        if self.question is not None and not any(sources[2:]):
            raise ValueError("`question` and `answer` name columns of `file`, or of `train` and `val`; give these")
        if self.split is not None and self.file is None:
            raise ValueError("`split` cuts the one `file`; leave it out where train and val are files of their own")
        if self.demo is not None and max(self.regime or 0, self.eval_samples or 0) > MOST_OF_DEMO:
            raise ValueError(f"the demo has at most {MOST_OF_DEMO:,} samples a split; lower regime or eval_samples")
        if self.folder is not None and self.dataset is None:
            raise ValueError("`folder` holds the files of a dataset; name the dataset with `dataset`")
        return self


class StudentConfig(Section):
    """The small language model to improve."""

    model: str = "meta-llama/Llama-3.2-1B-Instruct"
    """A Hub id, a local folder, or `demo` for the demo student. The default is the paper's."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Type of the weights. `auto` takes bfloat16 where it is faster (GPUs that have it; CPUs with AMX, and AMD's with
    avx512_bf16), else float32."""
    quantization: Literal["4bit"] | None = None
    """`4bit` keeps the base model's weights in NF4, for training (QLoRA) and evaluation: less memory, and somewhat
    different replies. Needs a GPU and `pip install 'pada-ray[4bit]'`."""
    chat_template: dict[str, Any] = Field(default_factory=dict)
    """Values for the model's chat template. Where one knows a `date_string`, as Llama 3's does, and none is given, it
    is the same day in every prompt."""
    max_length: int = Field(default=2048, ge=16, le=10_000_000)
    """Most tokens of prompt and reply together. Longer training samples are left out and counted."""


class LoraSettings(Section):
    """The adapter, as in `peft.LoraConfig`."""

    r: int = Field(default=32, ge=1, le=100_000)
    """Rank. The default is the paper's."""
    alpha: int = Field(default=32, ge=1, le=1_000_000)
    """The adapter's output is scaled by alpha / r. The default is the paper's."""
    dropout: float = Field(default=0.05, ge=0, lt=1)
    """Dropout probability in the adapter. The default is the paper's."""
    target_modules: str | list[str] = "all-linear"
    """Modules that get an adapter: `all-linear`, a list of names, or a regular expression."""


class FineTuneConfig(Section):
    """LoRA fine-tuning by Ray Train."""

    lora: LoraSettings = LoraSettings()
    epochs: int = Field(default=5, ge=1, le=10_000)
    """Passes over the training set. The default is the paper's."""
    learning_rate: float = Field(default=2e-4, gt=0, le=1)
    """Highest learning rate of the optimiser, AdamW. The default is the paper's."""
    batch_size: int = Field(default=8, ge=1, le=100_000)
    """Samples per optimiser step, over all workers together."""
    gradient_accumulation: int = Field(default=1, ge=1, le=100_000)
    """Forward passes per optimiser step. `batch_size` must be a multiple of it times the most `workers`. Fewer workers
    make more passes each, so that a step keeps its samples."""
    tokens_per_pass: int | None = Field(default=None, ge=1)
    """The most tokens in a worker's forward pass, padding included, instead of `gradient_accumulation`: each step is
    split into as many passes as that takes. It bounds the memory, and samples of like length share a pass. A longer
    sample has a pass of its own."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Learning rate schedule after the warmup. `constant` has no warmup."""
    warmup: Fraction = 0.05
    """Share of the optimiser steps over which the learning rate rises."""
    weight_decay: float = Field(default=0.0, ge=0, le=100)
    """Weight decay of the optimiser."""
    restart: Literal["base", "previous"] = "base"
    """Where each iteration's adapter starts: at the base model, or at the previous iteration's adapter."""
    workers: FewestAndMost = (1, 1)
    """Workers that train together: `2`, or `[1, 4]` for one to four, as the cluster has room and workers are lost."""
    deepspeed: dict[str, Any] | None = None
    """DeepSpeed instead of DDP: `zero1`, `zero2`, `zero3` or `zero3_offload` of `deepspeed_configs`, a JSON file of
    your own, or its keys."""
    gradient_checkpointing: bool = False
    """Whether activations are computed again instead of kept: less memory, more time."""
    cpus_per_worker: Cpus = "auto"
    """CPUs that each worker reserves. `auto`: 1; a single worker without a GPU gets all of the machine, of which runs
    at the same time get a share each."""
    gpus_per_worker: float | Literal["auto"] = "auto"
    """GPUs that each worker reserves. `auto`: one if the cluster has any or its autoscaler may add some. Where that
    cannot be seen, as on KubeRay while no GPU is up, give a number."""
    max_failures: int = Field(default=2, ge=0, le=1000)
    """How often a lost worker is replaced. Training then goes on from the last epoch's checkpoint."""

    @field_validator("deepspeed", mode="before")
    @classmethod
    def _resolve_deepspeed(cls, given: Any) -> Any:
        return deepspeed.resolve(given)

    @model_validator(mode="after")
    def _workers_fit(self) -> FineTuneConfig:
        fewest, most = self.workers
        if fewest < most and self.deepspeed is not None:
            raise ValueError("deepspeed needs a fixed number of workers: its checkpoints are split among them")
        if self.tokens_per_pass is not None and self.gradient_accumulation > 1:
            raise ValueError("tokens_per_pass and gradient_accumulation both say how a step is split; give one of them")
        share = most * self.gradient_accumulation
        if self.batch_size % share:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of workers x gradient_accumulation ({share})"
            )
        return self


class EvaluationConfig(Section):
    """Greedy generation by a Ray Data actor pool."""

    backend: str = "transformers"
    """`transformers`, or `vllm`, which generates faster and takes longer to start. `vllm` needs
    `pip install 'pada-ray[vllm]'`; see docs/vllm.md."""
    vllm: dict[str, Any] = Field(default_factory=dict)
    """vLLM engine arguments, such as `gpu_memory_utilization`. They override those that follow from the config."""
    batch_size: int = Field(default=32, ge=1, le=100_000)
    """Samples that a worker takes at a time."""
    max_new_tokens: int | None = Field(default=None, ge=1, le=10_000_000)
    """Most tokens of a reply. None takes the task's limit."""
    workers: FewestAndMost = (1, 1)
    """Workers that generate at the same time: `2`, or `[1, 4]` for one to four, as the cluster has room. Predictions do
    not depend on the number."""
    constrained_decoding: bool = False
    """Whether the student can reply with nothing but a label, in task `label`: of the next tokens only those are taken
    that go on to one. Set it if your application does the same. Not with `vllm`."""
    merge_adapter: bool = True
    """Whether the adapter's weights are added to the model's in memory, which is faster. In bfloat16 the sum is
    rounded, so that long replies differ; accuracy does so within noise."""
    cpus_per_worker: Cpus = "auto"
    """CPUs that each worker reserves, as in `fine_tune`."""
    gpus_per_worker: float | Literal["auto"] = "auto"
    """GPUs that each worker reserves, as in `fine_tune`."""

    @model_validator(mode="after")
    def _holds_together(self) -> EvaluationConfig:
        if self.vllm and self.backend != "vllm":
            raise ValueError("vllm: these arguments need backend: vllm")
        if self.constrained_decoding and self.backend == "vllm":
            raise ValueError("constrained_decoding: needs backend: transformers")
        return self


class PatternAnalysisConfig(Section):
    """From validation failures to patterns and strategies: section 2.2 of the paper."""

    enabled: bool = True
    """False removes this branch: the ablation without generalization pattern analysis."""
    max_failures: int = Field(default=50, ge=1, le=1_000_000)
    """Most validation failures to analyse in an iteration, drawn at random. The default is the paper's."""
    batch_size: int = Field(default=10, ge=1, le=100_000)
    """Failures per LLM call."""
    embedding: str = "sentence-transformers/all-mpnet-base-v2"
    """Embeds the analyses: a sentence-transformers model (Hub id or folder), or `tfidf`, which needs no weights. The
    default is the paper's (appendix A.2.1)."""
    min_clusters: int = Field(default=2, ge=1, le=10_000)
    """Fewest clusters. The default is the paper's."""
    max_clusters: int = Field(default=10, ge=1, le=10_000)
    """Most clusters. The default is the paper's."""
    of_last_model: bool = True
    """Whether the last model's failures are analysed too, only for the report: some ten LLM calls."""
    leave_out: int | None = Field(default=None, ge=0, le=10_000)
    """A cluster (0 is the largest) whose strategy is drafted but not used, to see what it is worth."""

    @model_validator(mode="after")
    def _ordered(self) -> PatternAnalysisConfig:
        if self.min_clusters > self.max_clusters:
            raise ValueError(f"min_clusters ({self.min_clusters}) is above max_clusters ({self.max_clusters})")
        return self

    @property
    def blind_strategies(self) -> int:
        """How many strategies are drafted without failures, which could be clustered: the middle of the range."""
        return (self.min_clusters + self.max_clusters) // 2

    def what_findings_depend_on(self) -> str:
        """As JSON. Runs with equal values have equal findings for equal failures."""
        return self.model_dump_json(exclude={"of_last_model", "leave_out"})


class DataGenerationConfig(Section):
    """From strategies and training errors to synthetic samples: section 2.3 of the paper."""

    ratio: float = Field(default=0.5, gt=0, le=1000)
    """Accepted synthetic samples per iteration, as a share of the original training set. The default is the paper's."""
    batch_size: int = Field(default=10, ge=1, le=100_000)
    """Samples per LLM call: B of appendix A.5."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """Sampling temperature of these calls; all others have 0, except that several `votes` have 0.7. 0.7 and 0 are the
    paper's."""
    error_share: ErrorShare = "error_rate"
    """Share of the branch of training errors in the new samples: a number (0 removes the branch); `error_rate`, train's
    error rate divided by the sum of train's and val's; `cluster`, as much as one more cluster. docs/error_share.md says
    why."""
    seeds: Literal["random", "near"] = "random"
    """What a strategy's samples are written from: training samples drawn at `random`, as in the paper; or those `near`
    its failures: of the labels or functions that the model confused, each shown with a sample of the one it was
    confused with. Where it confused none, the training samples that are most similar to the failures."""
    quotas: Literal["even", "size"] = "even"
    """How the samples are spread over strategies: `even`, or by the `size` of their clusters."""
    candidate_budget: float = Field(default=3.0, ge=1, le=1000)
    """Most first drafts per accepted sample asked for. When they are used up, the shortfall is reported."""

    def samples_to_add(self, train: int) -> int:
        """New samples per iteration for an original training set of `train` samples."""
        return round(self.ratio * train)


class QualityControlConfig(Section):
    """Review of synthetic samples by the judge: section 2.4 of the paper."""

    enabled: bool = True
    """False is the ablation without quality control: only malformed samples, leaks and known questions are rejected."""
    threshold: float = Field(default=7, ge=1, le=10)
    """Lowest mean of the ratings, 1 to 10, that passes. The default is the paper's."""
    max_regenerations: int = Field(default=3, ge=0, le=100)
    """How often a rejected sample is regenerated. The default is the paper's."""
    batch_size: int = Field(default=10, ge=1, le=100_000)
    """Samples per call to the judge. A larger generated batch is split."""
    decide: Literal["sample", "batch"] = "sample"
    """Whether the threshold applies to each sample, or to a batch's mean as in the paper (a mean hides wrong
    answers)."""
    verify: Verify = "computation"
    """Which answers are checked before the judge rates anything. `computation`: those that can be computed or executed.
    `agreement`: also the others, by having the judge answer the question without seeing the answer. `classifier`: also
    labels, and the functions of function calls, by a classifier that has learned the training samples
    (`pattern_analysis.embedding` and a logistic regression), which costs no call. `none`: no answer, as in the paper.
    true and false mean computation and none."""
    votes: int = Field(default=1, ge=1)
    """With `agreement`, how often the judge answers a question. Most of its answers must confirm the sample's."""
    worked_examples: int = Field(default=5, ge=0)
    """With `agreement`, how many of the nearest training examples it is shown for each question."""
    judge: bool = True
    """Whether the judge rates samples. With false, `verify` alone decides what passes: use that where the judge's
    ratings are worth nothing."""
    canaries: int = Field(default=20, ge=0, le=1000)
    """Training samples that quality control is given unawares before an iteration's new ones, half of them with a wrong
    reply: what it passes of them tells what it is worth. Only where the answer can't be computed; 0 leaves them out."""
    max_overlap: float = Field(default=0.9, gt=0, le=1)
    """Highest overlap of a new question with the one that it was made from, in what varies between questions (ROUGE-L,
    F1 over words); above it the new one is a duplicate. With 1 only equal questions are."""
    for_all_methods: bool = False
    """Whether the other authors' methods get PaDA-Agent's quality control too. `blind`, `val_errors` and `similar`
    always have it."""

    @property
    def computes(self) -> bool:
        """Whether answers are computed or executed."""
        return self.enabled and self.verify != "none"

    @property
    def asks_for_agreement(self) -> bool:
        """Whether the judge answers questions."""
        return self.enabled and self.verify == "agreement"

    @property
    def confirms(self) -> bool:
        """Whether answers that cannot be computed must be confirmed, by the judge or by a classifier."""
        return self.asks_for_agreement or (self.enabled and self.verify == "classifier")

    @property
    def rates(self) -> bool:
        """Whether the judge rates samples."""
        return self.enabled and self.judge

    @property
    def reviews(self) -> bool:
        """Whether it does anything beyond the screen, and may send samples back."""
        return self.rates or self.confirms


class GradingConfig(Section):
    """How the judge decides what fails, in tasks that leave this to a judge (`task: judged`)."""

    rubric: str = (
        "10: right, complete and helpful, in the form that was asked for; 7: serves its purpose, with small faults; "
        "4: partly right, or something asked for is missing; 1: wrong, beside the point or unreadable."
    )
    """What to rate a reply by, 1 to 10. A sample's own `meta.rubric` replaces it."""
    threshold: float = Field(default=7, ge=1, le=10)
    """A reply that is rated lower fails."""
    batch_size: int = Field(default=10, ge=1, le=100_000)
    """Replies per call to the judge."""


class SandboxConfig(Section):
    """The sandbox for code that a model wrote, in tasks that execute code (`task: code`)."""

    require: Literal["strong", "basic"] = "basic"
    """Weakest level at which code is executed; see docs/sandbox.md. `strong` refuses to start where there is less."""


class LeakGuardConfig(Section):
    """Keeps val and test out of the new samples."""

    words: int = Field(default=8, ge=4, le=1000)
    """Length of a leak: this many words in a row of a val or test text, unless the training set has them too."""


class Budget(Section):
    """What a run may spend on LLM calls in all, over every resumption. At the limit it pauses."""

    usd: float | None = Field(default=None, gt=0)
    """Most USD. Needs a price of each endpoint that is asked: your own, or a listed one."""
    tokens: int | None = Field(default=None, ge=1)
    """Most tokens, of prompts and replies together."""


# Keys that may change after a run has started.
CHANGEABLE = {"llm", "budget", "shared_disk", "tracking", "review", "stop_if"}


class Config(Section):
    """One run of PaDA-Agent."""

    name: str = Field(default="pada", max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run's folder, with a number added if it is taken."""
    runs: str = "runs"
    """Folder or fsspec URL under which runs are kept."""
    shared_disk: bool = False
    """Whether local paths, such as `runs`, are on a disk that all nodes mount at the same place. Without it, a cluster
    of several nodes takes no local path; see docs/storage.md."""
    seed: int = Field(default=0, ge=-(2**63), lt=2**63)
    """Seed of the run's random draws: training samples, fine-tuning, agents."""
    method: str = "pada"
    """PaDA-Agent, a method to compare it with, or a control: a name from `pada_ray/methods`."""
    iterations: int = Field(default=2, ge=1, le=1000)
    """Iterations after the initial fine-tuning. The paper does not give the number."""
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
    llm: LlmConfig = LlmConfig()
    budget: Budget = Budget()
    review: tuple[Reviewed, ...] = ()
    """Where each iteration stops for a person: `strategies`, when they are drafted; `samples`, before they are trained
    on. `pada resume` goes on with what the person has made of them; see docs/steering.md."""
    stop_if: tuple[StopCondition, ...] = ()
    """Signs of a loop that goes nowhere, at which the run pauses before more is spent; see docs/steering.md. They are
    always told."""
    offline: TeacherSettings = TeacherSettings()
    """How the offline teacher (`base_url: offline`) behaves."""
    shared_stages: str | None = None
    """Folder or fsspec URL of fine-tunings and evaluations that several runs share. A sweep sets it."""
    prompts: str | None = None
    """Folder with your own templates, named like those in `pada_ray/prompts`."""
    tracking: tuple[Literal["mlflow", "wandb", "tensorboard"], ...] = ()
    """Where the run is also told, such as `[mlflow]`: docs/tracking.md. Needs `pip install 'pada-ray[tracking]'`."""
    rehearsal: bool = False
    """Whether the numbers mean nothing, which the report then says. `pada run --rehearse` sets it."""

    @model_validator(mode="after")
    def _money_is_counted(self) -> Config:
        endpoints = {"teacher": self.llm.teacher, "judge": self.llm.judge}
        unpriced = [role for role, e in endpoints.items() if e.price is None and e.base_url != "none"]
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
            raise ValueError("evaluation.backend: vllm does not support student.quantization; use transformers")
        if self.fine_tune.lora.r > VLLM_LORA_RANKS[-1]:
            raise ValueError(f"evaluation.backend: vllm supports fine_tune.lora.r up to {VLLM_LORA_RANKS[-1]}")
        return self

    @model_validator(mode="after")
    def _some_branch(self) -> Config:
        if not self.pattern_analysis.enabled and self.data_generation.error_share == 0:
            raise ValueError(
                "both branches are off (pattern_analysis.enabled: false, data_generation.error_share: 0); "
                "set method: vanilla for vanilla fine-tuning"
            )
        return self
