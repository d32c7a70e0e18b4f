"""The Central Orchestrator (section 2.1, appendix A.1): it owns the run's state and takes it through Algorithm 1, or
through another method made of the same steps.

A plain class. The agents, and the functions that need the cluster, are handed in.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from pada_ray.agents.asking import Asking
from pada_ray.agents.brief import Brief, brief_on
from pada_ray.agents.collapse import echoes, follow_the_calls, has_collapsed
from pada_ray.agents.grading import Grader, is_judged
from pada_ray.agents.leak_guard import LeakGuard, redact_pattern, redact_strategy
from pada_ray.agents.near_seeds import seeds_of_kinds
from pada_ray.agents.pattern_analysis import HANDFUL, ClusterFile, PatternAnalysisAgent
from pada_ray.agents.planted import as_screened, half_wrong
from pada_ray.agents.quality_control import QualityControlAgent
from pada_ray.agents.quotas import Augmentation, AugmentationFiles, AugmentationJob, Group, plan_groups, share_of_errors
from pada_ray.agents.screening import Screen
from pada_ray.agents.training_samples import TrainingSamples
from pada_ray.agents.verification import only_a_model_can_tell
from pada_ray.config import Config, Reviewed
from pada_ray.errors import BudgetReached, StorageError, one_line, root_cause
from pada_ray.llm.chat import Llm
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.waiting import LongWaits, Waiting
from pada_ray.methods import METHODS
from pada_ray.randomness import generator_for, number_for
from pada_ray.records import (
    Analysis,
    Candidate,
    Failure,
    LeakHit,
    Pattern,
    Prediction,
    Sample,
    Seed,
    Split,
    Strategy,
)
from pada_ray.review.reviews import Reviews, stage_of
from pada_ray.runs import conditions, run_files
from pada_ray.runs.event_log import Event
from pada_ray.runs.shared_stages import StageClaims, StageStore
from pada_ray.runs.sharing import clustering_content, evaluation_content, fine_tuning_content, losses_content
from pada_ray.runs.stage_names import stage_name
from pada_ray.runs.stages import Records, StageKeeper
from pada_ray.runs.state import RunState, scores_of
from pada_ray.storage import Folder
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.fine_tune import Adapter, FineTuneJob, FineTuneReport, forget_checkpoints
from pada_ray.student.losses import SampleLoss, hardest
from pada_ray.student.progress import StageProgress
from pada_ray.tasks import get_task

_CANARY_POOL = 2000  # training samples that canaries and what is like them are drawn from
_NEAREST = 5  # training samples that a failure draws from where its mistakes name no kind


class Computation(Protocol):
    """What Ray Data and Ray Train spread over the cluster."""

    async def augment(self, job: AugmentationJob, screen: Screen) -> Augmentation: ...
    async def fine_tune(self, job: FineTuneJob) -> FineTuneReport: ...
    async def evaluate(self, job: EvaluationJob) -> list[Prediction]: ...
    async def losses(self, job: EvaluationJob) -> list[SampleLoss]: ...


class Workers(NamedTuple):
    """Who does the work that the orchestrator coordinates."""

    pattern_analysis: PatternAnalysisAgent
    computation: Computation
    judge: Llm  # of replies, in tasks that leave it to one what fails
    account: GatewayLlm  # which knows what the run has paid for
    claims: StageClaims | None = None  # on the stages shared with other runs, where the config names a folder for them


class Orchestrator:
    """One run, in `folder`, which holds its data already. If it holds a state too, the run continues from there.
    `notice` is told every event of the run."""

    def __init__(
        self, config: Config, folder: str, workers: Workers, notice: Callable[[Event], None] = lambda event: None
    ):
        self._config = config
        self._method = METHODS[config.method]
        self._workers = workers
        store = StageStore(config.shared_stages, workers.claims) if config.shared_stages and workers.claims else None
        self._stages = StageKeeper(Folder(folder), config.name, store, notice)
        self._folder = self._stages.folder
        self._samples = run_files.read_samples(self._folder, config.data.task)
        self._knowledge = run_files.read_knowledge(self._folder)
        self._train = self._samples["train"]
        self._by_id = {split: {s.id: s for s in samples} for split, samples in self._samples.items()}
        self._adapter_content: dict[int, str] = {}
        self._long_waits = LongWaits()
        self._progress: StageProgress | None = None

    # These read all samples, so they are made once, and not in a run that has no use for them, or no more.

    @functools.cached_property
    def _brief(self) -> Brief:
        return brief_on(self._train, self._knowledge)

    @functools.cached_property
    def _guard(self) -> LeakGuard:
        held_out, words = run_files.held_out(self._samples), self._config.leak_guard.words
        return LeakGuard(held_out, self._train, words, self._brief.frame)

    @functools.cached_property
    def _screen(self) -> Screen:
        return Screen(self._config.quality_control, self._train, self._guard, self._brief)

    @functools.cached_property
    def _reviews(self) -> Reviews:
        return Reviews(self._folder, self._config, self._samples, self._screen, self._guard)

    async def run(self) -> RunState:
        """Takes the run to its end, from wherever it stands."""
        self._stages.state.judged = is_judged(s for samples in self._samples.values() for s in samples)
        self._stages.begin()
        try:
            await self.evaluate(None)
            best = await self._method.function(self._train, self, self._config.iterations)
        except BaseException as e:
            self._stages.stop(e)
            raise
        await self._take_account()
        self._stages.end(best=run_files.model(best))
        return self._stages.state

    async def status(self) -> tuple[RunState, float, StageProgress | None, list[Waiting]]:
        """The state, with the tokens of this moment, when the current stage began (seconds since the epoch), what the
        stage has told of itself, and the calls that have waited for long or are made again."""
        state = self._stages.state.model_copy(update={"usage": await self._workers.account.usage()})
        llms = [llm for llm in (self._workers.account, self._workers.judge) if isinstance(llm, GatewayLlm)]
        waiting = [found for llm in llms if (found := await llm.waiting())]
        for long in self._long_waits.due(waiting):
            # Who asks watches other runs too, and the state's next write tells of a disk that refuses.
            with contextlib.suppress(StorageError):
                self._stages.tell("calls waiting", **long.model_dump())
        told = self._progress if self._progress and self._progress.stage == state.stage else None
        return state, self._stages.stage_began, told, waiting

    async def take_progress(self, told: StageProgress) -> None:
        """A stage tells how far it has come."""
        self._progress = told

    async def interrupt(self) -> None:
        """The user stops the run; whoever asks for this ends the work."""
        self._stages.interrupt()

    # Model update and evaluations

    async def fine_tune(self, iteration: int, training_set: Sequence[Sample]) -> None:
        self._stages.state.iteration = iteration
        settings = self._config.fine_tune
        previous = iteration - 1 if settings.restart == "previous" and iteration else None
        before = None if previous is None else self._adapter_content[previous]
        content = fine_tuning_content(self._config, training_set, before)
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
            self._folder.write_records(job.training_set, training_set)
            return await self._workers.computation.fine_tune(job)

        report = await self._stages.stage(
            stage_name(run_files.model(iteration), "fine-tuning"), Adapter(self._folder, job.adapter), work, content
        )
        forget_checkpoints(job)
        self._stages.count(
            run_files.model(iteration), training_samples=report.samples, left_out_as_too_long=report.left_out
        )

    async def evaluate(self, iteration: int | None) -> tuple[list[Failure], list[Failure]]:
        """ℰ_train and ℰ_val of an iteration's model; None evaluates the base model, not on train. Test predictions stay
        in their file, and the scores of all splits go into the state."""
        model = run_files.BASE if iteration is None else run_files.model(iteration)
        predictions = await self._predict(model, iteration)
        if self._stages.state.judged:
            predictions = await self._grade(model, predictions)
        self._score(model, predictions)
        if iteration is not None:
            self._check_scores(iteration)

        def failures(split: Split) -> list[Failure]:
            mine = [p for p in predictions if p.split == split and p.failed]
            return [Failure(sample=self._by_id[split][p.id], reply=p.reply) for p in mine]

        return failures("train"), failures("val")

    async def hardest(self, iteration: int) -> list[Failure]:
        model = run_files.model(iteration - 1)
        job = self._evaluation_job(iteration - 1, ["train"])
        losses = await self._stages.stage(
            stage_name(model, "losses on train"),
            Records(self._folder, run_files.losses(model), SampleLoss),
            lambda: self._workers.computation.losses(job),
            losses_content(self._config, self._adapter_content[iteration - 1], self._train),
        )
        return [Failure(sample=self._by_id["train"][name], reply=None) for name in hardest(losses)]

    async def best_on_val(self) -> int:
        """The iteration with the best val accuracy, on the part held apart if there is one; the earlier one where two
        are equal. A model of which no reply could be scored is not chosen before another."""
        scores = self._stages.state.scores
        val = self._deciding
        iterations = [i for i in range(self._config.iterations + 1) if run_files.model(i) in scores]

        def goodness(i: int) -> tuple[float, int]:
            accuracy = scores[run_files.model(i)][val].accuracy
            return (-1.0 if math.isnan(accuracy) else accuracy, -i)

        return max(iterations, key=goodness)

    @property
    def _deciding(self) -> Split:
        """The part of val that chooses."""
        return "val_apart" if "val_apart" in self._samples else "val"

    async def _predict(self, model: str, iteration: int | None) -> list[Prediction]:
        splits = self._splits_for(iteration)
        job = self._evaluation_job(iteration, splits)
        adapter = None if iteration is None else self._adapter_content[iteration]
        samples = (s for split in splits for s in self._samples[split])
        file = run_files.replies(model) if self._stages.state.judged else run_files.predictions(model)
        return await self._stages.stage(
            stage_name(model, "evaluation"),
            Records(self._folder, file, Prediction),
            lambda: self._workers.computation.evaluate(job),
            evaluation_content(self._config, adapter, samples, self._knowledge),
        )

    def _splits_for(self, iteration: int | None) -> list[Split]:
        """Those that an iteration's model is evaluated on. One that has learned val by heart is not on what it has."""
        left_out: set[Split] = {"train"} if iteration is None else set()
        if iteration and self._method.reference:
            left_out = {"train", "val"}
        return [split for split in self._samples if split not in left_out]

    def _evaluation_job(self, iteration: int | None, splits: Sequence[Split]) -> EvaluationJob:
        return EvaluationJob(
            run=self._folder.url,
            splits={split: run_files.split(split) for split in splits},
            adapter=None if iteration is None else run_files.adapter(iteration),
            student=self._config.student,
            settings=self._config.evaluation,
            knowledge=self._knowledge,
        )

    async def _grade(self, model: str, predictions: Sequence[Prediction]) -> list[Prediction]:
        """The predictions with the judge's verdicts. What runs have in common here is answered from the reply cache."""
        asking = Asking.of(self._config, Brief())  # beside the rubric it is told nothing
        grader = Grader(self._workers.judge, self._config.grading, asking)
        samples = [self._by_id[p.split][p.id] for p in predictions]
        graded = await self._stages.stage(
            stage_name(model, "grading"),
            Records(self._folder, run_files.predictions(model), Prediction),
            lambda: grader.grade(samples, predictions),
        )
        await self._take_account()
        return graded

    def _score(self, model: str, predictions: Sequence[Prediction]) -> None:
        scores = scores_of(predictions)
        if self._stages.state.scores.get(model) != scores:  # a resumed run knows them already
            self._stages.state.scores[model] = scores
            self._stages.write()
            self._stages.tell("model evaluated", model=model, **{split: s.accuracy for split, s in scores.items()})

    # Pattern Analysis Agent

    async def error_analysis(self, iteration: int, failures: Sequence[Failure]) -> list[Analysis]:
        settings = self._config.pattern_analysis
        if not settings.enabled:
            return []
        drawn = list(failures)
        if len(drawn) > settings.max_failures:
            drawn = generator_for(self._config.seed, "failures", iteration).sample(drawn, settings.max_failures)
        analyses = await self._stages.stage(
            stage_name(run_files.model(iteration), "error analysis"),
            Records(self._folder, run_files.analyses(iteration), Analysis),
            lambda: self._workers.pattern_analysis.error_analysis(drawn),
        )
        await self._take_account()
        unread = len(drawn) - len(analyses)
        self._stages.count(
            run_files.model(iteration),
            failures_analysed=len(analyses),
            failures_unread=unread,
            analysed_again=sum("." in a.call for a in analyses),
        )
        if has_collapsed([a.error_cause for a in analyses]):
            self._warn_of_collapse(iteration, "analyses", "most are one text")
        told = conditions.unreadable("failures that were to be analysed", len(drawn), unread)
        self._check_signs(iteration, [("unreadable", told)] if told else [], coming=iteration)
        return analyses

    async def cluster(self, iteration: int, analyses: Sequence[Analysis]) -> dict[int, list[Analysis]]:
        if not analyses:
            return {}
        labels = await self._stages.stage(
            stage_name(run_files.model(iteration), "clustering"),
            ClusterFile(self._folder, run_files.clusters(iteration), [a.sample_id for a in analyses]),
            lambda: self._workers.pattern_analysis.cluster(analyses),
            clustering_content(self._config, analyses),
        )
        if follow_the_calls(labels, [a.call for a in analyses]):
            self._warn_of_collapse(iteration, "clusters", "they are the calls in which the failures were analysed")
        return {k: [a for a, label in zip(analyses, labels, strict=True) if label == k] for k in sorted(set(labels))}

    async def pattern_categorization(self, iteration: int, clusters: dict[int, list[Analysis]]) -> list[Pattern]:
        if not clusters:
            return []
        patterns = await self._stages.stage(
            stage_name(run_files.model(iteration), "pattern categorization"),
            Records(self._folder, run_files.patterns(iteration), Pattern),
            lambda: self._workers.pattern_analysis.pattern_categorization(clusters),
        )
        await self._take_account()
        if same := echoes([p.error_pattern for p in patterns]):
            self._warn_of_collapse(iteration, "patterns", f"{same} of {len(patterns)} repeat another")
        return patterns

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

        strategies = await self._stages.stage(
            stage_name(run_files.model(iteration), "strategy drafting"),
            Records(self._folder, run_files.strategies(iteration), Strategy),
            work,
        )
        await self._take_account()
        if same := echoes([s.generation_approach for s in strategies]):
            self._warn_of_collapse(iteration, "strategies", f"{same} of {len(strategies)} repeat another")
        strategies = await self._reviewed_strategies(iteration, strategies)
        leaks = self._folder.read_records(run_files.leaks(iteration), LeakHit)
        self._stages.count(
            run_files.model(iteration), patterns=len(patterns), strategies=len(strategies), leaks_cut_out=len(leaks)
        )
        return [s for s in strategies if s.cluster != self._config.pattern_analysis.leave_out]

    async def blind_strategy_drafting(self, iteration: int) -> list[Strategy]:
        count = self._config.pattern_analysis.blind_strategies
        order = generator_for(self._config.seed, "blind strategies", iteration)
        drawn = order.sample(self._train, min(len(self._train), count * HANDFUL))
        handfuls = {i: handful for i in range(count) if (handful := drawn[i::count])}
        strategies = await self._stages.stage(
            stage_name(run_files.model(iteration), "strategy drafting"),
            Records(self._folder, run_files.strategies(iteration), Strategy),
            lambda: self._workers.pattern_analysis.blind_strategy_drafting(handfuls),
        )
        await self._take_account()
        strategies = await self._reviewed_strategies(iteration, strategies)
        self._stages.count(run_files.model(iteration), strategies=len(strategies))
        return strategies

    async def _reviewed_strategies(self, iteration: int, drafted: list[Strategy]) -> list[Strategy]:
        if not drafted or not self._is_reviewed(iteration, "strategies"):
            return drafted

        async def work() -> list[Strategy]:
            return self._reviews.strategies(iteration)

        file = Records(self._folder, run_files.reviewed(run_files.strategies(iteration)), Strategy)
        return await self._stages.stage(stage_of(iteration, "strategies"), file, work)

    async def find_what_is_left(self, iteration: int, failures: Sequence[Failure]) -> None:
        if not self._config.pattern_analysis.of_last_model:
            return
        try:
            clusters = await self.cluster(iteration, await self.error_analysis(iteration, failures))
            await self.pattern_categorization(iteration, clusters)
        except Exception as e:
            if not isinstance(root_cause(e), BudgetReached):
                raise
            self._stages.tell("not analysed", error=one_line(root_cause(e)))  # the models are made, and need not wait

    # Data Generation Agent, with the Quality Control Agent

    async def generate(
        self, iteration: int, strategies: Sequence[Strategy], train_failures: Sequence[Failure]
    ) -> list[Sample]:
        last = self._stages.state.scores[run_files.model(iteration - 1)]
        share = share_of_errors(
            self._config.data_generation.error_share, len(strategies), last["train"].error_rate, last["val"].error_rate
        )
        errors = list(train_failures)
        if share and not errors and self._method.error_instruction:
            errors = await self.hardest(iteration)
        groups = plan_groups(
            strategies,
            self._train,
            [Seed(sample=f.sample, wrong_reply=f.reply) for f in errors],
            total=self._synthetic_size,
            error_share=share,
            quotas=self._config.data_generation.quotas,
            near=await self._near_seeds(iteration, strategies),
        )
        return await self._augment(iteration, groups)

    async def _near_seeds(self, iteration: int, strategies: Sequence[Strategy]) -> dict[int, list[Seed]]:
        """By cluster, where the config asks for them: what a strategy's samples are written from."""
        if self._config.data_generation.seeds == "random":
            return {}
        return {strategy.cluster: await self._near(iteration, strategy) for strategy in strategies}

    async def _near(self, iteration: int, strategy: Strategy) -> list[Seed]:
        rng = generator_for(self._config.seed, "near seeds", iteration, strategy.cluster)
        if seeds := seeds_of_kinds(self._train, strategy.mistakes, self._knowledge, rng):
            return seeds
        if not self._folder.exists(run_files.clusters(iteration)):  # they were drafted without a look at any failure
            return []
        clusters = self._folder.read_yaml(run_files.clusters(iteration))
        analyses = self._folder.read_records(run_files.analyses(iteration), Analysis)
        asked = [a.question for a in analyses if clusters.get(a.sample_id) == strategy.cluster]
        questions = [self._brief.frame.varying(s.messages).conversation for s in self._train]
        found = await self._workers.pattern_analysis.nearest(asked, questions, _NEAREST)
        return [Seed(sample=self._train[i]) for i in sorted({i for positions in found for i in positions})]

    async def write(
        self, iteration: int, seeds: Sequence[Seed], *, keep_reply: bool = False, max_overlap: float = 1.0
    ) -> list[Sample]:
        instruction = self._method.instruction
        assert instruction is not None
        group = Group(
            name=instruction,
            instruction=instruction,
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
        right = [p.id for p in predictions if p.split == "train" and p.failed is False]
        own = {f.sample.id for f in failures}  # a hard one may be right
        correct = [self._by_id["train"][name] for name in right if name not in own]
        found = await self._workers.pattern_analysis.nearest(
            [f.sample.question for f in failures], [s.question for s in correct], k
        )
        return [
            Seed(sample=f.sample, wrong_reply=f.reply, answered_correctly=[correct[i] for i in positions])
            for f, positions in zip(failures, found, strict=True)
        ]

    async def labelled_val(self) -> list[Sample]:
        if not self._method.reference:
            raise ValueError(f"{self._config.method}: only a reference may train on val")
        return self._samples["val"]

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
        """𝒟_syn of an iteration: every group's quota, drafted, screened, judged and regenerated."""
        earlier = [c.sample for i in range(1, iteration) for c in self._accepted(i) if c.sample]

        async def work() -> Augmentation:
            if any(group.reviewed for group in groups):
                await self._plant_canaries(iteration)
            job = AugmentationJob(
                run=self._folder.url,
                iteration=iteration,
                groups=list(groups),
                known=[*self._train, *earlier],
                settings=self._config.data_generation,
                max_regenerations=self._config.quality_control.max_regenerations,
                seed=self._config.seed,
            )
            augmentation = await self._workers.computation.augment(job, self._screen)
            for group in augmentation.groups:
                if group.shortfall:
                    figures = {"group": group.group, "quota": group.quota, "accepted": group.accepted}
                    self._stages.tell("shortfall", **figures, pool=group.pool)
            return augmentation

        augmentation = await self._stages.stage(
            stage_name(run_files.model(iteration), "data generation"),
            AugmentationFiles(self._folder, iteration),
            work,
        )
        self._check_signs(iteration, conditions.signs_of_generation(augmentation), coming=iteration)
        augmentation = await self._reviewed_samples(iteration, augmentation)
        self._stages.count(
            run_files.model(iteration),
            quota=sum(g.quota for g in augmentation.groups),
            accepted=len(augmentation.accepted),
            rejected=len(augmentation.rejected),
            shortfall=max(0, sum(g.shortfall for g in augmentation.groups)),
        )
        duplicates = sum(g.rejected.get("duplicate", 0) for g in augmentation.groups)
        drafts = len(augmentation.accepted) + len(augmentation.rejected)
        if duplicates > drafts / 2:
            self._warn_of_collapse(
                iteration, "drafts", f"{duplicates} of {drafts} repeat their example or a known question"
            )
        return [c.sample for c in augmentation.accepted if c.sample]

    async def _plant_canaries(self, iteration: int) -> None:
        """Has quality control assess samples of which it is known whether they are right, before it assesses new ones.
        Raises LoopStuck where it cannot tell and the config says to stop."""
        config = self._config
        if not config.quality_control.reviews:
            return
        order = generator_for(config.seed, "canaries", iteration)
        drawn = order.sample(self._train, min(len(self._train), _CANARY_POOL))
        known = [s for s in drawn if only_a_model_can_tell(s, self._knowledge)]
        count = min(config.quality_control.canaries, len(known) // 2)
        if count < 2:
            return
        others, nearest = known[count:], self._workers.pattern_analysis.nearest
        batch, canaries = await half_wrong(known[:count], others, self._brief, nearest)
        assessed = await self._quality_control(others).assess(batch, canaries)
        if config.quality_control.confirms:
            assessed = as_screened(assessed, self._knowledge)
        self._folder.write_records(run_files.canaries(iteration), assessed)
        told = conditions.cannot_tell(assessed)
        self._check_signs(iteration, [("cannot_tell", told)] if told else [], coming=iteration)

    def _quality_control(self, train: Sequence[Sample]) -> QualityControlAgent:
        """One that knows no other training samples than these. It decides on each sample, since a batch's mean is that
        of right and wrong canaries alike."""
        known = TrainingSamples(train, self._workers.pattern_analysis)
        asking = Asking.of(self._config, self._brief)
        settings = self._config.quality_control.model_copy(update={"decide": "sample"})
        return QualityControlAgent(self._workers.judge, settings, asking, known)

    async def _reviewed_samples(self, iteration: int, made: Augmentation) -> Augmentation:
        if not self._is_reviewed(iteration, "samples"):
            return made

        async def work() -> Augmentation:
            return self._reviews.samples(iteration)

        files = AugmentationFiles(self._folder, iteration, reviewed=True)
        return await self._stages.stage(stage_of(iteration, "samples"), files, work)

    def _is_reviewed(self, iteration: int, what: Reviewed) -> bool:
        return what in self._config.review or stage_of(iteration, what) in self._stages.state.finished

    def _accepted(self, iteration: int) -> list[Candidate]:
        return self._folder.read_records(run_files.in_force(self._folder, run_files.accepted(iteration)), Candidate)

    # Signs of a loop that goes nowhere

    def _check_scores(self, iteration: int) -> None:
        model, scores = run_files.model(iteration), self._stages.state.scores
        score = scores[model].get(self._deciding)
        if score is None:  # the method has trained on val
            return
        before = scores[run_files.model(iteration - 1)][self._deciding] if iteration else None
        held_out = self._samples[self._deciding]
        chance = sum(get_task(s.task, self._knowledge).chance(s) for s in held_out) / len(held_out)
        self._check_signs(iteration, conditions.signs_of_model(model, before, score, chance), coming=iteration + 1)

    def _check_signs(self, iteration: int, signs: Iterable[conditions.Sign], coming: int) -> None:
        """Tells the signs. Raises LoopStuck for the first that the config stops at, if the iteration that is coming, or
        under way, would spend more."""
        model, seen = run_files.model(iteration), list(signs)
        for condition, told in seen:
            self._stages.warn(model, condition, told)
        for condition, told in seen:
            if condition in self._config.stop_if and coming <= self._method.iterations(self._config.iterations):
                raise conditions.stuck(condition, told, model, self._folder.url)

    def _warn_of_collapse(self, iteration: int, what: str, how: str) -> None:
        """Puts it into the event log once, also in a run that is resumed."""
        self._stages.tell_once("collapse", model=run_files.model(iteration), what=what, how=how)

    async def _take_account(self) -> None:
        self._stages.state.usage = await self._workers.account.usage()
        self._stages.write()
