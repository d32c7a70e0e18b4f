"""The tables of labels and of JSON fields, on the page and on the terminal."""

from __future__ import annotations

import json

from builders import sample
from report_runs import config_of, shown

from benchmarks.real.labels import Kinds, by_method, row
from pada_ray.config import dump_config
from pada_ray.records import Prediction, Sample
from pada_ray.report.results import read_run
from pada_ray.report.task_tables import task_tables
from pada_ray.report.write import write_run
from pada_ray.runs import run_files
from pada_ray.runs.state import FILE, RunState, scores_of
from pada_ray.storage import Folder
from pada_ray.tasks import get_task, learn
from pada_ray.tasks.knowledge import Knowledge
from pada_ray.tasks.label import NO_LABEL


def written(folder: Folder, items: list[Sample], replies: dict[str, list[str]]) -> Folder:
    """A run that has evaluated models on `items` of val and test alike."""
    known = learn(items, Knowledge())
    folder.write_text(run_files.CONFIG, dump_config(config_of()))
    folder.write_text(run_files.KNOWLEDGE, known.model_dump_json())
    state = RunState(name="a", status="done", stage="done", best="iteration-0")
    for split in ("train", "val", "test"):
        folder.write_records(run_files.split(split), items)
    for model, texts in replies.items():
        failed = get_task(items[0].task, known).fails_many(texts, items)
        predictions = [
            Prediction(id=item.id, split=split, reply=text, failed=fails, truncated=False)
            for split in ("train", "val", "test")
            for item, text, fails in zip(items, texts, failed, strict=True)
        ]
        folder.write_records(run_files.predictions(model), predictions)
        state.scores[model] = scores_of(predictions)
    folder.write_text(FILE, state.model_dump_json())
    return folder


def items_of(task: str, answers: list[str]) -> list[Sample]:
    return [sample(task, f"Message {i}", answer, answer, f"s{i}") for i, answer in enumerate(answers)]


def test_labels_that_are_confused(tmp_path):
    items = items_of("label", ["card_arrival"] * 3 + ["card_linking"] * 2 + ["age_limit"])
    folder = written(
        Folder(str(tmp_path)),
        items,
        {
            "base": ["?"] * 6,
            "iteration-0": ["card_arrival"] * 6,
            "iteration-1": ["card_linking", "card_linking", "<b>", "card_linking", "card_arrival", "age_limit"],
        },
    )
    confusions, *others = task_tables(read_run(folder))
    assert [table.rows for table in others] == [[], []]
    assert confusions.rows == [
        ["card_arrival", 3, 0, 100, 0, f"card_linking (2), {NO_LABEL} (1)", 1],
        ["card_linking", 2, 0, 0, 50, "card_arrival (1)", 2],
    ]
    assert "6 of 6 (base model), 0 of 3 (vanilla fine-tuning), 1 of 4 (" in confusions.notes[-1]
    text = shown(folder)
    assert "Labels that the last model confuses, on test" in text and "card_linking (2)" in text
    write_run(read_run(folder), Folder(str(tmp_path / "report")))
    assert "card_linking (2)" in (tmp_path / "report" / "index.html").read_text()
    assert (tmp_path / "report" / "tables" / "confusions.csv").is_file()


def test_failures_are_counted_by_kind_over_the_finished_runs_of_a_sweep(tmp_path):
    items = items_of("label", ["card_arrival"] * 3 + ["age_limit"])
    said = {"a": ["card_arrival", "age_limit", "card", "age_limit"], "b": ["card_arrival"] * 4}
    for name, replies in said.items():
        written(Folder(str(tmp_path / "cells" / name)), items, {"base": ["?"] * 4, "iteration-0": replies})
    cells = [{"name": name, "coordinates": {"seed": name, "method": "pada"}} for name in ("a", "b", "not begun")]
    Folder(str(tmp_path)).write_yaml("sweep.yaml", {"cells": cells})
    found = by_method(Folder(str(tmp_path)))
    assert found == {"pada": [Kinds(0.5, 0.25, 0.25), Kinds(0.75, 0.25, 0.0)]}
    assert row("pada", found["pada"]) == "| pada | 2 | 62.5 | 25.0 | 12.5 |"


def test_fields_of_json(tmp_path):
    def call(**arguments: object) -> str:
        return json.dumps({"name": "Play", "arguments": arguments})

    items = items_of("json", [call(artist="Zoe", year=1), call(artist="Bo")])
    folder = written(
        Folder(str(tmp_path)), items, {"base": ["no", "no"], "iteration-0": [call(artist="Zoe"), call(artist="Bo")]}
    )
    confusions, by_model, by_field = task_tables(read_run(folder))
    assert confusions.rows == []
    assert by_model.rows == [
        ["base model", 0, None, 0, 0],
        ["vanilla fine-tuning", 50, 100, 80, 200 * 4 / 9],
    ]
    assert by_field.rows == [
        ["arguments.year", 1, 0, 0, None, 0, 0],
        ["arguments.artist", 2, 2, 2, 100, 100, 100],
        ["name", 2, 2, 2, 100, 100, 100],
    ]
    assert "Fields of JSON replies, by model" in shown(folder)
    write_run(read_run(folder), Folder(str(tmp_path / "report")))
    assert "arguments.year" in (tmp_path / "report" / "index.html").read_text()


def test_other_tasks_have_none_of_these_tables(tmp_path):
    folder = written(Folder(str(tmp_path)), items_of("math", ["1", "2"]), {"base": ["1", "1"]})
    assert [table.rows for table in task_tables(read_run(folder))] == [[], [], []]
