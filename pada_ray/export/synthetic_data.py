"""The synthetic samples of a run as a table, each with where it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pada_ray.export.chosen import Chosen, name_elsewhere
from pada_ray.findings.lineage import read_findings
from pada_ray.records import Candidate
from pada_ray.runs import run_files

PARQUET, LINES = "synthetic.parquet", "synthetic.jsonl"

COLUMNS = {
    "id": "unique in the run",
    "messages": "the conversation; the last message is the reply to learn",
    "answer": "what a reply is checked against",
    "task": "how it is checked",
    "iteration": "the iteration that wrote it; the models from there on were trained on it",
    "group": "whose quota it counts for: a cluster of failures, or training errors",
    "pattern": "what the failures of that cluster have in common, in words of the teacher",
    "strategy": "the strategy against that pattern",
    "seed_id": "the training sample that it was made from",
    "attempt": "0 for a first draft; a higher number for one that quality control had sent back before",
    "adherence": "the judge's rating, 1 to 10",
    "utility": "the judge's rating, 1 to 10",
    "relevance": "the judge's rating, 1 to 10",
    "feedback": "what the judge said of it",
    "person": "what a person who reviewed it did to it",
    "teacher": "the model that wrote it",
    "judge": "the model that rated it",
}


def synthetic_rows(chosen: Chosen) -> list[dict[str, Any]]:
    """A row, with the keys of COLUMNS, for every synthetic sample that the model was trained on, in the order of the
    run's files."""
    return [
        row
        for iteration in range(1, (chosen.iteration or 0) + 1)
        if chosen.run.folder.exists(run_files.accepted(iteration))
        for row in _rows_of(chosen, iteration)
    ]


def write_synthetic(rows: list[dict[str, Any]], target: Path) -> None:
    """Writes the rows as Parquet and as JSON lines into the folder `target`."""
    import pyarrow
    import pyarrow.parquet

    target.mkdir(parents=True)
    text, rating = pyarrow.string(), pyarrow.float64()
    message = pyarrow.struct([("role", text), ("content", text)])
    kinds = {"messages": pyarrow.list_(message), "iteration": pyarrow.int64(), "attempt": pyarrow.int64()}
    kinds |= dict.fromkeys(("adherence", "utility", "relevance"), rating)
    schema = pyarrow.schema([(name, kinds.get(name, text)) for name in COLUMNS])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), target / PARQUET)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (target / LINES).write_text("".join(lines), encoding="utf-8")


def _rows_of(chosen: Chosen, iteration: int) -> list[dict[str, Any]]:
    run = chosen.run
    accepted = run_files.in_force(run.folder, run_files.accepted(iteration))
    findings = read_findings(run.folder, iteration)
    patterns = {f"cluster-{pattern.cluster}": pattern.category_name for pattern in findings.patterns}
    return [
        {
            "id": candidate.id,
            "messages": [message.model_dump() for message in candidate.sample.messages],
            # One type for the column: a task with several accepted answers has them as JSON.
            "answer": _as_text(candidate.sample.answer),
            "task": candidate.sample.task,
            "iteration": iteration,
            "group": candidate.group,
            "pattern": patterns.get(candidate.group),
            "strategy": candidate.strategy_name,
            "seed_id": candidate.seed_id,
            "attempt": candidate.attempt,
            **_ratings(candidate),
            "feedback": candidate.feedback,
            "person": candidate.person.deed if candidate.person else None,
            "teacher": name_elsewhere(run.config.llm.teacher.model),
            "judge": name_elsewhere(run.config.llm.judge.model) if candidate.ratings else None,
        }
        for candidate in run.folder.read_records(accepted, Candidate)
        if candidate.sample is not None
    ]


def _ratings(candidate: Candidate) -> dict[str, float | None]:
    ratings = candidate.ratings
    return {name: getattr(ratings, name, None) for name in ("adherence", "utility", "relevance")}


def _as_text(answer: str | list[str]) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
