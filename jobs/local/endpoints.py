"""The LLM endpoints that a run starts itself: the offline teacher (`base_url: offline`), and models that vLLM serves on
the cluster's own GPUs (`base_url: vllm`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from rich.console import Console

from pada_ray.config import Config, EndpointConfig

Addresses = dict[str, str]  # `_key` -> URL


@contextlib.contextmanager
def offline_teachers(configs: Iterable[Config]) -> Iterator[Addresses]:
    """Runs an offline teacher for each distinct `offline` section of the configs while the block lasts."""
    with contextlib.ExitStack() as teachers:
        addresses = {}
        for key, (config, _) in _wanted(configs, "offline").items():
            from pada_ray.teacher.process import start_teacher

            addresses[key] = teachers.enter_context(start_teacher(config.offline)).url
        yield addresses


@contextlib.contextmanager
def served_models(configs: Iterable[Config], console: Console) -> Iterator[Addresses]:
    """Serves each model that the configs want from vLLM while the block lasts. Ray must be connected."""
    with contextlib.ExitStack() as models:
        addresses = {}
        for key, (_, endpoint) in _wanted(configs, "vllm").items():
            from actors.llm_server import serve_model

            console.print(
                f"vLLM: starting an engine for {endpoint.model}, which can take minutes",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
            addresses[key] = models.enter_context(serve_model(endpoint.model, endpoint.vllm))
        yield addresses


def _wanted(configs: Iterable[Config], base_url: str) -> dict[str, tuple[Config, EndpointConfig]]:
    """`_key` -> one config and endpoint for each server that has this `base_url`."""
    return {
        _key(config, endpoint): (config, endpoint)
        for config in configs
        for endpoint in (config.llm.teacher, config.llm.judge)
        if endpoint.base_url == base_url
    }


def addresses_of(config: Config, started: Addresses) -> dict[str, str]:
    """Role -> URL of the endpoints that were started for `config`."""
    endpoints = {"teacher": config.llm.teacher, "judge": config.llm.judge}
    keys = {role: _key(config, endpoint) for role, endpoint in endpoints.items()}
    return {role: started[key] for role, key in keys.items() if key in started}


def _key(config: Config, endpoint: EndpointConfig) -> str:
    """Equal for endpoints that can share a server."""
    if endpoint.base_url == "offline":
        return config.offline.model_dump_json()
    return f"{endpoint.base_url} {endpoint.model} {endpoint.vllm.model_dump_json()}"
