"""Where everything of a run lies in its folder."""

from __future__ import annotations

from pada_ray.records import SPLITS, Sample, Split
from pada_ray.runs.stage_names import parts_of
from pada_ray.storage import Folder
from pada_ray.tasks import Knowledge, check_named_by_data

CONFIG = "config.yaml"
REPLIES = "replies.sqlite"
COPIED_REPLIES = "replies"  # folder of files, where the run is not on the disk of the machine that makes the calls
KNOWLEDGE = "data/knowledge.json"  # absent where nothing is known beyond the samples, as in runs of 0.1
PROMPTS = "prompts"  # folder with the user's own templates, as they were when the run was laid out


def run_name(folder: str) -> str:
    """What the run in a folder is called in Ray's dashboard and metrics."""
    return folder.rstrip("/").rpartition("/")[2]


def actor_name(folder: str, role: str) -> str:
    """What Ray calls the actor with a role in the run in a folder, such as `demo: orchestrator`."""
    return f"{run_name(folder)}: {role}"


def split(name: Split) -> str:
    """The samples of a split as the run uses them."""
    return f"data/{name}.jsonl"


def read_samples(folder: Folder, task: str | None) -> dict[Split, list[Sample]]:
    """The samples of every split that the run has.

    Args:
        task: the one that the run's config names.

    Raises:
        ConfigError: a sample names a task that is neither built in nor `task`.
    """
    samples = {s: folder.read_records(split(s), Sample) for s in SPLITS if folder.exists(split(s))}
    for name in {s.task for members in samples.values() for s in members}:
        check_named_by_data(name, task)
    return samples


def read_knowledge(folder: Folder) -> Knowledge:
    """What the run knows of its task."""
    return Knowledge.model_validate_json(folder.read_text(KNOWLEDGE)) if folder.exists(KNOWLEDGE) else Knowledge()


def held_out(samples: dict[Split, list[Sample]]) -> list[Sample]:
    """The samples of val (both parts) and test: what must never reach training."""
    return [s for name, members in samples.items() if name != "train" for s in members]


def model(iteration: int) -> str:
    """The folder, and the name, of the model of an iteration; 0 is vanilla fine-tuning."""
    return f"iteration-{iteration}"


BASE = "base"
ADAPTER = "adapter"  # folder in a model's folder


def adapter(iteration: int) -> str:
    return f"{model(iteration)}/{ADAPTER}"


def model_of(adapter_folder: str | None) -> str:
    """The model that an adapter makes; without one it is the base model."""
    return adapter_folder.partition("/")[0] if adapter_folder else BASE


def training_set(iteration: int) -> str:
    return f"{model(iteration)}/training_set.jsonl"


def predictions(model_name: str) -> str:
    return f"{model_name}/predictions.jsonl"


def replies(model_name: str) -> str:
    """The replies before a judge has graded them, for tasks that leave it to one."""
    return f"{model_name}/replies.jsonl"


def losses(model_name: str) -> str:
    """On train, where the model fails on none of it and its hardest samples are looked for."""
    return f"{model_name}/losses.jsonl"


def analyses(iteration: int) -> str:
    return f"{model(iteration)}/analyses.jsonl"


def clusters(iteration: int) -> str:
    return f"{model(iteration)}/clusters.yaml"


def patterns(iteration: int) -> str:
    return f"{model(iteration)}/patterns.yaml"


def strategies(iteration: int) -> str:
    return f"{model(iteration)}/strategies.yaml"


def leaks(iteration: int) -> str:
    """Held-out text that was cut out of patterns and strategies."""
    return f"{model(iteration)}/leaks.jsonl"


def canaries(iteration: int) -> str:
    """Planted samples, right and wrong, with what quality control made of them."""
    return f"{model(iteration)}/canaries.jsonl"


def accepted(iteration: int) -> str:
    return f"{model(iteration)}/accepted.jsonl"


def rejected(iteration: int) -> str:
    return f"{model(iteration)}/rejected.jsonl"


def reviewed(path: str) -> str:
    """What came of a file of an iteration in a person's review."""
    model_name, _, name = path.partition("/")
    return f"{model_name}/reviewed/{name}"


def in_force(folder: Folder, path: str) -> str:
    """A file of an iteration, or what came of it in a person's review: what the run went on with."""
    return reviewed(path) if folder.exists(reviewed(path)) else path


def generation_stats(iteration: int) -> str:
    """What the stages of data generation did, by Ray Data: tasks, workers, seconds."""
    return f"{model(iteration)}/generation.txt"


def quotas(iteration: int) -> str:
    """What came of each group: quota, accepted, drafted, rejected by reason."""
    return f"{model(iteration)}/quotas.yaml"


_BESIDE = {
    "fine-tuning": ("training_set.jsonl",),
    "strategy drafting": ("leaks.jsonl",),
    "data generation": ("rejected.jsonl", "quotas.yaml", "canaries.jsonl", "generation.txt"),
    "review of samples": ("reviewed/rejected.jsonl", "reviewed/quotas.yaml"),
}


def beside(stage: str) -> list[str]:
    """What a stage may write beside its output."""
    model_name, kind = parts_of(stage)
    return [f"{model_name}/{name}" for name in _BESIDE.get(kind, ())]
