"""What came of a run, for Python: `from pada_ray import load_run`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from pada_ray.agents.quotas import GroupReport
from pada_ray.config import Config
from pada_ray.findings.lineage import Findings, Lineage, read_findings
from pada_ray.findings.provenance import PatternOutcome, trace
from pada_ray.records import SPLITS, Analysis, Candidate, Pattern, Prediction, Split, Strategy
from pada_ray.report.figures import Figure, figures_of
from pada_ray.report.results import Run, interval_over_items, read_run
from pada_ray.runs import run_files
from pada_ray.runs.state import RunState
from pada_ray.storage import Folder

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Iteration:
    """What one iteration found, wrote and did. A step that is off or not yet done leaves its part empty."""

    number: int
    """From 1. What an iteration finds are the failures of the model before it."""
    model: str
    """The model that it trained, such as `iteration-1`."""
    analyses: list[Analysis]
    clusters: dict[str, int]
    """By the id of a val sample that failed."""
    patterns: list[Pattern]
    strategies: list[Strategy]
    accepted: list[Candidate]
    """The synthetic samples that the model was trained on, beside those of earlier iterations; where a person reviewed
    them, as the person left them."""
    rejected: list[Candidate]
    groups: list[GroupReport]
    """Quota, accepted and rejected samples of each strategy, and of the branch of training errors."""
    outcomes: list[PatternOutcome]
    """For each cluster, what was written against it and which of its failures the model gets right."""


@dataclass(frozen=True)
class RunResults:
    """A run, finished or not, read from its folder. Tables are pandas DataFrames; accuracies are in points."""

    run: Run
    iterations: list[Iteration]

    @property
    def folder(self) -> str:
        """The run's path or URL."""
        return self.run.folder.url

    @property
    def config(self) -> Config:
        return self.run.config

    @property
    def state(self) -> RunState:
        return self.run.state

    @property
    def status(self) -> str:
        """`prepared`, `running`, `waiting for review`, `paused`, `stopped`, `failed` or `done`."""
        return self.run.status

    @property
    def best(self) -> str | None:
        """The model with the best val accuracy; None before the run is done."""
        return self.run.state.best

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row for each model and split. `low` and `high` are the 95% interval over the items."""
        return _table(_SCORES, [_score(self.run, model, s) for model in self.run.models for s in SPLITS])

    @cached_property
    def patterns(self) -> pd.DataFrame:
        """A row for each pattern, of each iteration's failures."""
        rows = [
            {"iteration": each.number, **pattern.model_dump()} for each in self.iterations for pattern in each.patterns
        ]
        return _table(("iteration", *Pattern.model_fields), rows)

    @cached_property
    def strategies(self) -> pd.DataFrame:
        """A row for each strategy."""
        rows = [
            {"iteration": each.number, **strategy.model_dump()}
            for each in self.iterations
            for strategy in each.strategies
        ]
        return _table(("iteration", *Strategy.model_fields), rows)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """A row for each draft of a synthetic sample with its origin and the judge's ratings, 1 to 10, accepted ones
        first. `rejected` is the reason, None for an accepted one."""
        return _table(_SAMPLES, [row for each in self.iterations for row in _drafts(each)])

    @cached_property
    def provenance(self) -> pd.DataFrame:
        """A row for each analysed val failure: its cause, its cluster's pattern and strategy, how many samples were
        written by that, and whether the iteration's model gets it right. `group` and `iteration` find these in
        `samples`."""
        return _table(_PROVENANCE, [row for each in self.iterations for row in _failures(each)])

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row for each reply of each model, with its question. `failed` is None where no judge's reply was read."""
        questions = {(s, i): messages[-2].content for s in SPLITS for i, messages in self.run.texts(s).items()}
        rows = [
            {"model": model, "question": questions.get((p.split, p.id)), **p.model_dump()}
            for model in self.run.models
            for p in _predictions(self.run, model)
        ]
        return _table(_PREDICTIONS, rows)

    @cached_property
    def usage(self) -> pd.DataFrame:
        """A row for each purpose of LLM calls: calls, tokens, and USD where the config has prices."""
        columns = ("role", "purpose", "calls", "prompt_tokens", "completion_tokens", "usd", "estimated", "shared")
        return _table(columns, [usage.model_dump() for usage in self.state.usage])

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The report's tables by name, such as `accuracy`."""
        import io

        import pandas as pd

        from pada_ray.report.tables import to_csv, without_empty_columns

        filled = [without_empty_columns(table) for table in self._contents[0] if table.rows]
        return {table.name: pd.read_csv(io.StringIO(to_csv(table))) for table in filled}

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The report's figures by name, such as `accuracy`."""
        return figures_of(self._contents[1])

    @cached_property
    def _contents(self) -> tuple[list[Any], list[Any]]:
        from pada_ray.report.best import best_model
        from pada_ray.report.evidence import read_evidence
        from pada_ray.report.write import run_contents

        _, tables, charts = run_contents(self.run, read_evidence(self.run), best_model(self.run))
        return tables, charts

    def __repr__(self) -> str:
        val = self.run.accuracy(self.best, "val")
        scored = "" if val is None else f", best {self.best} with {val:.1f}% on val"
        return f"<run {self.folder}: {self.status}{scored}>"


