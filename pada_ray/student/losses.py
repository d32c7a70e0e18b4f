"""How hard training samples are for the student: what stands in for training errors where it makes none."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.records import Record, Sample
from pada_ray.runs.run_folder import RunFolder
from pada_ray.student.evaluation_job import EvaluationJob

HARDEST = 0.1  # share of the training samples


class SampleLoss(Record):
    """The mean cross entropy of a sample's reply under a model, in nats per token."""

    id: str
    loss: float | None  # None: longer than student.max_length, and so not trained on


def losses(job: EvaluationJob) -> list[SampleLoss]:
    """The loss on every sample of the job's splits, in the order of the files; whatever the backend of the evaluation,
    by transformers."""
    from pada_ray.student.evaluation_transformers import losses as losses_of

    run = RunFolder(job.run)
    samples = [sample for file in job.splits.values() for sample in run.read_records(file, Sample)]
    found = losses_of(job, samples)
    return [SampleLoss(id=sample.id, loss=loss) for sample, loss in zip(samples, found, strict=True)]


def hardest(found: Sequence[SampleLoss]) -> list[str]:
    """The ids of the tenth of the samples with the highest loss, at least one, the hardest first."""
    known = [(each.loss, each.id) for each in found if each.loss is not None]
    most = max(1, round(HARDEST * len(found)))
    return [name for _, name in sorted(known, key=lambda pair: (-pair[0], pair[1]))[:most]]
