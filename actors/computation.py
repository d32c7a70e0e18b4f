"""What Ray Data and Ray Train spread over the cluster, as an actor: these calls block, so they have a process of their
own beside the orchestrator, which answers while they run. It stays for the run, since to import Ray Data and Ray Train
takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import ray
import ray.data

from actors.generation import READERS, AttemptStream, augment
from actors.metrics import ComputationMetrics
from actors.remote import ACTOR_OPTIONS
from actors.residence import Residence
from pada_ray.agents.quotas import Augmentation, AugmentationJob
from pada_ray.agents.screening import Screen
from pada_ray.config import Config
from pada_ray.llm.client import GatewayLlm
from pada_ray.records import Prediction
from pada_ray.resources import gpus_for
from pada_ray.runs import run_files
from pada_ray.runs.stage_names import Kind, stage_name
from pada_ray.storage import Folder
from pada_ray.student.evaluation import evaluate
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.fine_tune import FineTuneJob, FineTuneReport, fine_tune
from pada_ray.student.losses import SampleLoss, losses

T = TypeVar("T")


class Computation:
    """Each call may be made again after a crash: fine-tuning goes on from its checkpoint, evaluation begins anew, and
    augmentation is answered from the reply cache."""

    def __init__(self, config: Config, run: str, runs: int, teacher: GatewayLlm, judge: GatewayLlm):
        self._config = config
        self._residence = Residence(config, run, runs)
        self._residence.prepare()
        self._teacher = teacher
        self._judge = judge
        self._stream: AttemptStream | None = None
        self._metrics = ComputationMetrics()
        # Else Ray Data tells that its worker failed, and not of what.
        ray.data.DataContext.get_current().raise_original_map_exception = True

    def fine_tune(self, job: FineTuneJob) -> FineTuneReport:
        settings = job.settings
        with self._metrics.measured(
            job.run,
            stage_name(run_files.model_of(job.adapter), "fine-tuning"),
            gpus=settings.workers[0] * gpus_for(settings.gpus_per_worker),
        ) as measured:
            report = self._fine_tune(job)
            measured.samples = report.samples * settings.epochs
        return report

    def evaluate(self, job: EvaluationJob) -> list[Prediction]:
        return self._measured(job, "evaluation", evaluate)

    def losses(self, job: EvaluationJob) -> list[SampleLoss]:
        return self._measured(job, "losses on train", losses)

    def _measured(self, job: EvaluationJob, kind: Kind, work: Callable[[EvaluationJob], list[T]]) -> list[T]:
        settings = job.settings
        with self._metrics.measured(
            job.run,
            stage_name(run_files.model_of(job.adapter), kind),
            gpus=settings.workers[0] * gpus_for(settings.gpus_per_worker),
        ) as measured:
            found = self._with_student(job, work)
            measured.samples = len(found)
        return found

    def _fine_tune(self, job: FineTuneJob) -> FineTuneReport:
        if not self._residence.trains:
            return fine_tune(job)
        with self._residence.at_work(job.settings) as student:
            return ray.get(student.fine_tune.options(max_task_retries=job.settings.max_failures).remote(job))

    def _with_student(self, job: EvaluationJob, work: Callable[[EvaluationJob], list[T]]) -> list[T]:
        if not self._residence.replies:
            return work(job)
        with self._residence.at_work(job.settings):
            found = work(job.model_copy(update={"resident": self._residence.name}))
        if job.adapter is not None:  # the base model's evaluation is followed by a fine-tuning
            self._residence.leave()
        return found

    def augment(self, job: AugmentationJob, screen: Screen) -> Augmentation:
        self._stream = AttemptStream(job, screen, self._config, self._teacher, self._judge)
        augmentation = augment(job, self._stream)
        Folder(job.run).write_text(run_files.generation_stats(job.iteration), self._stream.stats())
        return augmentation

    def attempt_at(self, position: int) -> dict[str, Any] | None:
        """For the workers of `augment`: a row of its log."""
        return self._stream.log.at(position) if self._stream else None


ComputationActor = ray.remote(**ACTOR_OPTIONS, concurrency_groups={READERS: 4})(Computation)
