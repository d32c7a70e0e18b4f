"""Tables of a run that its task alone has: which labels are taken for which, and the fields of JSON replies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from pada_ray.findings.confusions import Confusion, FieldCounts, confused_pairs, field_counts
from pada_ray.records import Failure, Sample, Split
from pada_ray.report.comparison import split_for_results
from pada_ray.report.labels import label
from pada_ray.report.results import Run
from pada_ray.report.tables import Column, Table, Value
from pada_ray.runs import run_files
from pada_ray.tasks import Knowledge
from pada_ray.tasks.json import Json
from pada_ray.tasks.label import NO_LABEL, Label

_MOST = 3  # labels that one is taken for, named in a row


def task_tables(run: Run) -> list[Table]:
    """The tables; those without rows belong to other tasks. They tell of the split that results are reported on."""
    split = split_for_results([run])
    known = run_files.read_knowledge(run.folder)
    items = _items(run, split)
    of_last = _with_replies(run, run.models[-1], split, items) if run.models else []
    return [
        confusion_table(run, split, items, known),
        field_score_table(run, split, items, known),
        field_table(_of(Json.name, of_last), split, known),
    ]


def confusion_table(run: Run, split: Split, items: dict[str, Sample], known: Knowledge) -> Table:
    """For each label, how many of its items every model gets right, and what the last model takes the others for."""
    labelled = {name: sample for name, sample in items.items() if sample.task == Label.name}
    models = run.models if labelled else []
    failed = {model: _of_failures(run, model, split, labelled) for model in models}
    pairs_of = {model: confused_pairs(failures, known) for model, failures in failed.items()}
    pairs = pairs_of[models[-1]] if models else []
    wrong = [Counter(str(f.sample.answer) for f in failures) for failures in failed.values()]
    rows = _confusion_rows(Counter(str(sample.answer) for sample in labelled.values()), wrong, pairs)
    columns = [
        Column("label"),
        Column("items", "count"),
        *(Column(label(model, run.method), "number", page_only=model not in models[-1:]) for model in models),
        Column("taken for"),
        Column("given wrongly", "count"),
    ]
    notes = [
        f"Items of {split} with this label, and how many of them each model gets right, in %",
        f"taken for: what the last model says instead, at most {_MOST} labels; given wrongly: how often it gives this "
        "label to an item of another. Labels without either are left out",
        f"Failures whose reply is {NO_LABEL}: {_without_label(pairs_of, run.method)}. With "
        "`evaluation.constrained_decoding` a reply is always a label",
    ]
    return Table("confusions", f"Labels that the last model confuses, on {split}", columns, rows, notes)


def _without_label(pairs_of: dict[str, list[Confusion]], method: str) -> str:
    """How many failures of each model have none."""
    counts = [
        f"{sum(pair.times for pair in pairs if pair.given == NO_LABEL):,} of {sum(pair.times for pair in pairs):,} "
        f"({label(model, method)})"
        for model, pairs in pairs_of.items()
    ]
    return ", ".join(counts)


def _confusion_rows(items: Counter[str], wrong: list[Counter[str]], pairs: list[Confusion]) -> list[list[Value]]:
    """A row for each label that is taken for another or another for it, the most frequent first. `items` has the number
    of its items, and `wrong` of those that each model gets wrong."""
    taken_for: dict[str, list[Confusion]] = {}
    mistaken: Counter[str] = Counter()
    for pair in pairs:
        taken_for.setdefault(pair.expected, []).append(pair)
        mistaken[pair.given] += pair.times
    found = sorted((name for name in items if name in taken_for or mistaken[name]), key=lambda n: (-wrong[-1][n], n))
    return [
        [
            name,
            items[name],
            *(100 * (1 - of_model[name] / items[name]) for of_model in wrong),
            ", ".join(f"{pair.given} ({pair.times})" for pair in taken_for.get(name, [])[:_MOST]) or None,
            mistaken[name] or None,
        ]
        for name in found
    ]


def field_score_table(run: Run, split: Split, items: dict[str, Sample], known: Knowledge) -> Table:
    """Precision, recall and F1 over all fields of JSON replies, beside exact match, for every model."""
    rows: list[list[Value]] = []
    for model in run.models if any(sample.task == Json.name for sample in items.values()) else []:
        total = _total(field_counts(_of(Json.name, _with_replies(run, model, split, items)), known).values())
        rows.append([label(model, run.method), run.accuracy(model, split), *_scores(total)])
    columns = [Column("model"), Column("exact match", "number"), *_SCORES]
    notes = [
        f"In %, on {split}. A field counts as right if its name and its value are; a reply that is no JSON gives none"
    ]
    return Table("field_scores", "Fields of JSON replies, by model", columns, rows, notes)


def field_table(replies: list[Failure], split: Split, known: Knowledge) -> Table:
    """Precision, recall and F1 of each field, in the replies of the last model; the worst first."""
    counts = sorted(field_counts(replies, known).items(), key=lambda item: item[1].right - item[1].expected)
    rows: list[list[Value]] = [[name, c.expected, c.given, c.right, *_scores(c)] for name, c in counts]
    columns = [Column("field"), *(Column(title, "count") for title in ("expected", "given", "right")), *_SCORES]
    notes = [f"Of the last model, on {split}. Precision, recall and F1 in %. The entries of an array have one name"]
    return Table("fields", "Fields of the last model's JSON replies", columns, rows, notes)


_SCORES = [Column("precision", "number"), Column("recall", "number"), Column("F1", "number")]


def _scores(counts: FieldCounts) -> list[Value]:
    shares = (counts.precision, counts.recall, counts.f1)
    return [None if math.isnan(share) else 100 * share for share in shares]


def _total(counts: Iterable[FieldCounts]) -> FieldCounts:
    return FieldCounts(*map(sum, zip(*counts, strict=True)))


def _items(run: Run, split: Split) -> dict[str, Sample]:
    file = run_files.split(split)
    return {s.id: s for s in run.folder.read_records(file, Sample)} if run.folder.exists(file) else {}


def _of(task: str, replies: list[Failure]) -> list[Failure]:
    return [reply for reply in replies if reply.sample.task == task]


def _with_replies(run: Run, model: str, split: Split, items: dict[str, Sample]) -> list[Failure]:
    """The items with the model's replies, right ones too."""
    predictions = run.predictions(model, split)
    return [Failure(sample=items[name], reply=p.reply) for name, p in predictions.items() if name in items]


def _of_failures(run: Run, model: str, split: Split, items: dict[str, Sample]) -> list[Failure]:
    failed = {name for name, p in run.predictions(model, split).items() if p.failed}
    return [reply for reply in _with_replies(run, model, split, items) if reply.sample.id in failed]
