"""Before anything is spent: check the config and the data, and lay out the run's folder."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.cluster import check_cluster
from jobs.lock import locked
from pada_ray import run_files
from pada_ray.benchmarks import benchmark_files
from pada_ray.config import CHANGEABLE, Config, DataConfig, EndpointConfig, check_config, dump_config, lay_over
from pada_ray.data import EVAL_DRAW, by_question, load_splits
from pada_ray.demo.domain import splits as demo_splits
from pada_ray.errors import ConfigError
from pada_ray.fine_tune import check_fine_tuning
from pada_ray.llm.moving import take_along
from pada_ray.prompts import Prompts, read_templates
from pada_ray.randomness import generator_for
from pada_ray.records import Sample, Split
from pada_ray.sandbox import check_level
from pada_ray.state import FILE as STATE
from pada_ray.storage import Folder, as_lines
from pada_ray.tasks import get_task
from pada_ray.tasks.code import Code

Samples = dict[Split, list[Sample]]


def prepare(config: Config) -> str:
    """Checks all that can be checked here and lays out a new run, whose folder or URL it returns.

    Raises ConfigError, DataError or NoCluster.
    """
    check_cluster()
    samples = read_data(config)
    check(config, samples)
    return lay_out(config, samples, new_folder(config))


def check(config: Config, samples: Samples) -> None:
    """Raises ConfigError unless all holds that can be checked before anything is spent."""
    Prompts(config.prompts)
    _check_size(config, samples)
    check_endpoints(config)
    check_student(config, samples)


def check_student(config: Config, samples: Samples) -> None:
    """Raises ConfigError unless the student is there, has room to reply, and its replies can be checked on this
    machine."""
    _check_model(config)
    _check_room(config, {sample.task for members in samples.values() for sample in members})
    check_backend(config)
    if any(s.task == Code.name for members in samples.values() for s in members):
        check_level(config.sandbox.require)


def lay_out(config: Config, samples: Samples, folder: Folder) -> str:
    """Writes a run's config, samples and own prompts into its folder, whose path or URL it returns.

    Raises ConfigError where a run has begun there with other samples or prompts, or another process is at work on it.
    """
    files = {run_files.split(split): as_lines(members) for split, members in samples.items()}
    templates = read_templates(config.prompts) if config.prompts else {}
    files |= {f"{run_files.PROMPTS}/{name}": template for name, template in templates.items()}
    with locked([folder.url]):
        has_begun = folder.exists(STATE)
        for file, text in files.items():
            if not has_begun:
                folder.write_text(file, text)
            elif not folder.exists(file) or folder.read_text(file) != text:
                raise ConfigError(
                    f"{folder.at(file)}: the run began with another content, so that its results would be of both; "
                    "bring that back, or give another name (--set name=...)"
                )
        _write_config(folder, config)
    return folder.url


def read_config(run: str) -> Config:
    """The config of an existing run. Raises ConfigError when `run` holds none."""
    folder = Folder(run)
    if not folder.exists(run_files.CONFIG):
        raise ConfigError(f"{run}: no run here (it has no {run_files.CONFIG})")
    return run_files.read_config(folder)


def check_changes(overrides: list[str]) -> None:
    """Raises ConfigError for an override that would make a run another experiment."""
    for override in overrides:
        if re.split(r"[.=]", override)[0] not in CHANGEABLE:
            raise ConfigError(
                f"--set {override}: a run goes on with its own settings; only llm, budget and shared_disk may change"
            )


def change_config(run: str, overrides: list[str]) -> None:
    """Lays overrides over an existing run's config, where they cannot make it another experiment.

    Raises ConfigError, also where another process is at work on the run.
    """
    check_changes(overrides)
    folder = Folder(run)
    with locked([folder.url]):
        raw = read_config(run).model_dump(mode="json")
        for override in overrides:
            lay_over(raw, override)
        _write_config(folder, check_config(raw, folder.at(run_files.CONFIG)))


def _write_config(folder: Folder, config: Config) -> None:
    """Of a run that has begun already, what it has paid for comes along to where this config has it."""
    if folder.exists(run_files.CONFIG):
        take_along(cache_file(run_files.read_config(folder), folder.url), cache_file(config, folder.url))
    folder.write_text(run_files.CONFIG, dump_config(config))


def read_data(config: Config) -> Samples:
    """The run's samples, checked. Raises DataError, naming file and line."""
    samples = _read_splits(config)
    if not config.data.val_apart:
        return samples
    val = samples["val"]
    size = round(config.data.val_apart * len(val))
    seen: list[Sample] = []
    apart: list[Sample] = []
    for group in by_question(generator_for(EVAL_DRAW, "val_apart").sample(val, len(val))):
        (apart if len(apart) < size else seen).extend(group)
    if not seen or not apart:
        raise ConfigError(f"data.val_apart: {config.data.val_apart} of {len(val)} samples leaves a part empty")
    return samples | {"val": seen, "val_apart": apart}


