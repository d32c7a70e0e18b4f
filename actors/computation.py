"""What Ray Data and Ray Train spread over the cluster, as an actor: these calls block, so they have a process of their
own beside the orchestrator, which answers while they run. It stays for the run, since to import Ray Data and Ray Train
takes seconds."""

from __future__ import annotations

import ray

from actors.augmentation import augment_batches
from actors.remote import ACTOR_OPTIONS
from pada_ray.augmentation import Generator, Judge
from pada_ray.evaluation import EvaluationJob, evaluate
from pada_ray.fine_tune import FineTuneJob, FineTuneReport, fine_tune
from pada_ray.records import Batch, BatchOutcome, Prediction


class Computation:
    """Each call may be made again after a crash: fine-tuning goes on from its checkpoint, evaluation begins anew, and
    augmentation is answered from the reply cache."""

    def __init__(self, generator: Generator, judge: Judge, max_regenerations: int, in_flight: int):
        self._generator = generator
        self._judge = judge
        self._max_regenerations = max_regenerations
        self._in_flight = in_flight

    def fine_tune(self, job: FineTuneJob) -> FineTuneReport:
        return fine_tune(job)

    def evaluate(self, job: EvaluationJob) -> list[Prediction]:
        return evaluate(job)

    def augment(self, batches: list[Batch]) -> list[BatchOutcome]:
        return augment_batches(batches, self._generator, self._judge, self._max_regenerations, self._in_flight)


ComputationActor = ray.remote(**ACTOR_OPTIONS)(Computation)
