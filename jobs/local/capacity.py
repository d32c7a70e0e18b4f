"""Refuse a run whose workers never fit on the cluster: Ray would wait for room without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from pada_ray.config import Config, EvaluationConfig
from pada_ray.errors import ConfigError
from pada_ray.resources import Node, all_nodes, cpus_for, gpus_for, room_for


class Need(NamedTuple):
    """Resources needed at the same time: `workers` workers, each with its CPUs and GPUs on one node."""

    key: str  # in the config
    workers: int
    cpus: float
    gpus: float | Literal["auto"]


def check_room(needs: Iterable[Need]) -> None:
    """Raises ConfigError for a need that the cluster can never meet, unless its autoscaler may add nodes. Ray must be
    connected."""
    nodes = all_nodes()
    if nodes is not None:
        distinct = dict.fromkeys(needs)  # a sweep's runs mostly need the same, and `auto` asks Ray each time
        refuse_for_lack_of_room(distinct, nodes)


def refuse_for_lack_of_room(needs: Iterable[Need], nodes: Sequence[Node], place: str = "the cluster") -> None:
    """Raises ConfigError for a need that `nodes` (as `ray.nodes()` gives them), which are `place`, can never meet."""
    for key, workers, cpus, gpus_setting in needs:
        gpus = gpus_for(gpus_setting)
        if room_for(nodes, cpus, gpus) < workers:
            has = Counter(_in_words(n["Resources"].get("CPU", 0), n["Resources"].get("GPU", 0)) for n in nodes)
            raise ConfigError(
                f"{key}: {workers} x {_in_words(cpus, gpus)} needed, but {place} has "
                f"{', '.join(f'{count} x {node}' for node, count in has.items())}; ask for less, or add nodes first"
            )


def needs_of(config: Config) -> Iterator[Need]:
    """The needs of a run, stage by stage."""
    settings = config.fine_tune
    yield Need("fine_tune", settings.workers[0], cpus_for(settings.cpus_per_worker), settings.gpus_per_worker)
    yield need_of_evaluation(config.evaluation)
    for role, endpoint in (("teacher", config.llm.teacher), ("judge", config.llm.judge)):
        if endpoint.base_url == "vllm":
            served = endpoint.vllm
            yield Need(f"llm.{role}.vllm", 1, served.cpus_per_engine, served.gpus_per_engine)


def need_of_evaluation(settings: EvaluationConfig) -> Need:
    """One worker is enough: Ray Data takes as many of the others as there is room for."""
    return Need("evaluation", 1, cpus_for(settings.cpus_per_worker), settings.gpus_per_worker)


def _in_words(cpus: float, gpus: float) -> str:
    return f"({cpus:g} CPU, {gpus:g} GPU)"
