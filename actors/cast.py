"""The cast of a run: its actors, who owns them, and how they find each other."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import ray

from actors.agents import PatternAnalysisActor
from actors.computation import ComputationActor
from actors.gateway import gateway_name, hold_gateway
from actors.metrics import StageMetrics
from actors.remote import ACTOR_OPTIONS, handle, knowing_this_cluster, on_this_node
from actors.residence import trains_alone
from actors.stage_claims import claims_name
from pada_ray.agents.asking import Asking
from pada_ray.agents.brief import read_brief
from pada_ray.agents.pattern_analysis import PatternAnalysisAgent
from pada_ray.config import Config, EndpointConfig
from pada_ray.llm.chat import Payer
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.gateway import LlmGateway
from pada_ray.orchestrator import Computation, Orchestrator, Workers
from pada_ray.runs import run_files
from pada_ray.runs.configs import with_own_prompts
from pada_ray.runs.event_log import Notices
from pada_ray.runs.shared_stages import StageClaims
from pada_ray.runs.tracking import Tracking
from pada_ray.storage import Folder

_ANSWER_WITHIN_S = 10.0

OrchestratorActor = ray.remote(**ACTOR_OPTIONS)(Orchestrator)


class Cast:
    """The actors of one run, named after its folder. Whoever creates them owns them: they go when it goes.

    `cache` is the file of the replies, and `copy` the folder of their copy, if there is one; `addresses` is where the
    endpoints listen that were started for this run, by role; `runs` is how many runs go on at the same time.
    """

    def __init__(
        self,
        config: Config,
        folder: str,
        cache: str,
        addresses: Mapping[str, str],
        copy: str | None = None,
        runs: int = 1,
    ):
        config = with_own_prompts(config, Folder(folder))
        name = run_files.run_name(folder)  # in Ray's dashboard and metrics
        self._folder = folder
        self._actors: dict[str, Any] = {}
        self._claims: StageClaims | None = None  # held by whoever runs those that share the store
        if config.shared_stages is not None:
            self._claims = handle(StageClaims, claims_name(config.shared_stages))
        # The sandbox level has been checked on this machine only.
        beside = on_this_node(must=config.sandbox.require == "strong")

        def create(role: str, actor: Any, *args: Any, **options: Any) -> None:
            options |= {"name": run_files.actor_name(folder, role), **beside}
            self._actors[role] = actor.options(**options).remote(*args)

        self.gateways: list[Any] = []

        def llm(role: str, endpoint: EndpointConfig) -> GatewayLlm:
            address = addresses.get(role)
            # The cache, and what was started for this run, are on this machine.
            here = on_this_node(must=True)
            self.gateways.append(hold_gateway(endpoint, cache, address, here, copy, config.offline))
            gateway = handle(LlmGateway, gateway_name(endpoint, cache, address))
            return GatewayLlm(gateway, Payer(run=folder, budget=config.budget), role)

        teacher, judge = llm("teacher", config.llm.teacher), llm("judge", config.llm.judge)
        brief = read_brief(Folder(folder), config.data.task)
        create("pattern analysis", PatternAnalysisActor, teacher, config.pattern_analysis, Asking.of(config, brief))
        # Processes that Ray has at hand have no runtime env.
        env = {} if trains_alone(config) else {"runtime_env": knowing_this_cluster()}
        create("computation", ComputationActor, config, name, runs, teacher, judge, **env)
        workers = Workers(
            pattern_analysis=handle(PatternAnalysisAgent, f"{name}: pattern analysis"),
            computation=handle(Computation, f"{name}: computation"),  # type: ignore[type-abstract]
            judge=judge,
            account=teacher,
            claims=self._claims,
        )
        notices = Notices(StageMetrics(name), Tracking(config, folder))
        create("orchestrator", OrchestratorActor, config, folder, workers, notices)

    @property
    def orchestrator(self) -> Any:
        return self._actors["orchestrator"]

    @property
    def computation(self) -> Any:
        return self._actors["computation"]

    def start(self) -> Any:
        """Takes the run on; the reference that comes back is ready when the run has ended."""
        ray.get([gateway.check.remote() for gateway in self.gateways])
        return self.orchestrator.run.remote()

    def under_way(self) -> int:
        """How many of the run's calls are at the endpoints at this moment."""
        with contextlib.suppress(ray.exceptions.RayError):
            return sum(ray.get([gateway.under_way.remote(self._folder) for gateway in self._own_gateways]))
        return 0

    def interrupt(self) -> None:
        """Has the run's state say that the user stops it."""
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(self.orchestrator.interrupt.remote(), timeout=_ANSWER_WITHIN_S)

    @property
    def _own_gateways(self) -> list[Any]:
        """Each once, where both roles have one endpoint."""
        return list(dict.fromkeys(self.gateways))

    def close(self) -> None:
        """Ends the actors of this run, and what they hold up for others. Calls under way are waited for: they are paid
        for, so their replies are to be stored."""
        for actor in self._actors.values():
            ray.kill(actor)
        if self._claims is not None:
            ray.get(self._claims.release_all(self._folder))
        with contextlib.suppress(ray.exceptions.RayActorError):  # then nothing is under way
            ray.get([gateway.finish.remote(self._folder) for gateway in self._own_gateways])
