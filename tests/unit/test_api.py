"""A run from Python: the three names, and what `load_run` reads from a folder."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from report_runs import config_of, write_run

from pada_ray import Config, load_run
from pada_ray.errors import ConfigError
from pada_ray.records import Pattern, Strategy
from pada_ray.report.figures import PLOTLY
from pada_ray.runs import run_files
from pada_ray.storage import Folder

ROOT = Path(__file__).resolve().parents[2]


def python(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "a"
    write_run(Folder(str(path)), samples=20, left=True, iterations=1)
    return path


@pytest.fixture(scope="module")
def results(folder):
    return load_run(folder)


def test_importing_the_package_waits_for_nothing():
    loaded = "import sys, pada_ray; print({'pydantic', 'yaml', 'numpy', 'pandas', 'ray', 'jobs'} & sys.modules.keys())"
    assert python(loaded) == "set()"


@pytest.mark.parametrize("before", ["", "import pada_ray.runs.state, jobs.run; ", "import pada_ray.orchestrator; "])
def test_the_three_names_whatever_was_imported_before(before):
    said = python(f"{before}from pada_ray import Config, run, load_run; print(Config.__name__, run.__module__)")
    assert said == "Config jobs.api"


def test_reading_results_loads_no_model_library():
    heavy = "{'torch', 'transformers', 'sklearn'}"
    assert python(f"import sys; from pada_ray import load_run; print({heavy} & sys.modules.keys())") == "set()"


def test_a_name_that_it_does_not_have():
    with pytest.raises(ImportError, match="runn"):
        from pada_ray import runn  # noqa: F401


def test_a_config_comes_in_three_forms(tmp_path):
    from jobs.api import read

    keys = {"name": "a", "data": {"demo": {}}}
    file = tmp_path / "a.yaml"
    file.write_text(json.dumps(keys))
    assert read(keys) == read(file) == read(str(file)) == read(Config(**keys)) == Config(**keys)


@pytest.mark.parametrize(
    "given, told",
    [
        ({"data": {"demo": {}}, "metod": "pada"}, "config: metod: unknown key"),
        ({"data": {"demo": {}}, "method": "padda"}, "config: method: 'padda' is unknown"),
        ("no.yaml", "no.yaml: no such config file"),
    ],
)
def test_a_wrong_config_is_one_line(given, told):
    from jobs.api import read

    with pytest.raises(ConfigError, match=told):
        read(given)


def test_scores(results):
    assert results.best == "iteration-1"
    assert results.status == "done"
    scores = results.scores.set_index(["model", "split"])
    assert scores.accuracy["base", "val"] == pytest.approx(10)
    assert scores.accuracy["iteration-1", "test"] == pytest.approx(75)
    assert scores.low["iteration-1", "test"] < 75 < scores.high["iteration-1", "test"]
    assert ("base", "train") not in scores.index  # the base model is not evaluated there
    assert "75.0% on val" in repr(results)


def test_iterations_hold_the_records(results):
    first, left = results.iterations
    assert (first.number, first.model) == (1, "iteration-1")
    assert all(isinstance(p, Pattern) for p in first.patterns)
    assert all(isinstance(s, Strategy) for s in first.strategies)
    assert len(first.accepted) + len(first.rejected) == len(results.samples)
    assert (left.patterns != [], left.strategies, left.accepted) == (True, [], [])  # of the last model's failures


def test_samples_say_what_the_judge_thought_and_where_they_come_from(results):
    samples = results.samples.set_index("id")
    refused, accepted = samples.loc["draft-2-0"], samples.loc["draft-2-1"]
    assert (refused.rejected, refused.overall) == ("low score", 5)
    assert (pd.isna(accepted.rejected), accepted.attempt, accepted.utility) == (True, 1, 9)
    assert accepted.question.startswith("Synthetic question 2")
    assert (accepted.seed_id, accepted.group, accepted.pattern) == ("train-2", "cluster-0", "Category 0 ")


def test_a_failure_leads_to_the_samples_that_were_written_against_it(results):
    found = results.provenance[results.provenance.iteration == 1].set_index("val_id")
    one = found.loc["val-10"]
    assert one.fixed  # items 10 to 14 are right after the iteration, the others are not
    assert not found.loc["val-19"].fixed
    written = results.samples[(results.samples.group == one.group) & results.samples.rejected.isna()]
    assert len(written) == one.accepted
    assert set(written.strategy) == {one.strategy}


def test_predictions_have_their_questions(results):
    first = results.predictions.iloc[0]
    assert (first.model, first.id, first.question) == ("base", "val-0", "How many is 0 and 3? (val)")
    assert len(results.predictions) == 3 * 40 + 2 * 8


def test_tables_and_figures_are_the_reports(results):
    assert list(results.tables["accuracy"].model) == ["base model", "vanilla fine-tuning", "pada iteration 1"]
    assert {"accuracy"} <= results.figures.keys()
    shown = results.figures["accuracy"]._repr_mimebundle_()
    assert shown[PLOTLY]["data"]
    assert "Plotly.newPlot" in shown["text/html"]
    assert "<script" not in shown["text/html"]  # the page is in the frame's attribute, and its texts cannot leave it


def test_a_run_that_has_not_begun_has_empty_tables(tmp_path):
    Folder(str(tmp_path)).write_yaml(run_files.CONFIG, config_of().model_dump(mode="json"))
    results = load_run(tmp_path)
    assert (results.status, results.best, results.iterations) == ("prepared", None, [])
    for table in ("scores", "patterns", "strategies", "samples", "provenance", "predictions", "usage"):
        assert getattr(results, table).empty
        assert len(getattr(results, table).columns) > 4
    assert (results.tables, results.figures) == ({}, {})


def test_a_run_of_0_1_is_read(tmp_path):
    folder = Folder(str(tmp_path))
    write_run(folder, samples=3)
    config = folder.read_yaml(run_files.CONFIG)
    config["data"]["demo"] = {"absent": True}
    folder.write_yaml(run_files.CONFIG, config)
    for file in (run_files.accepted(1), run_files.rejected(1)):
        rows = [json.loads(line) for line in folder.read_text(file).splitlines()]
        old = [{"scores" if k == "ratings" else k: v for k, v in row.items() if k != "draft"} for row in rows]
        folder.write_text(file, "".join(json.dumps(row) + "\n" for row in old))
    results = load_run(tmp_path)
    assert results.config.data.demo.gap == "absent"
    assert len(results.samples) == 4
    assert results.samples.overall.notna().all()


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(ConfigError, match="no run"):
        load_run(tmp_path)
