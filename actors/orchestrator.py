"""The Central Orchestrator, as an actor, and the cast of a run."""

from __future__ import annotations

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.computation import ComputationActor
from actors.data_generation import DataGenerationActor
from actors.llm_gateway import LlmGatewayActor
from actors.pattern_analysis import PatternAnalysisActor
from actors.quality_control import QualityControlActor
from actors.remote import ACTOR_OPTIONS, RemoteAgent
from pada_ray.config import Config, EndpointConfig
from pada_ray.orchestrator import Orchestrator, Workers

OrchestratorActor = ray.remote(**ACTOR_OPTIONS)(Orchestrator)


class Cast:
    """The actors of one run, named after its folder. Whoever creates them owns them: they go when it goes.

    `cache` is the file of the replies; `offline` is where the embedded teacher listens, if the config asks for it.
    """

    def __init__(self, config: Config, folder: str, cache: str, offline: str | None):
        run = folder.rstrip("/").rpartition("/")[2]
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)

        def create(actor: Any, role: str, *args: Any, **options: Any) -> Any:
            return actor.options(name=f"{run}: {role}", **options).remote(*args)

        def gateway(role: str, endpoint: EndpointConfig) -> Any:
            address = offline if endpoint.base_url == "offline" else None
            # The cache and the embedded teacher are on this machine.
            args = (endpoint, role, config.name, cache, address)
            return create(LlmGatewayActor, f"{role} gateway", *args, scheduling_strategy=here)

        self.gateways = [gateway("teacher", config.llm.teacher), gateway("judge", config.llm.judge)]
        teacher, judge = RemoteAgent(f"{run}: teacher gateway"), RemoteAgent(f"{run}: judge gateway")
        common = (config.prompts, config.llm.max_reasks, config.seed)
        self._agents = [
            create(PatternAnalysisActor, "pattern analysis", teacher, config.pattern_analysis, *common),
            create(DataGenerationActor, "data generation", teacher, config.data_generation, *common),
            create(QualityControlActor, "quality control", judge, config, folder),
        ]
        self._computation = create(
            ComputationActor,
            "computation",
            RemoteAgent(f"{run}: data generation"),
            RemoteAgent(f"{run}: quality control"),
            config.quality_control.max_regenerations,
            config.llm.teacher.max_in_flight,
        )
        workers = Workers(
            pattern_analysis=RemoteAgent(f"{run}: pattern analysis"),
            computation=RemoteAgent(f"{run}: computation"),
            account=teacher,
        )
        self.orchestrator = create(OrchestratorActor, "orchestrator", config, folder, workers)
