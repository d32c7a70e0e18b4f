"""The results that the text of the paper gives, for comparison with ours (`paper_results.yaml`)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from pada_ray.records import Record

Dataset = Literal["gsm8k", "hellaswag", "squad", "arc_challenge", "humaneval"]
Regime = Literal[1000, 600, 300]


class PaperAccuracy(Record):
    """A cell of table 1: test accuracy or exact match in %. `note` says how we read an unclear passage."""

    dataset: Dataset
    regime: Regime
    method: Literal["vanilla", "auggpt", "llms_as_instructors", "llm2llm", "pada"]
    accuracy: float
    source: str
    note: str | None = None


class PaperGain(Record):
    """A gain of PaDA-Agent in %, as the text quotes it.

    `regime` and `over` are None where the text does not name them, `dataset` where it averages over datasets.
    """

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
    """All figures, each with its source."""
    file = Path(__file__).with_name("paper_results.yaml")
    return PaperResults.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def paper_accuracy(dataset: str, regime: int, method: str) -> float | None:
    """Test accuracy or exact match in % (table 1); None where the paper's text does not give it.

    `regime` is the number of training samples. The paper has HumanEval in its limited regime only; it counts as 300
    here, as in section 3.3, though its training set is smaller.
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
    """Change in % against full PaDA-Agent (table 2), negative for a drop; None where the paper's text does not give it.

    The text does not name the regime. It does not say whether a change is in points or in percent of the full method's
    accuracy.
    """
    cells = paper_results().ablations
    return next((cell.change for cell in cells if (cell.dataset, cell.method) == (dataset, method)), None)
