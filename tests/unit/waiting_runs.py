"""Runs that wait for a person, made with workers that are stubs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from builders import math_run, math_sample
from stub_workers import StubWorkers
from stub_workers import run as run_here

from pada_ray.agents.quotas import fill_quotas
from pada_ray.errors import ReviewDue
from pada_ray.records import Ratings
from pada_ray.runs import run_files

QUOTE = "seven tired sailors traded four brass lamps for nine wool coats"
STRATEGIES, SAMPLES = "review/iteration-1/strategies.yaml", "review/iteration-1/samples.jsonl"


class World(StubWorkers):
    """Iteration k fails on 3 - k items of each split. The judge turns down the first sample that it sees of a group."""

    def fails(self, sample, position, model):
        return position > model

    async def augment(self, job, screen):
        self._ask("augment")

        async def review(batch, candidates):
            return [self.judged(c, low=c.draft.endswith("-0") and c.attempt == 0) for c in candidates]

        return await fill_quotas(job, self.write, review)

    def judged(self, candidate, low):
        ratings = Ratings(utility=3, relevance=3) if low else Ratings(utility=9, relevance=8)
        said = {"ratings": ratings, "feedback": "Too easy." if low else "Good."}
        return candidate.model_copy(update=said | ({"rejected": "low score"} if low else {}))

    async def write(self, batch):
        """A new question at every attempt."""
        made = await super().write(batch)
        asked = [f"Zoe {c.id} finds 4 nuts, then 5. Together?" for c in made]
        return [
            c.model_copy(
                update={
                    "messages": [c.messages[0].model_copy(update={"content": q}), c.messages[1]],
                    "sample": c.sample.model_copy(
                        update={
                            "messages": [c.sample.messages[0].model_copy(update={"content": q}), c.sample.messages[1]]
                        }
                    ),
                }
            )
            for c, q in zip(made, asked, strict=True)
        ]


def begun(path, test=0):
    """A run's folder with its data, of which val holds `QUOTE`."""
    folder = math_run(path, test=test)
    folder.write_records(run_files.split("val"), [math_sample(f"v{i}", f"{QUOTE} {i}?") for i in range(4)])
    return folder


def run(folder, world=None, **changes):
    with ThreadPoolExecutor() as aside:  # a test with a browser has a loop in its own thread
        return aside.submit(run_here, folder, world or World(), **changes).result()


def stopped(folder, world=None, **changes):
    with pytest.raises(ReviewDue) as due:
        run(folder, world, **changes)
    return str(due.value)
