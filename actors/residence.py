"""Where the student of a run lives between its stages: one actor for all that a single worker does.

A stage of a run needs its CPUs and its GPU while it computes, and the run waits for LLMs in between. So the actor
reserves CPUs of its own machine stage by stage. Ray cannot lend it a GPU in that way, nor a CPU of another node: there
the actor holds both, and goes when the run turns to its LLMs.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group

from actors.remote import on_this_node
from pada_ray.config import Config, EvaluationConfig, FineTuneConfig
from pada_ray.resources import all_nodes, cpus_for, gpus_for
from pada_ray.student.evaluation_job import LOST_WORKERS
from pada_ray.student.resident import ResidentStudent

_COMING_BACK = {"max_restarts": -1, "max_task_retries": LOST_WORKERS["max_task_retries"]}  # each call is tried again
_LONG = 3600.0  # seconds to wait at a time for CPUs that another run holds

ResidentStudentActor = ray.remote(ResidentStudent)


def trains_alone(config: Config) -> bool:
    """Whether one worker trains, which needs no processes of Ray Train."""
    one = config.fine_tune.workers == (1, 1) and config.fine_tune.deepspeed is None
    return one and config.student.quantization is None


class Residence:
    """Knows which stages of a run a resident student does, and makes its actor when it is needed.

    `runs` is how many runs share the machine.
    """

    def __init__(self, config: Config, run: str, runs: int):
        training, evaluation = config.fine_tune, config.evaluation
        self.trains = trains_alone(config)
        one = evaluation.workers == (1, 1) and evaluation.backend == "transformers"
        self.replies = one and config.student.quantization is None
        self.name = ""  # of the actor, in Ray
        self._run = run
        self._training, self._evaluation = training, evaluation
        self._runs = runs
        self._actor: Any = None
        self._holds = False

    @contextlib.contextmanager
    def at_work(self, settings: FineTuneConfig | EvaluationConfig) -> Iterator[Any]:
        """The actor, with the CPUs that a stage of these settings takes."""
        self._move_in()
        with contextlib.nullcontext() if self._holds else _reserved(self._cpus(settings.cpus_per_worker)):
            yield self._actor

    def prepare(self) -> None:
        """Makes the actor before the first stage needs it, where it keeps nothing from others."""
        if (self.trains or self.replies) and not self._holding():
            self._move_in()

    def leave(self) -> None:
        """Ends the actor if it keeps something from others."""
        if self._holds:
            self.end()

    def end(self) -> None:
        """Ends the actor. The next stage makes another."""
        if self._actor is not None:
            ray.kill(self._actor)
            self._actor = None

    def _move_in(self) -> None:
        if self._actor is not None:
            return
        self._holds = self._holding()
        cpus = [self._cpus(s.cpus_per_worker) for s in (self._training, self._evaluation)]
        place = {"num_cpus": max(cpus), "num_gpus": self._gpus()} if self._holds else {"num_cpus": 0, **on_this_node()}
        # One that comes back after a crash of its maker finds the name of its predecessor taken.
        self.name = f"{self._run}: student {uuid.uuid4().hex[:8]}"
        self._actor = ResidentStudentActor.options(name=self.name, **_COMING_BACK, **place).remote(*cpus)

    def _holding(self) -> bool:
        """Whether an actor made now has to hold its resources."""
        nodes = all_nodes()
        return nodes is None or len(nodes) > 1 or self._gpus() > 0

    def _gpus(self) -> float:
        return max(gpus_for(s.gpus_per_worker) for s in (self._training, self._evaluation))

    def _cpus(self, setting: float | str) -> float:
        if self._holds:
            return cpus_for(setting)
        machine = sum(node["Resources"].get("CPU", 1) for node in ray.nodes() if node["Alive"])
        return cpus_for(setting, most=max(1, machine // self._runs))


@contextlib.contextmanager
def _reserved(cpus: float) -> Iterator[None]:
    """Keeps CPUs from others, without a process that holds them."""
    seat = placement_group([{"CPU": cpus}])
    try:
        while not seat.wait(_LONG):
            pass
        yield
    finally:
        remove_placement_group(seat)
