"""The Central Orchestrator (section 2.1, appendix A.1): it owns the run's state and takes it through Algorithm 1, or
through another method made of the same steps.

A plain class: the agents, and the functions that need the cluster, are handed in.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from pada_ray.agents.grading import is_judged
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.agents.quotas import Augmentation, Group, GroupReport, fill_quotas, plan_groups, share_of_errors
from pada_ray.agents.redaction import redact_pattern, redact_strategy
from pada_ray.config import Config
from pada_ray.errors import BudgetReached, one_line, root_cause
from pada_ray.llm.chat import Usage
from pada_ray.methods import METHODS
from pada_ray.randomness import generator_for, number_for
from pada_ray.records import (
    Analysis,
    Batch,
    BatchOutcome,
    Candidate,
    Failure,
    LeakHit,
    Pattern,
    Prediction,
    Record,
    Sample,
    Seed,
    Split,
    Strategy,
)
from pada_ray.run import run_files
from pada_ray.run.event_log import Event
from pada_ray.run.shared_stages import Claims, StageStore, content_hash, model_files
from pada_ray.run.state import RunState, Score, StateKeeper
from pada_ray.storage import Folder
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.fine_tune import FineTuneJob, FineTuneReport, read_report


class PatternAnalysis(Protocol):
    async def error_analysis(self, failures: Sequence[Failure]) -> list[Analysis]: ...
    async def cluster(self, analyses: Sequence[Analysis]) -> list[int]: ...
    async def nearest(self, queries: Sequence[str], texts: Sequence[str], k: int) -> list[list[int]]: ...
    async def pattern_categorization(self, clusters: dict[int, list[Analysis]]) -> list[Pattern]: ...
    async def strategy_drafting(self, patterns: Sequence[Pattern]) -> list[Strategy]: ...


class Computation(Protocol):
    """What the cluster does: generation under quality control for many batches at once, training, evaluation."""

    async def augment(self, batches: list[Batch]) -> list[BatchOutcome]: ...
    async def fine_tune(self, job: FineTuneJob) -> FineTuneReport: ...
    async def evaluate(self, job: EvaluationJob) -> list[Prediction]: ...


class Grader(Protocol):
    async def grade(self, samples: Sequence[Sample], predictions: Sequence[Prediction]) -> list[Prediction]: ...


class Account(Protocol):
    async def usage(self) -> list[Usage]: ...


class Workers(NamedTuple):
    """Who does the work that the orchestrator coordinates."""

    pattern_analysis: PatternAnalysis
    computation: Computation
    account: Account
    claims: Claims | None = None  # of the stages shared with other runs, where the config names a folder for them
    grader: Grader | None = None  # where some task leaves it to a judge what fails


class Orchestrator:
    """One run, in `folder`, which holds its data already. A folder with a state is gone on with. `notice` is told every
    event of the run."""

    def __init__(
        self, config: Config, folder: str, workers: Workers, notice: Callable[[Event], None] = lambda event: None
    ):
        self._config = config
        self._method = METHODS[config.method]
        self._workers = workers
        self._folder = Folder(folder)
        store = StageStore(config.shared_stages, workers.claims) if config.shared_stages and workers.claims else None
        self._keeper = StateKeeper(self._folder, config.name, store, notice)
        self._samples = run_files.read_samples(self._folder)
        self._train = self._samples["train"]
        self._content = content_hash(config.student.model_dump_json(), *model_files(config.student.model))
        self._adapter_content: dict[int, str] = {}
        self._by_id = {split: {s.id: s for s in samples} for split, samples in self._samples.items()}
        self._guard = LeakGuard(run_files.held_out(self._samples), self._train, config.leak_guard.words)

    async def run(self) -> RunState:
        """Takes the run to its end, from wherever it stands."""
        self._keeper.begin()
        try:
            await self._evaluate_model(run_files.BASE, None, None, [s for s in self._samples if s != "train"])
            best = await self._method.function(self._train, self, self._config.iterations)
        except BaseException as e:
            self._keeper.stop(e)
            raise
        await self._take_account()
        self._keeper.end(best=run_files.model(best))
        return self._keeper.state

    async def status(self) -> tuple[RunState, float]:
        """The state, with the tokens of this moment, and when the current stage began (seconds since the epoch)."""
        state = self._keeper.state
        return state.model_copy(update={"usage": await self._workers.account.usage()}), self._keeper.stage_began

    # The steps of Algorithm 1, and of the other methods

    async def fine_tune(self, iteration: int, training_set: Sequence[Sample]) -> None:
        self._keeper.state.iteration = iteration
        lines = "".join(s.model_dump_json() + "\n" for s in training_set)
        settings = self._config.fine_tune
        previous = iteration - 1 if settings.restart == "previous" and iteration else None
        before = None if previous is None else self._adapter_content[previous]
        content = content_hash(self._content, self._config.seed, settings.model_dump_json(), lines, before)
        self._adapter_content[iteration] = content
        job = FineTuneJob(
            run=self._folder.url,
            training_set=run_files.training_set(iteration),
            adapter=run_files.adapter(iteration),
            previous_adapter=None if previous is None else run_files.adapter(previous),
            # Ray Train shows the name, and resumes one that it knows.
            name=f"{run_files.run_name(self._folder.url)}-{run_files.model(iteration)}-{content[:12]}",
            student=self._config.student,
            settings=settings,
            seed=number_for(self._config.seed, "fine_tune") % 2**31,
        )

        async def work() -> FineTuneReport:
            self._folder.write_text(job.training_set, lines)
            return await self._workers.computation.fine_tune(job)

        report = await self._keeper.stage(
            f"{run_files.model(iteration)}: fine-tuning",
            job.adapter,
            work,
            save=lambda _: None,
            load=lambda: read_report(self._folder, job.adapter),
            content=content,
        )
        assert report is not None
        self._count(iteration, training_samples=report.samples, left_out_as_too_long=report.left_out)

    async def evaluate(self, iteration: int) -> tuple[list[Failure], list[Failure]]:
        """ℰ_train and ℰ_val. Test predictions stay in their file."""
        predictions = await self._evaluate_model(
            run_files.model(iteration),
            run_files.adapter(iteration),
            self._adapter_content[iteration],
            list(self._samples),
        )

        def failures(split: Split) -> list[Failure]:
            mine = [p for p in predictions if p.split == split and p.failed]
            return [Failure(sample=self._by_id[split][p.id], reply=p.reply) for p in mine]

        return failures("train"), failures("val")

    async def error_analysis(self, iteration: int, failures: Sequence[Failure]) -> list[Analysis]:
        settings = self._config.pattern_analysis
        if not settings.enabled:
            return []
        drawn = list(failures)
        if len(drawn) > settings.max_failures:
            drawn = generator_for(self._config.seed, "failures", iteration).sample(drawn, settings.max_failures)
        file = run_files.analyses(iteration)
        analyses = await self._stage_of_records(
            iteration,
            "error analysis",
            file,
            Analysis,
            lambda: self._workers.pattern_analysis.error_analysis(drawn),
        )
        self._count(iteration, failures_analysed=len(analyses), failures_unread=len(drawn) - len(analyses))
        return analyses

    async def cluster(self, iteration: int, analyses: Sequence[Analysis]) -> dict[int, list[Analysis]]:
        file = run_files.clusters(iteration)
        if not analyses:
            return {}

        async def work() -> list[int]:
            return await self._workers.pattern_analysis.cluster(analyses)

        labels = await self._keeper.stage(
            f"{run_files.model(iteration)}: clustering",
            file,
            work,
            save=lambda labels: self._folder.write_yaml(
                file, {a.sample_id: label for a, label in zip(analyses, labels, strict=True)}
            ),
            load=lambda: [self._folder.read_yaml(file)[a.sample_id] for a in analyses],
            content=content_hash(
                self._config.pattern_analysis.what_findings_depend_on(),
                self._config.seed,
                *(a.model_dump_json() for a in analyses),
            ),
        )
        return {k: [a for a, label in zip(analyses, labels, strict=True) if label == k] for k in sorted(set(labels))}

    async def pattern_categorization(self, iteration: int, clusters: dict[int, list[Analysis]]) -> list[Pattern]:
        if not clusters:
            return []
        return await self._stage_of_records(
            iteration,
            "pattern categorization",
            run_files.patterns(iteration),
            Pattern,
            lambda: self._workers.pattern_analysis.pattern_categorization(clusters),
        )

    async def strategy_drafting(self, iteration: int, patterns: Sequence[Pattern]) -> list[Strategy]:
        """Strategies free of held-out text: what goes in is checked as well as what comes out."""
        if not patterns:
            return []

        async def work() -> list[Strategy]:
            checked = [redact_pattern(self._guard, p) for p in patterns]
            drafted = await self._workers.pattern_analysis.strategy_drafting([p for p, _ in checked])
            redacted = [redact_strategy(self._guard, s) for s in drafted]
            hits = [hit for _, found in [*checked, *redacted] for hit in found]
            self._folder.write_records(run_files.leaks(iteration), hits)
            return [s for s, _ in redacted if s is not None]

        strategies = await self._stage_of_records(
            iteration, "strategy drafting", run_files.strategies(iteration), Strategy, work
        )
        leaks = self._folder.read_records(run_files.leaks(iteration), LeakHit)
        self._count(iteration, patterns=len(patterns), strategies=len(strategies), leaks_cut_out=len(leaks))
        return [s for s in strategies if s.cluster != self._config.pattern_analysis.leave_out]

    async def find_what_is_left(self, iteration: int, failures: Sequence[Failure]) -> None:
        if not self._config.pattern_analysis.of_last_model:
            return
        try:
            clusters = await self.cluster(iteration, await self.error_analysis(iteration, failures))
            await self.pattern_categorization(iteration, clusters)
        except Exception as e:
            if not isinstance(root_cause(e), BudgetReached):
                raise
            self._keeper.tell("not analysed", error=one_line(root_cause(e)))  # the models are made, and need not wait

    async def generate(
        self, iteration: int, strategies: Sequence[Strategy], train_failures: Sequence[Failure]
    ) -> list[Sample]:
        last = self._keeper.state.scores[run_files.model(iteration - 1)]
        share = share_of_errors(
            self._config.data_generation.error_share, len(strategies), last["train"].error_rate, last["val"].error_rate
        )
        groups = plan_groups(
            strategies,
            self._train,
            [Seed(sample=f.sample, wrong_reply=f.reply) for f in train_failures],
            total=self._synthetic_size,
            error_share=share,
        )
        return await self._augment(iteration, groups)

    async def write(
        self,
        iteration: int,
        seeds: Sequence[Seed],
        *,
        keep_reply: bool = False,
        max_overlap: float = 1.0,
    ) -> list[Sample]:
        assert self._method.instruction is not None
        group = Group(
            name=self._method.instruction,
            instruction=self._method.instruction,
            pool=list(seeds),
            quota=self._synthetic_size,
            reviewed=self._method.reviewed or self._config.quality_control.for_all_methods,
            keep_reply=keep_reply,
            max_overlap=max_overlap,
        )
        return await self._augment(iteration, [group])

    async def contrast(self, iteration: int, failures: Sequence[Failure], k: int) -> list[Seed]:
        if not failures:
            return []
        predictions = self._folder.read_records(run_files.predictions(run_files.model(iteration - 1)), Prediction)
        correct = [self._by_id["train"][p.id] for p in predictions if p.split == "train" and p.failed is False]
        found = await self._workers.pattern_analysis.nearest(
            [f.sample.question for f in failures], [s.question for s in correct], k
        )
        return [
            Seed(sample=f.sample, wrong_reply=f.reply, answered_correctly=[correct[i] for i in positions])
            for f, positions in zip(failures, found, strict=True)
        ]

    async def repeat(self, iteration: int, train: Sequence[Sample]) -> list[Sample]:
        order = generator_for(self._config.seed, "repeat", iteration)
        repeated: list[Sample] = []
        while len(repeated) < self._synthetic_size:
            repeated += order.sample(train, min(len(train), self._synthetic_size - len(repeated)))
        return repeated

    @property
    def _synthetic_size(self) -> int:
        """Samples that an iteration adds."""
        return self._config.data_generation.samples_to_add(len(self._train))

    async def _augment(self, iteration: int, groups: Sequence[Group]) -> list[Sample]:
        """𝒟_syn of an iteration: every group's quota, drafted, screened, reviewed and regenerated."""
        settings = self._config.data_generation
        earlier = [
            c.sample
            for i in range(1, iteration)
            for c in self._folder.read_records(run_files.accepted(i), Candidate)
            if c.sample
        ]

        async def work() -> Augmentation:
            filled = await fill_quotas(
                groups,
                self._workers.computation.augment,
                iteration=iteration,
                batch_size=settings.batch_size,
                candidate_budget=settings.candidate_budget,
                known=[*self._train, *earlier],
                seed=self._config.seed,
            )
            for group in filled.groups:
                if group.shortfall:
                    self._keeper.tell("shortfall", group=group.group, quota=group.quota, accepted=group.accepted)
            return filled

        augmentation = await self._keeper.stage(
            f"{run_files.model(iteration)}: data generation",
            run_files.accepted(iteration),
            work,
            save=lambda a: self._save_augmentation(iteration, a),
            load=lambda: self._load_augmentation(iteration),
        )
        self._count(
            iteration,
            quota=sum(g.quota for g in augmentation.groups),
            accepted=len(augmentation.accepted),
            rejected=len(augmentation.rejected),
            shortfall=sum(g.shortfall for g in augmentation.groups),
        )
        return [c.sample for c in augmentation.accepted if c.sample]

    async def best_on_val(self) -> int:
        """The iteration with the best val accuracy, on the part held apart if there is one; the earlier one where two
        are equal. A model of which no reply could be scored is not chosen before another."""
        scores = self._keeper.state.scores
        val: Split = "val_apart" if "val_apart" in self._samples else "val"
        iterations = [i for i in range(self._config.iterations + 1) if run_files.model(i) in scores]

        def goodness(i: int) -> tuple[float, int]:
            accuracy = scores[run_files.model(i)][val].accuracy
            return (-1.0 if math.isnan(accuracy) else accuracy, -i)

        return max(iterations, key=goodness)

    # How steps are kept

    async def _evaluate_model(
        self, name: str, adapter: str | None, adapter_content: str | None, splits: Sequence[Split]
    ) -> list[Prediction]:
        samples = [s for split in splits for s in self._samples[split]]
        judged = is_judged(samples)
        file = run_files.replies(name) if judged else run_files.predictions(name)
        job = EvaluationJob(
            run=self._folder.url,
            splits={split: run_files.split(split) for split in splits},
            adapter=adapter,
            student=self._config.student,
            settings=self._config.evaluation,
        )
        predictions = await self._keeper.stage(
            f"{name}: evaluation",
            file,
            lambda: self._workers.computation.evaluate(job),
            save=lambda p: self._folder.write_records(file, p),
            load=lambda: self._folder.read_records(file, Prediction),
            content=content_hash(
                self._content,
                adapter_content,
                # Predictions are the same for any number of workers.
                job.settings.model_dump_json(exclude={"workers", "cpus_per_worker", "gpus_per_worker"}),
                *(s.model_dump_json() for s in samples),
            ),
        )
        if judged:
            predictions = await self._grade(name, samples, predictions)
        scores = {
            split: Score(
                samples=sum(p.split == split for p in predictions),
                failures=sum(p.failed is True for p in predictions if p.split == split),
                truncated=sum(p.truncated for p in predictions if p.split == split),
                unscored=sum(p.failed is None for p in predictions if p.split == split),
            )
            for split in splits
        }
        if self._keeper.state.scores.get(name) != scores:  # which a resumed run knows already
            self._keeper.state.scores[name] = scores
            self._keeper.write()
            self._keeper.tell("model evaluated", model=name, **{split: s.accuracy for split, s in scores.items()})
        return predictions

    async def _grade(self, name: str, samples: Sequence[Sample], predictions: Sequence[Prediction]) -> list[Prediction]:
        """The predictions with the judge's verdicts. What runs have in common here is answered from the reply cache."""
        grader, file = self._workers.grader, run_files.predictions(name)
        assert grader is not None
        graded = await self._keeper.stage(
            f"{name}: grading",
            file,
            lambda: grader.grade(samples, predictions),
            save=lambda p: self._folder.write_records(file, p),
            load=lambda: self._folder.read_records(file, Prediction),
        )
        await self._take_account()
        return graded

    async def _stage_of_records(
        self, iteration: int, name: str, file: str, kind: type[Any], work: Callable[[], Awaitable[list[Any]]]
    ) -> list[Any]:
        """A stage whose output is a list of records, one file of JSON lines or YAML."""

        def save(records: list[Record]) -> None:
            if file.endswith(".yaml"):
                self._folder.write_yaml(file, [r.model_dump(mode="json") for r in records])
            else:
                self._folder.write_records(file, records)

        def load() -> list[Any]:
            if file.endswith(".yaml"):
                return [kind.model_validate(value) for value in self._folder.read_yaml(file) or []]
            return self._folder.read_records(file, kind)

        records = await self._keeper.stage(f"{run_files.model(iteration)}: {name}", file, work, save, load)
        await self._take_account()
        return records

    def _save_augmentation(self, iteration: int, augmentation: Augmentation) -> None:
        self._folder.write_records(run_files.rejected(iteration), augmentation.rejected)
        self._folder.write_yaml(run_files.quotas(iteration), [g.model_dump() for g in augmentation.groups])
        self._folder.write_records(run_files.accepted(iteration), augmentation.accepted)

    def _load_augmentation(self, iteration: int) -> Augmentation:
        return Augmentation(
            accepted=self._folder.read_records(run_files.accepted(iteration), Candidate),
            rejected=self._folder.read_records(run_files.rejected(iteration), Candidate),
            groups=[GroupReport.model_validate(g) for g in self._folder.read_yaml(run_files.quotas(iteration)) or []],
        )

    def _count(self, iteration: int, **counts: int) -> None:
        self._keeper.state.counts.setdefault(run_files.model(iteration), {}).update(counts)
        self._keeper.write()

    async def _take_account(self) -> None:
        self._keeper.state.usage = await self._workers.account.usage()
        self._keeper.write()
