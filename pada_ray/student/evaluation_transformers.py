"""Replies of the student by transformers, from a Ray Data pool of actors that each hold the model: the default backend
of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pada_ray.records import Record, Sample
from pada_ray.resources import cpus_for, gpus_for
from pada_ray.runs import run_files
from pada_ray.runs.run_folder import RunFolder
from pada_ray.runs.stage_names import Kind, stage_name
from pada_ray.student.evaluation_job import LOST_WORKERS, EvaluationJob, EvaluationReply, reply_limit
from pada_ray.student.progress import teller_of
from pada_ray.tasks import get_task

_BLOCKS_PER_WORKER = 8


class EvaluationBatch(Record):
    """Samples of one task that the student replies to at once. Which ones go together follows from the samples alone
    and not from the workers: padding can change a reply."""

    positions: list[int]
    samples: list[Sample]


class EvaluationLoss(Record):
    position: int
    loss: float | None


Asked = Literal["reply", "loss"]
"""The method of `StudentWorker`, and of a resident student, that answers."""

STAGE: dict[Asked, Kind] = {"reply": "evaluation", "loss": "losses on train"}


def replies(job: EvaluationJob, samples: Sequence[Sample]) -> list[EvaluationReply]:
    """A reply to each of the samples, in their order, from as many workers as are of use."""
    found = [EvaluationReply.model_validate_json(text) for text in _answers(job, samples, "reply")]
    return sorted(found, key=lambda r: r.position)


def losses(job: EvaluationJob, samples: Sequence[Sample]) -> list[float | None]:
    """The loss on each of the samples, as `Student.losses` gives it, in their order."""
    found = [EvaluationLoss.model_validate_json(text) for text in _answers(job, samples, "loss")]
    return [each.loss for each in sorted(found, key=lambda each: each.position)]


def _answers(job: EvaluationJob, samples: Sequence[Sample], asked: Asked) -> list[str]:
    """What the student answers about the samples, as JSON, in any order."""
    import ray.data

    batches = batches_of(samples, job.settings.batch_size)
    _, most = job.settings.workers
    dataset = ray.data.from_items(
        [{"batch": b.model_dump_json()} for b in batches],
        # A block is what a worker is given at a time, and does again if it is lost. Enough of them that workers
        # which come later find some left.
        override_num_blocks=min(len(batches), _BLOCKS_PER_WORKER * most),
    )
    rows = (
        _from_workers(job, asked, dataset, len(batches))
        if job.resident is None
        else _from_resident(job, asked, dataset)
    )
    stage = stage_name(run_files.model_of(job.adapter), STAGE[asked])
    rows.set_name(f"{run_files.run_name(job.run)}: {stage}")
    teller = teller_of(job.run, stage, "samples")
    answers: list[str] = []
    for row in rows.iter_rows():
        answers += row["answers"]
        teller.tell(len(answers), len(samples))
    return answers


def _from_workers(job: EvaluationJob, asked: Asked, dataset: Any, batches: int) -> Any:
    """Rows with answers, from a pool of actors that each load the student."""
    import ray.data

    fewest, most = (min(n, batches) for n in job.settings.workers)
    gpus = gpus_for(job.settings.gpus_per_worker)
    cpus = cpus_for(job.settings.cpus_per_worker)
    # Without limits, a pool that is busy has an autoscaler add a node of every kind, of use or not.
    dataset.context.execution_options.resource_limits = ray.data.ExecutionResources.for_limits(
        cpu=most * cpus, gpu=most * gpus
    )
    return dataset.map_batches(
        StudentWorker,
        fn_constructor_args=(job, asked),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=fewest, max_size=most),
        num_cpus=cpus,
        num_gpus=gpus or None,
        **LOST_WORKERS,
    )


def _from_resident(job: EvaluationJob, asked: Asked, dataset: Any) -> Any:
    """Rows with answers, from the actor that the job names, which holds what it needs."""
    import ray.data

    return dataset.map_batches(
        ask_resident,
        fn_args=(job.model_dump_json(), job.resident, asked),
        batch_size=1,
        compute=ray.data.TaskPoolStrategy(1),
        num_cpus=0,
    )


def batches_of(samples: Sequence[Sample], size: int) -> list[EvaluationBatch]:
    """Samples of one task and of like length together, for little padding. The longest go first: what memory does not
    hold shows at once, and workers end at about the same time."""

    def shortness(i: int) -> int:
        return -sum(len(m.content) for m in samples[i].prompt)

    groups: list[list[int]] = []
    for task in dict.fromkeys(s.task for s in samples):
        order = sorted((i for i, s in enumerate(samples) if s.task == task), key=shortness)
        groups += [order[start : start + size] for start in range(0, len(order), size)]
    groups.sort(key=lambda group: shortness(group[0]))
    return [EvaluationBatch(positions=group, samples=[samples[i] for i in group]) for group in groups]


class StudentWorker:
    """A Ray Data actor with the student in memory. Columns in: batch, an EvaluationBatch; out: answers, a list of what
    is asked for about each of its samples; all as JSON."""

    def __init__(self, job: EvaluationJob, asked: Asked = "reply"):
        from pada_ray.student.model import Student

        self._job = job
        self._answer = {"reply": self.reply, "loss": self.loss}[asked]
        with RunFolder(job.run).local_copy(job.adapter) as adapter:
            self._student = Student(job.student, adapter, job.settings.merge_adapter)

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        return {"answers": [self._answer(EvaluationBatch.model_validate_json(text)) for text in rows["batch"]]}

    def reply(self, batch: EvaluationBatch) -> list[str]:
        """An EvaluationReply to each sample of the batch, as JSON."""
        task = get_task(batch.samples[0].task, self._job.knowledge)
        limit = reply_limit(self._job.settings, [task])
        choices = task.choices if self._job.settings.constrained_decoding else []
        prompts = [s.prompt for s in batch.samples]
        replies = self._student.replies(prompts, limit, batch_size=len(prompts), stop=task.stop, choices=choices)
        return [
            EvaluationReply(position=position, text=r.text, truncated=r.truncated).model_dump_json()
            for position, r in zip(batch.positions, replies, strict=True)
        ]

    def loss(self, batch: EvaluationBatch) -> list[str]:
        """An EvaluationLoss on each sample of the batch, as JSON."""
        found = self._student.losses([s.messages for s in batch.samples])
        return [
            EvaluationLoss(position=position, loss=loss).model_dump_json()
            for position, loss in zip(batch.positions, found, strict=True)
        ]


def ask_resident(rows: dict[str, Any], job: str, resident: str, asked: Asked) -> dict[str, Any]:
    """As a StudentWorker, by the student that is in the memory of an actor already."""
    import ray

    student = ray.get_actor(resident)
    answer = getattr(student, asked)
    return {"answers": ray.get([answer.remote(job, batch) for batch in rows["batch"]])}
