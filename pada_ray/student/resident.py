"""The work of a single worker in a process that stays: what takes seconds to import is imported once for all stages."""

from __future__ import annotations

import os

from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.evaluation_transformers import EvaluationBatch, StudentWorker
from pada_ray.student.fine_tune import FineTuneReport, fine_tune_here
from pada_ray.student.fine_tune_worker import FineTuneJob


class ResidentStudent:
    """Fine-tunes, and replies as one of Ray Data's workers would, with as many threads as it is given CPUs."""

    def __init__(self, cpus_to_train: float, cpus_to_reply: float):
        # Threads that wait for each other by spinning, as OpenMP's do unless told otherwise before torch is loaded,
        # come to a near halt when another program takes one of the cores.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        import pada_ray.student.trainer  # noqa: F401  which takes seconds, while others are still starting

        self._cpus_to_train = cpus_to_train
        self._cpus_to_reply = cpus_to_reply
        self._job: str | None = None  # of the student in memory
        self._student: StudentWorker | None = None

    def fine_tune(self, job: FineTuneJob) -> FineTuneReport:
        self._make_room(self._cpus_to_train)
        report = fine_tune_here(job)
        self._make_room(self._cpus_to_train)
        return report

    def reply(self, job: str, batch: str) -> list[str]:
        """An EvaluationReply to each sample of an EvaluationBatch, by the student of an EvaluationJob; all as JSON."""
        return self._worker(job).reply(EvaluationBatch.model_validate_json(batch))

    def loss(self, job: str, batch: str) -> list[str]:
        """In the same way, an EvaluationLoss on each sample."""
        return self._worker(job).loss(EvaluationBatch.model_validate_json(batch))

    def _worker(self, job: str) -> StudentWorker:
        """The student of a job, which stays in memory."""
        if self._student is None or self._job != job:
            self._make_room(self._cpus_to_reply)
            self._student, self._job = StudentWorker(EvaluationJob.model_validate_json(job)), job
        return self._student

    def _make_room(self, cpus: float) -> None:
        """Lets go of the model in memory, on a GPU too."""
        import gc

        import torch

        self._student = self._job = None
        gc.collect()  # a model and its hooks hold each other
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        torch.set_num_threads(max(1, int(cpus)))
