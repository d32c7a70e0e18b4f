"""All checks of a config and its samples that this machine can make before anything is spent."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path

from jobs.local.preflight import check_reading, check_surroundings
from jobs.local.ray_session import cluster_address
from pada_ray.config import Config, EndpointConfig
from pada_ray.data.given import knowledge_of
from pada_ray.data.splits import Samples
from pada_ray.errors import ConfigError
from pada_ray.methods import METHODS
from pada_ray.prompts import Prompts
from pada_ray.runs.expected import check_budget, expected_calls
from pada_ray.runs.tracking import check_tracking
from pada_ray.sandbox import check_level
from pada_ray.storage import Folder
from pada_ray.student.evaluation_job import reply_limit
from pada_ray.student.fine_tune import check_fine_tuning
from pada_ray.tasks import Knowledge, get_task
from pada_ray.tasks.code import Code


def check(config: Config, samples: Samples) -> None:
    """Raises ConfigError for the first problem found in the config or its samples."""
    Prompts(config.prompts)
    check_tracking(config)
    check_fit(config, samples)
    expected = expected_calls(config, samples)
    check_endpoints(config, dict.fromkeys(e.role for e in expected))
    check_budget(config, expected)
    check_student(config, samples, knowledge_of(config.data, samples["train"]))
    check_surroundings(config)


def check_student(config: Config, samples: Samples, knowledge: Knowledge | None = None) -> None:
    """Raises ConfigError unless the student exists, has room to reply and takes the samples, and this machine can check
    its replies."""
    _check_model(config)
    _check_length(config, {sample.task for members in samples.values() for sample in members}, knowledge)
    check_backend(config)
    if any(s.task == Code.name for members in samples.values() for s in members):
        check_level(config.sandbox.require)
    check_reading(config, samples)


def check_endpoints(config: Config, roles: Iterable[str]) -> None:
    """Raises ConfigError if an endpoint of the roles that the run asks is not given, or if this machine lacks a key or
    a package that one needs."""
    for role in roles:
        endpoint: EndpointConfig = getattr(config.llm, role)
        if endpoint.base_url == "none":
            raise ConfigError(
                f"llm.{role}: this key is required: a run with method: {config.method} on these samples asks a {role}"
            )
        check_endpoint(endpoint, role)


def check_endpoint(endpoint: EndpointConfig, role: str) -> None:
    """Raises ConfigError if this machine lacks a key or a package that the endpoint of `role` needs."""
    if endpoint.api_key_env is not None and not os.environ.get(endpoint.api_key_env):
        raise ConfigError(f"llm.{role}.api_key_env: the environment variable {endpoint.api_key_env} is not set")
    if endpoint.base_url == "vllm":
        _check_vllm(f"llm.{role}.base_url")


def check_backend(config: Config) -> None:
    """Raises ConfigError if `evaluation.backend` cannot work here."""
    if config.evaluation.backend != "vllm":
        return
    _check_vllm("evaluation.backend")
    if not Folder(config.runs).is_local:
        raise ConfigError("evaluation.backend: vllm reads adapters from a disk, but `runs` is a URL; use transformers")


def _check_vllm(key: str) -> None:
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(f"{key}: vLLM is not installed here; pip install 'pada-ray[vllm]'")


def _check_model(config: Config) -> None:
    model = config.student.model
    if model.startswith((".", "/", "~")) and not (Path(os.path.expanduser(model)) / "config.json").is_file():
        raise ConfigError(f"student.model: {model} is not a model folder (it has no config.json)")
    check_fine_tuning(config.student, config.fine_tune, gpu=_has_gpu() if config.student.quantization else None)


def _check_length(config: Config, tasks: Iterable[str], knowledge: Knowledge | None) -> None:
    longest = reply_limit(config.evaluation, (get_task(task, knowledge) for task in tasks))
    if config.student.max_length <= longest:
        raise ConfigError(
            f"student.max_length: {config.student.max_length} tokens must hold a prompt and its reply, but a reply may "
            f"take {longest} of them; raise it, or lower evaluation.max_new_tokens"
        )


def check_fit(config: Config, samples: Samples) -> None:
    """Raises ConfigError if the method would add no sample, lacks the split that scores it, or has new samples verified
    by what these have not."""
    settings, train, method = config.data_generation, len(samples["train"]), METHODS[config.method]
    if config.quality_control.verify == "classifier" and not any(get_task(s.task).kind(s) for s in samples["train"]):
        raise ConfigError(
            "quality_control.verify: a classifier tells labels (task: label) and functions of function calls, but the "
            "training samples have neither; take agreement or computation"
        )
    if method.reference and "test" not in samples:
        raise ConfigError(f"method: {config.method} trains on val, so only test can score it; give `data.test`")
    grows = method.iterations(config.iterations) and not method.reference
    if grows and not settings.samples_to_add(train):
        raise ConfigError(
            f"data_generation.ratio: {settings.ratio} x {train} training samples rounds to 0 new samples; raise it"
        )


def _has_gpu() -> bool | None:
    """Whether this machine has a GPU; None on a cluster, which may add GPUs on demand."""
    if cluster_address() is not None:
        return None
    import torch

    return torch.cuda.is_available()
