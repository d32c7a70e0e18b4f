"""Folders of finished runs and sweeps, written by hand for tests of reports."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from builders import sample
from rich.console import Console

from pada_ray.agents.quotas import GroupReport
from pada_ray.config import check_config, dump_config
from pada_ray.llm.chat import Usage
from pada_ray.records import (
    Analysis,
    Candidate,
    Pattern,
    Prediction,
    Ratings,
    Sample,
    Strategy,
    WrittenMessage,
)
from pada_ray.report import print_report
from pada_ray.runs import run_files
from pada_ray.runs.checksums import stored
from pada_ray.runs.state import FILE, FinishedStage, RunState, Score, read_state, write_state
from pada_ray.runs.sweep import CELLS
from pada_ray.runs.sweep import FILE as SWEEP_FILE
from pada_ray.storage import Folder

HOSTILE = "</script><img src=x onerror=\"document.title='hacked'\"> %{y} **bold** \\end{table} | 5% & more"
ENDPOINT = {"base_url": "offline", "model": "a"}
ITEMS = {"train": 8, "val": 20, "test": 20}
MODELS = {"base": 0.1, "iteration-0": 0.5, "iteration-1": 0.75}


def config_of(**keys: Any) -> Any:
    raw = {"name": "a run", "data": {"demo": {}}, "pattern_analysis": {"embedding": "tfidf", "max_clusters": 3}}
    return check_config(raw | {"name": "a", "llm": {"teacher": ENDPOINT, "judge": ENDPOINT}} | keys, "test")


def item(split: str, i: int, words: str = "") -> Sample:
    question = f"{words}How many is {i} and {len(split)}? ({split})"
    return sample("math", question, f"Answer: {i + len(split)}", str(i + len(split)), f"{split}-{i}")


def write_run(
    folder: Folder,
    *,
    accuracies: dict[str, float] | None = None,
    splits: tuple[str, ...] = ("train", "val", "test"),
    words: str = "",
    samples: int = 0,
    left: bool = False,
    status: str = "done",
    items: dict[str, int] | None = None,
    **config: Any,
) -> None:
    """A run whose models get the first items of every split right, as many as their accuracy says.

    With `samples`, iteration 1 has two clusters with a pattern each, and that many synthetic samples. Every third was
    accepted as a second draft; every tenth was never accepted. With `left`, the failures of the last model have the
    same two clusters. `words` are put before every item's text.
    """
    models = MODELS if accuracies is None else accuracies
    counts = ITEMS | (items or {})
    folder.write_text(run_files.CONFIG, dump_config(config_of(**config)))
    for split in splits:
        folder.write_records(f"data/{split}.jsonl", [item(split, i, words) for i in range(counts[split])])
    state = RunState(name="a", status=status, stage="done" if status == "done" else "iteration-1: fine-tuning")
    for model, accuracy in models.items():
        seen = [split for split in splits if (model, split) != ("base", "train")]
        rows = {split: _predictions(split, counts[split], accuracy) for split in seen}
        folder.write_records(run_files.predictions(model), [p for of_split in rows.values() for p in of_split])
        state.scores[model] = {
            split: Score(samples=len(of_split), failures=sum(bool(p.failed) for p in of_split), truncated=0)
            for split, of_split in rows.items()
        }
        state.finished[f"{model}: evaluation"] = FinishedStage(output=run_files.predictions(model), seconds=60)
        state.counts[model] = {"training_samples": 8}
    if samples:
        _write_iteration(folder, state, counts["val"], samples)
    if left:
        _write_patterns(folder, 2, [f"val-{i}" for i in range(round(0.75 * counts["val"]), counts["val"])])
    if status == "done":
        state.best = max(models, key=lambda model: models[model], default=None)
    folder.write_text(FILE, state.model_dump_json())


def add_checksums(folder: Folder) -> None:
    """Has the state of a run know the files as they are now, as a run's own state does."""
    state = read_state(folder)
    state.files = {path: stored(folder.read_bytes(path), "start") for path in folder.files("") if path != FILE}
    write_state(folder, state)


def write_sweep(folder: Folder, cells: dict[str, dict[str, Any]], *primary: str, **design: Any) -> None:
    """Writes the list of cells, by name and coordinates, and the design: pada against each of `primary`. The test
    writes the runs."""
    listed = [{"name": name, "coordinates": coordinates} for name, coordinates in cells.items()]
    named = {"primary": [{"method": "pada", "against": other} for other in primary]} if primary else {}
    folder.write_yaml(SWEEP_FILE, {"name": "a sweep", **named, **design, "cells": listed})


