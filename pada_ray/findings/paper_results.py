"""The paper's own results, as far as its text gives them, to stand beside ours (`paper_results.yaml`)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from pada_ray.records import Record

Dataset = Literal["gsm8k", "hellaswag", "squad", "arc_challenge", "humaneval"]
Regime = Literal[1000, 600, 300]


class PaperAccuracy(Record):
    """A cell of table 1: test accuracy or exact match in %. `note` says where the figure is our reading."""

    dataset: Dataset
    regime: Regime
    method: Literal["vanilla", "auggpt", "llms_as_instructors", "llm2llm", "pada"]
    accuracy: float
    source: str
    note: str | None = None


class PaperGain(Record):
    """A gain of PaDA-Agent in % that the text quotes. None where it does not name the regime or the method that is
    gained over, or where it averages over datasets."""

    regime: Regime | None = None
    dataset: Dataset | None = None
    over: Literal["vanilla", "augmentation"] | None = None
    gain: float
    source: str
    note: str | None = None


class PaperAblation(Record):
    """A cell of table 2: the change in % against full PaDA-Agent, negative for a drop."""

    dataset: Dataset
    method: Literal["pada -pattern", "pada -train_errors", "pada -quality"]
    change: float
    source: str
    note: str | None = None


class PaperResults(Record):
    accuracy: list[PaperAccuracy]
    gains: list[PaperGain]
    ablations: list[PaperAblation]


@cache
def paper_results() -> PaperResults:
    """Every figure with its source."""
    file = Path(__file__).with_name("paper_results.yaml")
    return PaperResults.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def paper_accuracy(dataset: str, regime: int, method: str) -> float | None:
    """Test accuracy or exact match in % (table 1), None where the paper's text has no such figure.

    `regime` is the number of training samples. HumanEval, which the paper has in its limited regime only, goes under
    300, where section 3.3 counts it, though its training set is smaller.
    """
    return next(
        (
            cell.accuracy
            for cell in paper_results().accuracy
            if (cell.dataset, cell.regime, cell.method) == (dataset, regime, method)
        ),
        None,
    )


def paper_ablation(dataset: str, method: str) -> float | None:
    """Change in % against full PaDA-Agent (table 2), negative for a drop, None where the paper's text has none.

    The text names neither the regime, nor whether these are points or percent of the full method's accuracy.
    """
    cells = paper_results().ablations
    return next((cell.change for cell in cells if (cell.dataset, cell.method) == (dataset, method)), None)
