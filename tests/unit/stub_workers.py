"""Stub workers for the orchestrator, all in one: they write down what they are asked, and a test overrides `fails`."""

from __future__ import annotations

import asyncio

from builders import RAW, candidate, strategy

from pada_ray.agents.quotas import fill_quotas
from pada_ray.agents.screening import as_sample
from pada_ray.config import check_config, dump_config
from pada_ray.orchestrator import Orchestrator, Workers
from pada_ray.records import Analysis, Batch, Pattern, Prediction, Sample
from pada_ray.runs import run_files
from pada_ray.runs.state import RunState
from pada_ray.storage import Folder
from pada_ray.student.fine_tune import REPORT, FineTuneReport
from pada_ray.student.losses import SampleLoss


class StubWorkers:
    """They die in the step `die_in`, before it is done."""

    error_pattern = "e"

    def __init__(self, die_in: str | None = None):
        self.die_in = die_in
        self.asked: list[str] = []
        self.trained: list[list[Sample]] = []
        self.patterns: list[Pattern] = []
        self.batches: list[Batch] = []
        self.handfuls: list[list[Sample]] = []

    def fails(self, sample: Sample, position: int, model: int) -> bool | None:
        """Whether a model, -1 for the base model, fails on a sample, the `position`-th of its split. None: unscored."""
        return sample.id[1] in "01"

    def workers(self) -> Workers:
        return Workers(self, self, judge=self, account=self)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what == self.die_in:
            raise RuntimeError("killed")

    async def fine_tune(self, job):
        self._ask(f"fine_tune {job.adapter}")
        self.trained.append(Folder(job.run).read_records(job.training_set, Sample))
        report = FineTuneReport(job=job.name, samples=1, left_out=0, steps=1, final_loss=0.5)
        Folder(job.run).write_yaml(f"{job.adapter}/{REPORT}", report.model_dump())
        return report

    async def evaluate(self, job):
        self._ask(f"evaluate {job.adapter}")
        model = -1 if job.adapter is None else int(job.adapter.split("-")[1].split("/")[0])
        return [
            Prediction(id=s.id, split=split, reply=f"wrong {s.id}", failed=self.fails(s, i, model), truncated=False)
            for split, file in job.splits.items()
            for i, s in enumerate(Folder(job.run).read_records(file, Sample))
        ]

    async def losses(self, job):
        """The later a sample, the harder."""
        self._ask(f"losses {job.adapter}")
        samples = [s for file in job.splits.values() for s in Folder(job.run).read_records(file, Sample)]
        return [SampleLoss(id=s.id, loss=float(i)) for i, s in enumerate(samples)]

    async def error_analysis(self, failures):
        self._ask("error_analysis")
        return [Analysis(sample_id=f.sample.id, error_cause="c", scenario_category="s") for f in failures]

    async def cluster(self, analyses):
        self._ask("cluster")
        return [i % 2 for i in range(len(analyses))]

    async def nearest(self, queries, texts, k):
        return [list(range(k)) for _ in queries]

    async def pattern_categorization(self, clusters):
        self._ask("pattern_categorization")
        return [
            Pattern(cluster=k, category_name=f"c{k}", error_pattern=self.error_pattern, size=len(members))
            for k, members in clusters.items()
        ]

    async def strategy_drafting(self, patterns):
        self._ask("strategy_drafting")
        self.patterns += patterns
        return [strategy(p.cluster) for p in patterns]

    async def blind_strategy_drafting(self, handfuls):
        self._ask("blind_strategy_drafting")
        self.handfuls += handfuls.values()
        return [strategy(i) for i in handfuls]

    async def augment(self, job, screen):
        self._ask("augment")
        return await fill_quotas(job, self.write, review=None)

    async def write(self, batch):
        self.batches.append(batch)
        candidates = [candidate(batch, i) for i in range(len(batch.attempts))]
        return [c.model_copy(update={"sample": as_sample(c, batch.seeds[0].sample)}) for c in candidates]

    async def usage(self):
        return []


def run(folder: Folder, workers: StubWorkers, **changes) -> RunState:
    """Runs it by `RAW` with these sections changed, and leaves the config there."""
    config = check_config(RAW | changes, "test")
    folder.write_text(run_files.CONFIG, dump_config(config))
    return asyncio.run(Orchestrator(config, folder.url, workers.workers()).run())
