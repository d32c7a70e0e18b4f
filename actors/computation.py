"""What Ray Data and Ray Train spread over the cluster, as an actor: these calls block, so they have a process of their
own beside the orchestrator, which answers while they run. It stays for the run, since to import Ray Data and Ray Train
takes seconds."""

from __future__ import annotations

import ray
import ray.data

from actors.augmentation import augment_batches
from actors.metrics import ComputationMetrics
from actors.remote import ACTOR_OPTIONS
from pada_ray.agents.quotas import Generator, Judge
from pada_ray.records import Batch, BatchOutcome, Prediction
from pada_ray.resources import gpus_for
from pada_ray.run import run_files
from pada_ray.student.evaluation import evaluate
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.fine_tune import FineTuneJob, FineTuneReport, fine_tune


class Computation:
    """Each call may be made again after a crash: fine-tuning goes on from its checkpoint, evaluation begins anew, and
    augmentation is answered from the reply cache."""

    def __init__(self, run: str, generator: Generator, judge: Judge, max_regenerations: int, in_flight: int):
        self._run = run
        self._generator = generator
        self._judge = judge
        self._max_regenerations = max_regenerations
        self._in_flight = in_flight
        self._metrics = ComputationMetrics()
        # Else Ray Data tells that its worker failed, and not of what: a reached budget, an endpoint that is down.
        ray.data.DataContext.get_current().raise_original_map_exception = True

    def fine_tune(self, job: FineTuneJob) -> FineTuneReport:
        settings = job.settings
        return self._metrics.measured(
            job.run,
            f"{run_files.model_of(job.adapter)}: fine-tuning",
            settings.workers[0] * gpus_for(settings.gpus_per_worker),
            lambda: fine_tune(job),
            lambda report: report.samples * settings.epochs,
        )

    def evaluate(self, job: EvaluationJob) -> list[Prediction]:
        settings = job.settings
        return self._metrics.measured(
            job.run,
            f"{run_files.model_of(job.adapter)}: evaluation",
            settings.workers[0] * gpus_for(settings.gpus_per_worker),
            lambda: evaluate(job),
            len,
        )

    def augment(self, batches: list[Batch]) -> list[BatchOutcome]:
        return augment_batches(
            f"{self._run}: data generation",
            batches,
            self._generator,
            self._judge,
            self._max_regenerations,
            self._in_flight,
        )


ComputationActor = ray.remote(**ACTOR_OPTIONS)(Computation)
