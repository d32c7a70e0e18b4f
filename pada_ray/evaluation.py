"""Evaluate the student by Ray Data: lines 6 and 7 of Algorithm 1.

An actor pool holds the model and replies greedily; the task's Fail decides, or leaves it to a judge (`grading.py`).
Test is evaluated along with the other splits, for the report alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pada_ray import run_files
from pada_ray.config import EvaluationConfig, StudentConfig
from pada_ray.records import Prediction, Record, Sample, Split
from pada_ray.resources import gpus_for
from pada_ray.storage import Folder
from pada_ray.tasks import get_task

_BLOCKS_PER_WORKER = 8
# A worker that is lost comes back. One that is lost again and again, as where memory does not hold the model, ends the
# evaluation: Ray Data by itself would try for ever.
LOST_WORKERS = {"max_restarts": 3, "max_task_retries": 3}


class EvaluationJob(Record):
    run: str  # the run's folder
    splits: dict[Split, str]  # files of samples in it
    adapter: str | None  # folder in it; None evaluates the base model
    student: StudentConfig
    settings: EvaluationConfig


class EvaluationBatch(Record):
    """Samples of one task that the student replies to at once. Which ones go together follows from the samples alone
    and not from the workers: padding can change a reply."""

    positions: list[int]
    samples: list[Sample]


class EvaluationReply(Record):
    position: int
    text: str
    truncated: bool


def evaluate(job: EvaluationJob) -> list[Prediction]:
    """A prediction for every sample of every split, in the order of the files. `failed` is None where a judge is to
    decide."""
    run = Folder(job.run)
    samples: list[tuple[Split, Sample]] = [
        (split, sample) for split, file in job.splits.items() for sample in run.read_records(file, Sample)
    ]
    if job.settings.backend == "vllm":
        from pada_ray.evaluation_vllm import vllm_replies as replies_to
    else:
        replies_to = _transformers_replies
    replies = replies_to(job, [sample for _, sample in samples])
    failed = fails_all([r.text for r in replies], [sample for _, sample in samples])
    return [
        Prediction(id=sample.id, split=split, reply=reply.text, failed=verdict, truncated=reply.truncated)
        for (split, sample), reply, verdict in zip(samples, replies, failed, strict=True)
    ]


def _transformers_replies(job: EvaluationJob, samples: Sequence[Sample]) -> list[EvaluationReply]:
    """A reply to each of the samples, in their order, from as many workers as are of use."""
    import ray.data

    batches = batches_of(samples, job.settings.batch_size)
    fewest, most = (min(n, len(batches)) for n in job.settings.workers)
    cpus, gpus = job.settings.cpus_per_worker, gpus_for(job.settings.gpus_per_worker)
    dataset = ray.data.from_items(
        [{"batch": b.model_dump_json()} for b in batches],
        # A block is what a worker is given at a time, and does again if it is lost. Enough of them that workers
        # which come later find some left.
        override_num_blocks=min(len(batches), _BLOCKS_PER_WORKER * most),
    ).map_batches(
        StudentWorker,
        fn_constructor_args=(job.model_dump_json(),),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=fewest, max_size=most),
        num_cpus=cpus,
        num_gpus=gpus or None,
        **LOST_WORKERS,
    )
    # Without limits, a pool that is busy has an autoscaler add a node of every kind, of use or not.
    limits = ray.data.ExecutionResources.for_limits(cpu=most * cpus, gpu=most * gpus)
    dataset.context.execution_options.resource_limits = limits
    dataset.set_name(f"{run_files.run_name(job.run)}: {run_files.model_of(job.adapter)}: evaluation")
    replies = [EvaluationReply.model_validate_json(text) for row in dataset.take_all() for text in row["replies"]]
    return sorted(replies, key=lambda r: r.position)


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
    """A Ray Data actor with the student in memory. Columns in: batch, an EvaluationBatch; out: replies, a list of
    EvaluationReply for each; all as JSON."""

    def __init__(self, job: str):
        from pada_ray.student import Student

        self._job = EvaluationJob.model_validate_json(job)
        with Folder(self._job.run).local_copy(self._job.adapter) as adapter:
            self._student = Student(self._job.student, adapter)

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        batches = [EvaluationBatch.model_validate_json(text) for text in rows["batch"]]
        return {"replies": [[r.model_dump_json() for r in self._reply(batch)] for batch in batches]}

    def _reply(self, batch: EvaluationBatch) -> list[EvaluationReply]:
        task = get_task(batch.samples[0].task)
        limit = self._job.settings.max_new_tokens or task.max_new_tokens
        prompts = [s.prompt for s in batch.samples]
        replies = self._student.replies(prompts, limit, batch_size=len(prompts))
        texts = [cut(r.text, task.stop) for r in replies]
        return [
            EvaluationReply(position=position, text=text, truncated=r.truncated and r.text == text)
            for position, text, r in zip(batch.positions, texts, replies, strict=True)
        ]


def cut(reply: str, stop: Sequence[str]) -> str:
    """The reply up to the first of the `stop` texts in it."""
    ends = [at for at in (reply.find(text) for text in stop) if at >= 0]
    return reply[: min(ends)].rstrip() if ends else reply


def fails_all(replies: Sequence[str], samples: Sequence[Sample]) -> list[bool | None]:
    """Fail of each pair, task by task, so that a task may check many at once; None where a judge is to decide."""
    failed: dict[int, bool | None] = {}
    for name in dict.fromkeys(s.task for s in samples):
        task = get_task(name)
        mine = [i for i, s in enumerate(samples) if s.task == name]
        verdicts = task.fails_many([replies[i] for i in mine], [samples[i] for i in mine])
        failed |= {i: verdict or (None if task.judged else False) for i, verdict in zip(mine, verdicts, strict=True)}
    return [failed[i] for i in range(len(samples))]
