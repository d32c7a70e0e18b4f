"""What a sweep's tables say only of methods that were compared on equal terms."""

import csv

import pytest
from report_runs import cell, write_run, write_sweep

from pada_ray.report.results import read_sweep
from pada_ray.report.write import write_sweep as write_report
from pada_ray.state import FILE, RunState
from pada_ray.storage import Folder

AHEAD = {"base": 0.1, "iteration-0": 0.4, "iteration-1": 0.9}
BEHIND = {"base": 0.1, "iteration-0": 0.4, "iteration-1": 0.5}


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path))


def add(folder, cells, method, dataset="hellaswag", accuracies=None, regime=None):
    name = f"method-{method}_dataset-{dataset}"
    cells[name] = {"method": method, "dataset": dataset, "seed": 0}
    data = {"benchmark": dataset, "folder": "x", "regime": regime}
    write_run(cell(folder, name), accuracies=accuracies, data=data, items={"test": 100})


def tables(folder, cells, name):
    write_sweep(folder, cells)
    write_report(read_sweep(folder), Folder(folder.at("report")), "pada")
    with open(folder.at(f"report/tables/{name}.csv"), newline="") as file:
        return list(csv.DictReader(file)), folder.read_text(f"report/tables/{name}.md")


def test_a_method_that_has_not_begun_is_not_beaten(folder):
    cells = {}
    add(folder, cells, "pada", accuracies=AHEAD)
    add(folder, cells, "auggpt", accuracies=BEHIND)
    _, alone = tables(folder, cells, "results")
    assert "**90.0**" in alone
    cells["method-llm2llm"] = {"method": "llm2llm", "dataset": "hellaswag", "seed": 0}
    _, with_another = tables(folder, cells, "results")
    assert "**90.0**" not in with_another and "90.0" in with_another


def test_what_the_final_models_were_trained_on_shows_where_sizes_do_not_match(folder):
    cells = {}
    for method, samples in (("pada", 12), ("auggpt", 11)):
        add(folder, cells, method, accuracies=AHEAD)
        run = cell(folder, f"method-{method}_dataset-hellaswag")
        state = RunState.model_validate_json(run.read_text(FILE))
        state.counts["iteration-1"]["training_samples"] = samples
        run.write_text(FILE, state.model_dump_json())
    rows, _ = tables(folder, cells, "results")
    assert {row["method"]: row["training samples"] for row in rows} == {"pada": "12", "auggpt": "11"}


def test_humaneval_counts_among_the_smallest_regime_as_in_the_paper(folder):
    cells = {}
    for dataset, regime in (("humaneval", None), ("gsm8k", 300), ("squad", 1000)):
        for method, accuracies in (("pada", AHEAD), ("auggpt", BEHIND)):
            add(folder, cells, method, dataset, accuracies, regime)
    rows, _ = tables(folder, cells, "gains")
    assert [(row["training samples"], row["settings"]) for row in rows] == [("300", "2"), ("1000", "1")]