def _read_splits(config: Config) -> Samples:
    data = config.data
    if data.demo is not None:
        if data.task is not None:
            raise ConfigError("data.task: the demo domain has a task of its own; leave it out")
        drawn = demo_splits(
            config.seed,
            train_size=data.regime or 1000,
            eval_size=data.eval_samples or 500,
            absent=data.demo.absent,
        )
        return {split: [Sample.model_validate(s) for s in drawn[split]] for split in ("train", "val", "test")}
    train, val, test = data.train, data.val, data.test
    if data.benchmark is not None:
        if data.task is not None:
            raise ConfigError("data.task: a benchmark has a task of its own; leave it out")
        files = benchmark_files(data.benchmark, data.folder)
        train, val, test = files["train"], files["val"], files["test"]
    if data.task is not None:
        get_task(data.task)
    assert train is not None
    assert val is not None
    splits = load_splits(train, val, test, data.task, data.regime, data.eval_samples, config.seed)
    samples: Samples = {"train": splits.train, "val": splits.val}
    return samples | ({"test": splits.test} if splits.test else {})


def read_each(configs: Iterable[Config]) -> Iterator[Samples]:
    """The samples of each config; data that several have in common are read and checked once. Raises DataError."""
    known: dict[tuple[DataConfig, int], Samples] = {}
    for config in configs:
        key = (config.data, config.seed)
        if key not in known:
            known[key] = read_data(config)
        yield known[key]


def cache_file(config: Config, run: str) -> str:
    """Where the replies of a run are kept on this machine, which is where its calls are made."""
    folder = _reply_folder(config, run)
    place = Path(folder.url)
    if _is_elsewhere(folder, config):
        place = Path.home() / ".cache" / "pada-ray" / "replies" / folder.url.replace("://", "/").lstrip("/")
    return str((place / run_files.REPLIES).resolve())


def cache_copy(config: Config, run: str) -> str | None:
    """The folder or URL where a copy of the replies is kept, so that they outlive this machine. None: `cache_file`
    itself lies where it should."""
    folder = _reply_folder(config, run)
    return folder.at(run_files.COPIED_REPLIES) if _is_elsewhere(folder, config) else None


def _reply_folder(config: Config, run: str) -> Folder:
    return Folder(run if config.llm.cache is None else lasting(config.llm.cache))


def _is_elsewhere(folder: Folder, config: Config) -> bool:
    """Whether it is no place for SQLite, which wants a disk of this machine's own."""
    return not folder.is_local or config.shared_disk


def check_endpoints(config: Config) -> None:
    """Raises ConfigError unless what the endpoints need on this machine is there."""
    check_endpoint(config.llm.teacher, "teacher")
    check_endpoint(config.llm.judge, "judge")


def check_endpoint(endpoint: EndpointConfig, role: str) -> None:
    """Raises ConfigError unless what the endpoint of a role needs on this machine is there."""
    if endpoint.api_key_env is not None and not os.environ.get(endpoint.api_key_env):
        raise ConfigError(f"llm.{role}.api_key_env: the environment variable {endpoint.api_key_env} is not set")
    if endpoint.base_url == "vllm":
        _check_vllm(f"llm.{role}.base_url")


def check_backend(config: Config) -> None:
    """Raises ConfigError unless the student can be evaluated as the config wants it."""
    if config.evaluation.backend != "vllm":
        return
    _check_vllm("evaluation.backend")
    if not Folder(config.runs).is_local:
        raise ConfigError("evaluation.backend: vllm reads adapters from a disk, and `runs` is a URL; take transformers")


def _check_vllm(key: str) -> None:
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(f"{key}: vLLM is not installed here; pip install 'pada-ray[vllm]'")


def _check_model(config: Config) -> None:
    model = config.student.model
    if model.startswith((".", "/", "~")) and not (Path(model) / "config.json").is_file():
        raise ConfigError(f"student.model: {model} is no model's folder (it has no config.json)")
    check_fine_tuning(config.student, config.fine_tune, gpu=_has_gpu() if config.student.quantization else None)


def _check_room(config: Config, tasks: Iterable[str]) -> None:
    longest = config.evaluation.max_new_tokens or max(get_task(task).max_new_tokens for task in tasks)
    if config.student.max_length <= longest:
        raise ConfigError(
            f"student.max_length: {config.student.max_length} tokens are for a prompt and its reply, and a reply may "
            f"take {longest} of them; raise it, or lower evaluation.max_new_tokens"
        )


def _check_size(config: Config, samples: Samples) -> None:
    settings, train = config.data_generation, len(samples["train"])
    if config.method != "vanilla" and not settings.samples_to_add(train):
        raise ConfigError(
            f"data_generation.ratio: {settings.ratio} of {train} training samples are none to add; raise it"
        )


def _has_gpu() -> bool | None:
    """Whether this machine has a GPU; None on a cluster, whose GPUs may come when they are asked for."""
    if "RAY_ADDRESS" in os.environ:
        return None
    import torch

    return torch.cuda.is_available()


def new_folder(config: Config) -> Folder:
    """The first free of NAME, NAME-2, NAME-3, ... under `runs`."""
    runs = Folder(lasting(config.runs))
    taken = set(runs.names())
    number = 1
    while (name := config.name if number == 1 else f"{config.name}-{number}") in taken:
        number += 1
    return Folder(runs.at(name))


def lasting(path: str) -> str:
    """The path or URL at which a run is kept. In a Ray job the working folder is a copy that goes with the job, so
    there a relative path counts from the home folder."""
    under_ray_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    if "://" in path or not under_ray_job:
        return path
    return str(Path.home() / Path(path).expanduser())
