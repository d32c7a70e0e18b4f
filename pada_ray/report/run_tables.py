"""The tables of one run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from pada_ray.agents.quotas import GroupReport
from pada_ray.findings.gaps import NOTE, gaps
from pada_ray.findings.ledger import least_calls
from pada_ray.findings.lineage import PatternRow
from pada_ray.findings.paper_results import paper_accuracy
from pada_ray.llm.account import by_which_list
from pada_ray.llm.chat import spent
from pada_ray.methods import METHODS
from pada_ray.records import Reason
from pada_ray.report.accounts import seconds_by_stage, stage_of
from pada_ray.report.comparison import Pairing, split_for_results
from pada_ray.report.labels import label
from pada_ray.report.results import Run, interval_over_items
from pada_ray.report.tables import Column, Table, Value
from pada_ray.runs import run_files

if TYPE_CHECKING:
    from pada_ray.report.evidence import Evidence  # it loads scikit-learn, which `pada show` need not wait for


def accuracy_table(run: Run) -> Table:
    """Accuracy of every model on every split, with the generalization gaps."""
    columns = [
        Column("model"),
        Column("training samples", "count"),
        Column("train", "number"),
        Column("val", "number"),
        Column("val, 95%", "interval", page_only=True),
        Column("val apart", "number"),
        Column("test", "number"),
        Column("test, 95%", "interval", page_only=True),
        Column("train − val", "signed", page_only=True),
        Column("val − val apart", "signed", page_only=True),
        Column("val − test", "signed", page_only=True),
        Column("cut off", "count", page_only=True),
        Column("unscored", "count"),
        Column("paper, test", "number", page_only=True),
        Column("remark"),
    ]
    rows: list[list[Value]] = []
    for gap in gaps(run.state):
        val, test = run.score(gap.model, "val"), run.score(gap.model, "test")
        row: list[Value] = [
            label(gap.model, run.method),
            run.training_samples(gap.model),
            run.accuracy(gap.model, "train"),
            run.accuracy(gap.model, "val"),
            interval_over_items(val) if val else None,
            run.accuracy(gap.model, "val_apart"),
            run.accuracy(gap.model, "test"),
            interval_over_items(test) if test else None,
            _points(gap.train_minus_val),
            _points(gap.val_minus_apart),
            _points(gap.val_minus_test),
            sum(score.truncated for score in run.state.scores[gap.model].values()),
            sum(score.unscored for score in run.state.scores[gap.model].values()) or None,
            paper_figure(run, gap.model),
            ", ".join(_remarks(run, gap.model)),
        ]
        rows.append(row)
    notes = [
        "Accuracy or exact match in %, with Wilson's interval over the items. It covers other items, not another "
        "training seed",
        "Train is the original training set",
        NOTE,
        "cut off: replies that reached the token limit without ending their turn; unscored: replies without a readable "
        "rating by the judge, which count neither as right nor as wrong",
    ]
    return Table("accuracy", "Accuracy of every model, %", columns, rows, notes)


def paper_figure(run: Run, model: str | None) -> float | None:
    """The figure in table 1 of the paper for this model; None where the paper gives none."""
    if run.dataset is None or run.regime is None or model is None or model == run_files.BASE:
        return None
    if model == run_files.model(0):
        return paper_accuracy(run.dataset, run.regime, "vanilla")
    return paper_accuracy(run.dataset, run.regime, run.method) if model == run.final else None


def comparison_table(run: Run, pairings: list[Pairing]) -> Table:
    """The final model compared with the others of the run."""
    split = split_for_results([run])
    columns = [
        Column("against"),
        Column("difference", "signed"),
        Column("95%", "interval"),
        Column("McNemar p", "p"),
        Column("p, Holm", "p"),
        Column("smallest detectable", "number"),
        Column("items", "count"),
    ]
    rows: list[list[Value]] = []
    for pairing in pairings:
        found = pairing.found
        if found is None:
            rows.append([label(pairing.other, run.method), *[None] * 6])
            continue
        rows.append(
            [
                label(pairing.other, run.method),
                found.difference,
                (found.low, found.high),
                pairing.p,
                pairing.corrected,
                found.detectable,
                found.items,
            ]
        )
    notes = [
        f"Points of {split} accuracy, paired over the same {split} items; bold where p after Holm's correction is "
        "below 0.05",
        "smallest detectable: the smallest true difference that these items would have shown with 80% power",
        "This compares the trained models of one run. A sweep over seeds shows how they vary with the seed",
    ]
    if split == "val":
        notes.append("This run has no test split, and the agents have seen val: its gains are an upper bound")
    bold = frozenset((i, 1) for i, pairing in enumerate(pairings) if pairing.significant)
    return Table("comparisons", "The final model against the others", columns, rows, notes, bold)


def category_table(run: Run, evidence: Evidence) -> Table:
    """The numbers of figure 8."""
    lineage = evidence.lineage
    models = {bar.iteration: label(bar.model, run.method) for bar in lineage.bars if bar.analysed or not bar.failures}
    iterations = list(models)
    names = {category.id: category.name for category in lineage.categories}
    columns = [Column("category"), *(Column(model, "number", 0) for model in models.values()), Column("remark")]
    rows: list[list[Value]] = []
    for category in lineage.categories:
        remarks = []
        if iterations and category.first > iterations[0]:
            remarks.append(f"new with {models[category.first]}")
        if iterations and category.last < iterations[-1]:
            remarks.append(f"gone after {models[category.last]}")
        if category.split_from is not None and category.split_from != category.id:
            remarks.append(f"split from {names[category.split_from]}")
        if category.merged_into is not None and category.merged_into != category.id:
            remarks.append(f"merged into {names[category.merged_into]}")
        estimates = [category.estimates.get(i) if category.clusters.get(i) is not None else None for i in iterations]
        rows.append([category.name, *estimates, ", ".join(remarks)])
    notes = [
        "Estimated val failures of each model: the category's share of the analysed failures, times all failures",
    ]
    if lineage.threshold is not None:
        notes.append(f"Patterns of two iterations are one category if their cosine is at least {lineage.threshold:.2f}")
    return Table("figure8", "The categories in numbers", columns, rows, notes)


def pattern_table(evidence: Evidence) -> Table:
    """Every cluster: its pattern and strategy, the samples made for it, and its failures before and after."""
    columns = [
        Column("iteration", "count"),
        Column("cluster", "count"),
        Column("pattern"),
        Column("strategy"),
        Column("failures", "count"),
        Column("fixed", "count"),
        Column("fixed, %", "number", 0),
        Column("of all, %", "number", 0),
        Column("samples", "count"),
        Column("category before", "number", 0),
        Column("category after", "number", 0),
    ]
    baseline = {turnover.iteration: turnover.fixed_share for turnover in evidence.turnovers}
    rows: list[list[Value]] = [
        [
            o.iteration,
            o.cluster,
            o.pattern.category_name if o.pattern else None,
            o.strategy.strategy_name if o.strategy else None,
            len(o.failures),
            len(o.fixed),
            100 * o.fixed_share,
            _points(baseline[o.iteration]),
            len(o.accepted),
            o.estimate_before,
            o.estimate_after,
        ]
        for o in evidence.outcomes
    ]
    notes = [
        "failures: analysed val failures in the cluster; fixed: those that the next model gets right",
        "of all: the share of all val failures that the same iteration fixed. Some are right after any retraining, so "
        "compare a strategy with this share",
        "category before, category after: estimated val failures of the category, with the model before and after; "
        "empty where they were not analysed",
    ]
    return Table("patterns", "Outcome of each pattern", columns, rows, notes)


def turnover_table(evidence: Evidence) -> Table:
    """Val items that each iteration fixed and broke."""
    columns = [
        Column("iteration", "count"),
        Column("failures before", "count"),
        Column("fixed", "count"),
        Column("fixed, %", "number", 0),
        Column("of the analysed, %", "number", 0),
        Column("passes before", "count"),
        Column("broken", "count"),
    ]
    rows: list[list[Value]] = [
        [
            t.iteration,
            t.failures,
            t.fixed,
            _points(t.fixed_share),
            100 * t.analysed_fixed / t.analysed if t.analysed else None,
            t.passes,
            t.broken,
        ]
        for t in evidence.turnovers
    ]
    notes = [
        "Val items. If a far larger share of the analysed failures is fixed than of all failures, the items "
        "themselves, not their kind, may have got into training",
    ]
    return Table("turnover", "Val items fixed and broken", columns, rows, notes)


def table3(rows: Sequence[PatternRow]) -> Table:
    """Table 3 of the paper."""
    return strategy_table(rows)._replace(name="table3", title="Patterns and strategies, first and last iteration")


def strategy_table(patterns: Sequence[PatternRow]) -> Table:
    """Patterns with their strategies, in full."""
    columns = [
        Column("iteration", "count", once=True),
        Column("failures", "count"),
        Column("category"),
        Column("error pattern", under=True),
        Column("strategy"),
        Column("generation approach", under=True),
    ]
    rows: list[list[Value]] = [
        [r.iteration, r.size, r.category_name, r.error_pattern, r.strategy_name, r.generation_approach]
        for r in patterns
    ]
    return Table("strategies", "Patterns and strategies", columns, rows, [])


def remaining_table(patterns: Sequence[PatternRow]) -> Table:
    """The patterns in the failures of the last model."""
    columns = [Column("failures", "count"), Column("category"), Column("error pattern", under=True)]
    rows: list[list[Value]] = [[r.size, r.category_name, r.error_pattern] for r in patterns]
    return Table("remaining", "What the last model still gets wrong", columns, rows, [])


def stability_table(evidence: Evidence) -> Table:
    """How well the clusters of each iteration are reproduced."""
    columns = [
        Column("iteration", "count"),
        Column("analyses", "count"),
        Column("clusters", "count"),
        Column("ARI, other seeds", "number", 2),
        Column("ARI, subsamples", "number", 2),
        Column("silhouette", "number", 2),
        Column("K in subsamples"),
    ]
    rows: list[list[Value]] = [
        [
            s.iteration,
            s.analyses,
            s.clusters,
            s.ari_over_seeds,
            s.ari_over_subsamples,
            s.silhouette,
            ", ".join(f"{k}: {count}×" for k, count in s.chosen.items()),
        ]
        for s in evidence.stability
    ]
    notes = [
        "Mean adjusted Rand index between the run's clusters and those found with other seeds, or without a fifth of "
        "the analyses: 1 means equal, 0 means chance",
    ]
    return Table("stability", "Stability of the clusters", columns, rows, notes)


def quality_table(quotas: dict[int, list[GroupReport]]) -> Table:
    """Drafts accepted, and rejected by reason, for each iteration and group."""
    occurred = {reason for groups in quotas.values() for group in groups for reason in group.rejected}
    reasons = [reason for reason in get_args(Reason) if reason in occurred]
    columns = [Column("iteration", "count", once=True), Column("group"), Column("strategy", page_only=True)]
    columns += [Column(number, "count") for number in ("quota", "accepted", "first drafts", "regenerated")]
    columns += [Column(reason, "count", gathered="rejected or unwritten") for reason in [*reasons, "unwritten"]]
    rows: list[list[Value]] = [
        [
            iteration,
            g.group,
            g.strategy_name,
            *(g.quota, g.accepted, g.drafted, g.regenerated),
            *(g.rejected.get(reason, 0) for reason in reasons),
            g.unwritten,
        ]
        for iteration, groups in quotas.items()
        for g in groups
    ]
    notes = ["Rejected drafts by reason; unwritten: seeds for which the generator's reply had no sample"]
    return Table("quality", "Data generation and quality control", columns, rows, notes)


def token_table(run: Run) -> Table:
    """LLM calls with their tokens and cost, by purpose and role, beside the least that the method allows."""
    least = least_calls(run.folder) if run.status == "done" else {}
    least_of_all = sum(least.values()) if least.keys() >= {u.purpose for u in run.state.usage} else None
    columns = [
        Column("stage", page_only=True),
        Column("purpose"),
        Column("role"),
        Column("calls", "count"),
        Column("least", "count"),
        Column("prompt tokens", "count"),
        Column("completion tokens", "count"),
        Column("USD", "number", 4),
        Column("paid by"),
    ]
    rows: list[list[Value]] = [
        [
            stage_of(u.purpose),
            u.purpose,
            u.role,
            u.calls,
            least.pop(u.purpose, None),  # in its first row, where another run paid for some of its calls
            u.prompt_tokens,
            u.completion_tokens,
            u.usd,
            "another run" if u.shared else None,
        ]
        for u in run.state.usage
    ]
    if rows:
        total = spent(run.state.usage)
        sums = (total.calls, least_of_all, total.prompt_tokens, total.completion_tokens, total.usd)
        rows.append(["all", None, None, *sums, None])
    notes = [
        "Each call whose reply this run used counts once, whichever run paid for it. Without a price, configured or "
        f"listed, there is no USD{_listed(run)}",
        "least: the calls that a purpose takes if each holds as many samples as its batch size allows and every reply "
        "can be read",
    ]
    return Table("tokens", "LLM calls, tokens and cost", columns, rows, notes, has_total=True)


def time_table(run: Run) -> Table:
    """Seconds by stage and model."""
    by_stage = seconds_by_stage(run)
    models = list(dict.fromkeys(m for of_kind in by_stage.values() for m in of_kind))
    columns = [Column("stage"), *(Column(m.replace("-", " "), "number") for m in models), Column("all", "number")]
    rows: list[list[Value]] = [
        [kind, *(of_kind.get(m) for m in models), sum(of_kind.values())] for kind, of_kind in by_stage.items()
    ]
    if rows:
        totals = [sum(of_kind.get(m, 0.0) for of_kind in by_stage.values()) for m in models]
        rows.append(["all", *totals, sum(totals)])
    notes = ["Seconds. A stage copied from another run of the same sweep counts only the copying"]
    return Table("time", "Time per stage", columns, rows, notes, has_total=True)


def _remarks(run: Run, model: str) -> list[str]:
    if METHODS[run.config.method].reference and model == run.final:
        return ["final", "trained on val: a reference, no rival"]
    remarks = {"final": model == run.final, "best on val": model == run.state.best}
    remarks[f"{run.shortfall} samples missing"] = model == run.models[-1] and run.shortfall > 0
    return [text for text, holds in remarks.items() if holds]


def _listed(run: Run) -> str:
    listed = by_which_list([run.config])
    return f"; USD is{listed}, and prices change" if listed else ""


def _points(share: float | None) -> float | None:
    return None if share is None or math.isnan(share) else 100 * share
