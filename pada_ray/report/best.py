"""The model that a user gets from a run: the best on val, beside what it was made from."""

from __future__ import annotations

from typing import NamedTuple

from pada_ray.records import Message, Record, Split
from pada_ray.report.comparison import Pairing, compare_models, split_for_results
from pada_ray.report.labels import label
from pada_ray.report.results import Run
from pada_ray.runs import run_files

EXAMPLES = 3


class Best(NamedTuple):
    """`before` is the base model."""

    model: str  # base, iteration-0, ...
    name: str
    adapter: str | None
    """The path or URL of its folder; None where no fine-tuned model did better than the base model."""
    split: Split
    """The one that results are reported on."""
    pairings: list[Pairing]
    """It against the base model and vanilla fine-tuning, where it is neither."""

    def against(self, other: str) -> Pairing | None:
        return next((pairing for pairing in self.pairings if pairing.other == other), None)


class Example(Record):
    """An item of the results' split with the replies of the base model and of the best."""

    id: str
    messages: list[Message]  # without the reference reply
    reference: str
    before: str
    after: str
    failed: bool  # after


def best_model(run: Run) -> Best | None:
    """None while the run does not know its best model yet."""
    model = run.state.best
    if model is None or model not in run.models:
        return None
    adapter = None if model == run_files.BASE else run.folder.at(f"{model}/adapter")
    others = [m for m in (run_files.BASE, run_files.model(0)) if m in run.models and m != model]
    split = split_for_results([run])
    return Best(model, label(model, run.method), adapter, split, compare_models(run, model, others))


def examples(run: Run, best: Best) -> list[Example]:
    """Items that the base model fails and the best gets right, the shortest first; where there are too few, items that
    both fail."""
    if best.model == run_files.BASE:
        return []
    before, after = (run.predictions(model, best.split) for model in (run_files.BASE, best.model))
    texts = run.texts(best.split)
    wrong = [name for name in texts if name in before and name in after and before[name].failed]
    wrong.sort(key=lambda name: (after[name].failed is not False, sum(len(m.content) for m in texts[name])))
    return [
        Example(
            id=name,
            messages=texts[name][:-1],
            reference=texts[name][-1].content,
            before=before[name].reply,
            after=after[name].reply,
            failed=after[name].failed is not False,
        )
        for name in wrong[:EXAMPLES]
    ]