def load_run(folder: str | PathLike[str]) -> RunResults:
    """The run in a folder, or at an fsspec URL, as far as it has come. Raises ConfigError where there is none."""
    run = read_run(Folder(str(folder)))
    # The last one has no model: its findings are the last model's failures.
    found = [read_findings(run.folder, number) for number in range(1, run.config.iterations + 2)]
    return RunResults(run, [_iteration(run, f) for f in found if _has_begun(run, f)])


_SCORES = (
    "model", "split", "accuracy", "low", "high", "samples", "failures", "unscored", "truncated", "training_samples"
)  # fmt: skip
_SAMPLES = (
    "iteration", "id", "group", "pattern", "strategy", "seed_id", "attempt", "question", "reply", "answer", "adherence",
    "utility", "relevance", "overall", "rejected", "feedback",
)  # fmt: skip
_PROVENANCE = (
    "iteration", "val_id", "scenario_category", "error_cause", "cluster", "pattern", "strategy", "group", "accepted",
    "rejected", "fixed",
)  # fmt: skip
_PREDICTIONS = (
    "model", "split", "id", "question", "reply", "failed", "truncated", "rating", "feedback"
)  # fmt: skip


def _table(columns: Iterable[str], rows: Iterable[dict[str, Any] | None]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([row for row in rows if row is not None], columns=list(columns))


def _has_begun(run: Run, found: Findings) -> bool:
    return bool(found.analyses or found.patterns) or run_files.model(found.iteration) in run.state.counts


def _iteration(run: Run, found: Findings) -> Iteration:
    number = found.iteration
    evaluated = "val" in run.state.scores.get(run_files.model(number), {})
    return Iteration(
        number=number,
        model=run_files.model(number),
        analyses=found.analyses,
        clusters=found.clusters,
        patterns=found.patterns,
        strategies=found.strategies,
        accepted=_candidates(run, run_files.accepted(number)),
        rejected=_candidates(run, run_files.rejected(number)),
        groups=run.quotas().get(number, []),
        outcomes=trace(run.folder, number, Lineage(categories=[], bars=[])) if evaluated else [],
    )


def _candidates(run: Run, path: str) -> list[Candidate]:
    file = run_files.in_force(run.folder, path)
    return run.folder.read_records(file, Candidate) if run.folder.exists(file) else []


def _score(run: Run, model: str, split: Split) -> dict[str, Any] | None:
    score = run.state.scores[model].get(split)
    if score is None:
        return None
    low, high = interval_over_items(score) if run.score(model, split) else (None, None)
    return {
        "model": model,
        "split": split,
        "accuracy": run.accuracy(model, split),
        "low": low,
        "high": high,
        "training_samples": run.training_samples(model),
        **score.model_dump(),
    }


def _drafts(iteration: Iteration) -> list[dict[str, Any]]:
    patterns = {f"cluster-{p.cluster}": p.category_name for p in iteration.patterns}
    return [
        {
            **candidate.model_dump(include={"id", "group", "seed_id", "attempt", "answer", "rejected", "feedback"}),
            **(candidate.ratings.model_dump() if candidate.ratings else {}),
            "overall": candidate.ratings.overall if candidate.ratings else None,
            "iteration": iteration.number,
            "pattern": patterns.get(candidate.group),
            "strategy": candidate.strategy_name,
            "question": _said(candidate, "user"),
            "reply": _said(candidate, "assistant"),
        }
        for candidate in [*iteration.accepted, *iteration.rejected]
    ]


def _said(candidate: Candidate, role: str) -> str | None:
    """The last message of a role; None where the LLM wrote none."""
    return next((m.content for m in reversed(candidate.messages) if m.role == role), None)


def _failures(iteration: Iteration) -> list[dict[str, Any]]:
    outcomes = {outcome.cluster: outcome for outcome in iteration.outcomes}
    patterns = {pattern.cluster: pattern for pattern in iteration.patterns}
    strategies = {strategy.cluster: strategy for strategy in iteration.strategies}
    rows = []
    for analysis in iteration.analyses:
        cluster = iteration.clusters.get(analysis.sample_id)
        pattern = None if cluster is None else patterns.get(cluster)
        strategy = None if cluster is None else strategies.get(cluster)
        outcome = None if cluster is None else outcomes.get(cluster)
        rows.append(
            {
                "iteration": iteration.number,
                "val_id": analysis.sample_id,
                "scenario_category": analysis.scenario_category,
                "error_cause": analysis.error_cause,
                "cluster": cluster,
                "pattern": pattern.category_name if pattern else None,
                "strategy": strategy.strategy_name if strategy else None,
                "group": strategy.group if strategy else None,
                "accepted": len(outcome.accepted) if outcome else None,
                "rejected": outcome.rejected if outcome else None,
                "fixed": analysis.sample_id in outcome.fixed if outcome else None,
            }
        )
    return rows


def _predictions(run: Run, model: str) -> list[Prediction]:
    file = run_files.predictions(model)
    return run.folder.read_records(file, Prediction) if run.folder.exists(file) else []
