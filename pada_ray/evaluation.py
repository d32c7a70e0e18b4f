"""Evaluate the student by Ray Data: lines 6 and 7 of Algorithm 1.

An actor pool holds the model and replies greedily; the task's Fail decides, or leaves it to a judge (`grading.py`).
Test is evaluated along with the other splits, for the report alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pada_ray.config import EvaluationConfig, StudentConfig
from pada_ray.records import Prediction, Record, Sample, Split
from pada_ray.resources import gpus_for
from pada_ray.storage import Folder
from pada_ray.tasks import get_task


class EvaluationJob(Record):
    run: str  # the run's folder
    splits: dict[Split, str]  # files of samples in it
    adapter: str | None  # folder in it; None evaluates the base model
    student: StudentConfig
    settings: EvaluationConfig


def evaluate(job: EvaluationJob) -> list[Prediction]:
    """A prediction for every sample of every split, in the order of the files. `failed` is None where a judge is to
    decide."""
    import ray.data

    run = Folder(job.run)
    samples: list[tuple[Split, Sample]] = [
        (split, sample) for split, file in job.splits.items() for sample in run.read_records(file, Sample)
    ]
    # Neighbours in length go to the same batch.
    order = sorted(range(len(samples)), key=lambda i: sum(len(m.content) for m in samples[i][1].prompt))
    rows = [{"index": i, "sample": samples[i][1].model_dump_json()} for i in order]
    gpus = gpus_for(job.settings.gpus_per_worker)
    workers = min(job.settings.workers, len(rows))
    replies = (
        ray.data.from_items(rows, override_num_blocks=workers)
        .map_batches(
            StudentWorker,
            fn_constructor_args=(job.model_dump_json(),),
            batch_size=min(8 * job.settings.batch_size, math.ceil(len(rows) / workers)),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=job.settings.cpus_per_worker,
            num_gpus=gpus or None,
        )
        .take_all()
    )
    by_index = {row["index"]: row for row in replies}
    texts = [by_index[i]["reply"] for i in range(len(samples))]
    failed = fails_all(texts, [sample for _, sample in samples])
    return [
        Prediction(
            id=sample.id,
            split=split,
            reply=texts[i],
            failed=failed[i],
            truncated=bool(by_index[i]["truncated"]),
        )
        for i, (split, sample) in enumerate(samples)
    ]


class StudentWorker:
    """A Ray Data actor with the student in memory. Columns in: index, sample; out: index, reply, truncated."""

    def __init__(self, job: str):
        from pada_ray.student import Student

        self._job = EvaluationJob.model_validate_json(job)
        with Folder(self._job.run).local_copy(self._job.adapter) as adapter:
            self._student = Student(self._job.student, adapter)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        samples = [Sample.model_validate_json(text) for text in batch["sample"]]
        limits = {s.task: self._job.settings.max_new_tokens or get_task(s.task).max_new_tokens for s in samples}
        replies = self._student.replies(
            [s.prompt for s in samples], max(limits.values()), self._job.settings.batch_size
        )
        texts = [cut(r.text, get_task(s.task).stop) for r, s in zip(replies, samples, strict=True)]
        return {
            "index": batch["index"],
            "reply": texts,
            "truncated": [r.truncated and r.text == text for r, text in zip(replies, texts, strict=True)],
        }


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
