"""The demo's accuracy by how present a kind of problem is in train."""

from __future__ import annotations

from pada_ray.findings.presence import PRESENCES, RARE, Presence, presences, scores_by_presence
from pada_ray.records import Split
from pada_ray.report.comparison import items_of, split_for_results
from pada_ray.report.groups import groups_of, mean_of
from pada_ray.report.labels import label
from pada_ray.report.results import Run, Sweep
from pada_ray.report.tables import Column, Table, Value


def presence_table(run: Run) -> Table:
    """Every model of a run; without rows where the data are not the demo's."""
    split = split_for_results([run])
    rows: list[list[Value]] = []
    for model in run.models:
        found = list(_accuracies(run, model, split).values())
        if any(value is not None for value in found):
            rows.append([label(model, run.method), *found])
    return Table("presence", _title(split), [Column("model"), *_columns()], rows, _notes(split))


def sweep_presence_table(sweep: Sweep) -> Table:
    """The final model of every method in every setting, as means over the seeds."""
    split = split_for_results(sweep.runs)
    rows: list[list[Value]] = []
    for group in groups_of(sweep):
        found = [_accuracies(run, run.final or "", split) for run in group.done]
        means = [mean_of(each[presence] for each in found) for presence in PRESENCES]
        if any(mean is not None for mean in means):
            rows.append([group.setting, group.method, len(found), *means])
    columns = [Column("setting"), Column("method"), Column("seeds", "count"), *_columns()]
    return Table("presence", _title(split), columns, rows, _notes(split), grouped=True)


def _accuracies(run: Run, model: str, split: Split) -> dict[Presence, float | None]:
    """In points; None without items, as on all data but the demo's."""
    if run.config.data.demo is None:
        return dict.fromkeys(PRESENCES)
    train = [messages[-2].content for messages in run.texts("train").values()]
    items = items_of(run, model, split)
    known = presences(train, {item: messages[-2].content for item, messages in items.texts.items()})
    scores = scores_by_presence(known, items.right).items()
    return {presence: None if s.accuracy is None else 100 * s.accuracy for presence, s in scores}


def _title(split: Split) -> str:
    return f"{split.capitalize()} accuracy by the kind's presence in train, %"


def _columns() -> list[Column]:
    return [Column(presence, "number") for presence in PRESENCES]


def _notes(split: Split) -> list[str]:
    return [
        f"{split.capitalize()} items of kinds of problem that are absent from the original training set, rare in it "
        f"(under {RARE:.0%} of it) or present",
    ]
