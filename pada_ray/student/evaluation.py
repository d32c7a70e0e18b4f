"""Evaluate the student: lines 6 and 7 of Algorithm 1.

A backend has the student reply greedily; the task's Fail decides, or leaves it to a judge (`agents/grading.py`).
Test is evaluated along with the other splits, for the report alone.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence

from pada_ray.records import Prediction, Sample, Split
from pada_ray.runs.run_folder import RunFolder
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.tasks import Knowledge, get_task

BACKENDS = {
    "transformers": "pada_ray.student.evaluation_transformers:replies",
    "vllm": "pada_ray.student.evaluation_vllm:replies",
}
"""By the name in `evaluation.backend`, the function that gives an EvaluationReply to each sample of a job, in order. It
is imported when it is needed, since each brings heavy packages."""


def evaluate(job: EvaluationJob) -> list[Prediction]:
    """A prediction for every sample of every split, in the order of the files. `failed` is None where a judge is to
    decide."""
    run = RunFolder(job.run)
    samples: list[tuple[Split, Sample]] = [
        (split, sample) for split, file in job.splits.items() for sample in run.read_records(file, Sample)
    ]
    replies_to = pkgutil.resolve_name(BACKENDS[job.settings.backend])
    replies = replies_to(job, [sample for _, sample in samples])
    failed = fails_all([r.text for r in replies], [sample for _, sample in samples], job.knowledge)
    return [
        Prediction(id=sample.id, split=split, reply=reply.text, failed=verdict, truncated=reply.truncated)
        for (split, sample), reply, verdict in zip(samples, replies, failed, strict=True)
    ]


def fails_all(
    replies: Sequence[str], samples: Sequence[Sample], knowledge: Knowledge | None = None
) -> list[bool | None]:
    """Fail of each pair, task by task, so that a task may check many at once; None where a judge is to decide."""
    failed: dict[int, bool | None] = {}
    for name in dict.fromkeys(s.task for s in samples):
        task = get_task(name, knowledge)
        mine = [i for i, s in enumerate(samples) if s.task == name]
        verdicts = task.fails_many([replies[i] for i in mine], [samples[i] for i in mine])
        failed |= {i: verdict or (None if task.judged else False) for i, verdict in zip(mine, verdicts, strict=True)}
    return [failed[i] for i in range(len(samples))]
