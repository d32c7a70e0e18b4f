"""What the training samples say of a new question."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.agents.brief import Brief
from pada_ray.agents.nearest import Comparing
from pada_ray.records import Sample
from pada_ray.tasks import get_task


class TrainingSamples:
    """Those that a new question is compared with, in an embedding. All methods raise ConfigError when its model cannot
    be loaded."""

    def __init__(self, train: Sequence[Sample], comparing: Comparing):
        self._train = list(train)
        self._comparing = comparing

    async def nearest(self, questions: Sequence[str], k: int, brief: Brief) -> list[Sample]:
        """The `k` nearest of each question, each once, in the order of the training set."""
        if not k or not self._train:
            return []
        found = await self._comparing.nearest(questions, _varying(self._train, brief), k)
        return [self._train[i] for i in sorted({i for positions in found for i in positions})]

    async def kinds(self, questions: Sequence[str], task: str, brief: Brief) -> tuple[list[str], set[str]]:
        """For each question its likeliest label or function, by a classifier of the samples of this task, and all that
        it can tell. Both are empty where the samples have none."""
        kind = get_task(task, brief.knowledge).kind
        known = [(sample, found) for sample in self._train if sample.task == task and (found := kind(sample))]
        if not known:
            return [], set()
        samples, labels = zip(*known, strict=True)
        return await self._comparing.labels(questions, _varying(samples, brief), labels), set(labels)


def _varying(samples: Sequence[Sample], brief: Brief) -> list[str]:
    return [brief.frame.taken_off(sample.question) for sample in samples]
