"""The Central Orchestrator, as an actor, and the cast of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import ray

from actors.computation import ComputationActor
from actors.data_generation import DataGenerationActor
from actors.gateway import gateway_name, hold_gateway
from actors.grading import GraderActor
from actors.metrics import StageMetrics
from actors.pattern_analysis import PatternAnalysisActor
from actors.quality_control import QualityControlActor
from actors.remote import ACTOR_OPTIONS, RemoteAgent, knowing_this_cluster, on_this_node
from actors.stage_claims import claims_name
from pada_ray.agents.grading import is_judged
from pada_ray.config import Config, EndpointConfig
from pada_ray.llm.chat import Experiment
from pada_ray.llm.client import GatewayLlm
from pada_ray.orchestrator import Orchestrator, Workers
from pada_ray.run import run_files
from pada_ray.storage import Folder

# Enough that the gateway's limits are what holds calls back.
_BATCHES_UNDER_WAY = 64

OrchestratorActor = ray.remote(**ACTOR_OPTIONS)(Orchestrator)


class Cast:
    """The actors of one run, named after its folder. Whoever creates them owns them: they go when it goes.

    `cache` is the file of the replies, and `copy` the folder of their copy, if there is one; `addresses` is where the
    endpoints listen that were started for this run, by role.
    """

    def __init__(self, config: Config, folder: str, cache: str, addresses: Mapping[str, str], copy: str | None = None):
        if Folder(folder).exists(run_files.PROMPTS):  # which every node sees, wherever the user's own folder is
            config = config.model_copy(update={"prompts": Folder(folder).at(run_files.PROMPTS)})
        run = run_files.run_name(folder)
        self._folder = folder
        self._claims = _claims(config.shared_stages)
        self._actors: list[Any] = []
        # Only of this machine is it known how well it shuts in the code that the agents run.
        beside = on_this_node(must=config.sandbox.require == "strong")

        def create(actor: Any, role: str, *args: Any, **options: Any) -> Any:
            options |= {"name": f"{run}: {role}", **beside}
            self._actors.append(actor.options(**options).remote(*args))
            return self._actors[-1]

        self.gateways: list[Any] = []

        def llm(role: str, endpoint: EndpointConfig) -> GatewayLlm:
            address = addresses.get(role)
            # The cache, and what was started for this run, are on this machine.
            here = on_this_node(must=True)
            self.gateways.append(hold_gateway(endpoint, cache, address, here, copy, config.offline))
            gateway = RemoteAgent(gateway_name(endpoint, cache, address))
            return GatewayLlm(gateway, Experiment(name=folder, budget=config.budget), role)

        teacher, judge = llm("teacher", config.llm.teacher), llm("judge", config.llm.judge)
        common = (config.prompts, config.llm.max_reasks, config.seed)
        self._agents = [
            create(PatternAnalysisActor, "pattern analysis", teacher, config.pattern_analysis, *common),
            create(DataGenerationActor, "data generation", teacher, config.data_generation, *common),
            create(QualityControlActor, "quality control", judge, config, folder),
        ]
        judged = is_judged(s for members in run_files.read_samples(Folder(folder)).values() for s in members)
        if judged:
            grading = (judge, config.grading, config.prompts, config.llm.max_reasks)
            self._agents.append(create(GraderActor, "grading", *grading))
        self._computation = create(
            ComputationActor,
            "computation",
            run,
            RemoteAgent(f"{run}: data generation"),
            RemoteAgent(f"{run}: quality control"),
            config.quality_control.max_regenerations,
            config.llm.teacher.max_in_flight or _BATCHES_UNDER_WAY,
            runtime_env=knowing_this_cluster(),
        )
        workers = Workers(
            pattern_analysis=RemoteAgent(f"{run}: pattern analysis"),
            computation=RemoteAgent(f"{run}: computation"),
            account=teacher,
            claims=self._claims,
            grader=RemoteAgent(f"{run}: grading") if judged else None,
        )
        self.orchestrator = create(OrchestratorActor, "orchestrator", config, folder, workers, StageMetrics(run))

    def start(self) -> Any:
        """Takes the run on; the reference that comes back is ready when the run has ended."""
        ray.get([gateway.check.remote() for gateway in self.gateways])
        return self.orchestrator.run.remote()

    def close(self) -> None:
        """Ends the actors of this run, and what they hold up for others. Calls under way are waited for: they will be
        paid for, so their replies are to be stored."""
        for actor in self._actors:
            ray.kill(actor)
        if self._claims is not None:
            ray.get(self._claims.release_all(self._folder))
        with contextlib.suppress(ray.exceptions.RayActorError):  # then nothing is under way
            ray.get([gateway.finish.remote(self._folder) for gateway in self.gateways])


def _claims(shared_stages: str | None) -> RemoteAgent | None:
    """The claims on a store of stages, held by whoever runs those that share it."""
    if shared_stages is None:
        return None
    return RemoteAgent(claims_name(shared_stages))