def cell(folder: Folder, name: str) -> Folder:
    return Folder(folder.at(f"{CELLS}/{name}"))


def _predictions(split: str, items: int, accuracy: float) -> list[Prediction]:
    right = round(accuracy * items)
    return [
        Prediction(id=f"{split}-{i}", split=split, reply=f"reply {i}", failed=i >= right, truncated=False)
        for i in range(items)
    ]


def _write_iteration(folder: Folder, state: RunState, val_items: int, samples: int) -> None:
    _write_patterns(folder, 1, [f"val-{i}" for i in range(val_items // 2, val_items)])
    strategies = [
        Strategy(
            cluster=k,
            category_name=f"Category {k}",
            strategy_name=f"=Strategy {k}",
            generation_approach=f"Write sums. {HOSTILE}",
            key_elements=["two numbers"],
        )
        for k in range(2)
    ]
    folder.write_yaml(run_files.strategies(1), [s.model_dump() for s in strategies])
    drafts = [draft for i in range(samples) for draft in _drafts(i)]
    accepted = [c for c in drafts if c.rejected is None]
    rejected = [c for c in drafts if c.rejected is not None]
    folder.write_records(run_files.accepted(1), accepted)
    folder.write_records(run_files.rejected(1), rejected)
    report = GroupReport(
        group="cluster-0",
        strategy_name="=Strategy 0",
        quota=samples,
        accepted=len(accepted),
        drafted=samples,
        regenerated=len(drafts) - samples,
        rejected={"low score": len(rejected)},
        unwritten=0,
    )
    folder.write_yaml(run_files.quotas(1), [report.model_dump()])
    state.counts["iteration-1"] |= {"accepted": len(accepted), "rejected": len(rejected)}
    state.usage = [
        Usage(role="teacher", purpose="pattern_generation", calls=9, prompt_tokens=700, completion_tokens=300),
        Usage(role="judge", purpose="quality_control", calls=3, prompt_tokens=90, completion_tokens=10),
    ]


def _write_patterns(folder: Folder, iteration: int, failed: list[str]) -> None:
    causes = ("Carries a digit wrongly in a long sum", f"Reads the question in reverse {HOSTILE}")
    analyses = [
        Analysis(sample_id=name, error_cause=causes[i % 2], scenario_category=f"kind {i % 2}")
        for i, name in enumerate(failed)
    ]
    folder.write_records(run_files.analyses(iteration), analyses)
    folder.write_yaml(run_files.clusters(iteration), {name: i % 2 for i, name in enumerate(failed)})
    sizes = [len(failed[k::2]) for k in range(2)]
    patterns = [
        Pattern(cluster=k, category_name=f"Category {k} {HOSTILE * k}", error_pattern=causes[k], size=sizes[k])
        for k in range(2)
    ]
    folder.write_yaml(run_files.patterns(iteration), [p.model_dump() for p in patterns])


def _drafts(i: int) -> list[Candidate]:
    if i % 10 == 9:
        return [_draft(i, attempt, 3, "low score") for attempt in range(2)]
    return [_draft(i, 0, 5, "low score"), _draft(i, 1, 9, None)] if i % 3 == 2 else [_draft(i, 0, 8, None)]


def _draft(i: int, attempt: int, score: float, rejected: Any) -> Candidate:
    return Candidate(
        id=f"draft-{i}-{attempt}",
        batch=f"batch-{i}",
        group=f"cluster-{i % 2}",
        strategy_name=f"=Strategy {i % 2}",
        seed_id=f"train-{i % 8}",
        attempt=attempt,
        messages=[
            WrittenMessage(role="user", content=f"Synthetic question {i} of draft {attempt}? {HOSTILE}"),
            WrittenMessage(role="assistant", content=f"Answer: {i}"),
        ],
        answer=None,
        ratings=Ratings(adherence=score, utility=score, relevance=score),
        feedback=f"feedback {attempt}",
        rejected=rejected,
    )


def table(folder: Folder, name: str) -> list[dict[str, str]]:
    """The rows of a table that a report wrote."""
    return list(csv.DictReader(io.StringIO(folder.read_text(f"report/tables/{name}.csv"))))


def shown(folder: Folder, width: int = 100, show: Callable[[Folder, Console], None] = print_report) -> str:
    """What is printed of a run, in so many columns."""
    out = io.StringIO()
    show(folder, Console(file=out, width=width))
    return out.getvalue()
