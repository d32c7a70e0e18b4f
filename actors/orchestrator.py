"""The Central Orchestrator, as an actor, and the cast of a run."""

from __future__ import annotations

from typing import Any

import ray

from actors.augmentation import augment_batches
from actors.data_generation import DataGenerationActor
from actors.llm_gateway import LlmGatewayActor
from actors.pattern_analysis import PatternAnalysisActor
from actors.quality_control import QualityControlActor
from actors.remote import ACTOR_OPTIONS, RemoteAgent, RemoteTask
from pada_ray.config import Config
from pada_ray.evaluation import evaluate
from pada_ray.fine_tune import fine_tune
from pada_ray.orchestrator import Orchestrator, Workers

OrchestratorActor = ray.remote(**ACTOR_OPTIONS)(Orchestrator)


class Cast:
    """The actors of one run. Whoever creates them owns them: they go when it goes.

    `cache` is the file of the replies; `offline` is where the embedded teacher listens, if the config asks for it.
    """

    def __init__(self, config: Config, folder: str, cache: str, offline: str | None):
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )

        def gateway(role: str, endpoint: Any) -> Any:
            address = offline if endpoint.base_url == "offline" else None
            # The cache and the embedded teacher are on this machine.
            return LlmGatewayActor.options(scheduling_strategy=here).remote(endpoint, role, config.name, cache, address)

        self.teacher = gateway("teacher", config.llm.teacher)
        self.judge = gateway("judge", config.llm.judge)
        teacher, judge = RemoteAgent(self.teacher), RemoteAgent(self.judge)
        common = (config.prompts, config.llm.max_reasks, config.seed)
        pattern_analysis = PatternAnalysisActor.remote(teacher, config.pattern_analysis, *common)
        data_generation = DataGenerationActor.remote(teacher, config.data_generation, *common)
        quality_control = QualityControlActor.remote(judge, config, folder)
        workers = Workers(
            pattern_analysis=RemoteAgent(pattern_analysis),
            augment=RemoteTask(
                augment_batches,
                generator=RemoteAgent(data_generation),
                judge=RemoteAgent(quality_control),
                max_regenerations=config.quality_control.max_regenerations,
                in_flight=config.llm.teacher.max_in_flight,
            ),
            fine_tune=RemoteTask(fine_tune),
            evaluate=RemoteTask(evaluate),
            account=teacher,
        )
        self.orchestrator = OrchestratorActor.remote(config, folder, workers)
