"""A kept sweep gives the same tables as the sweep."""

from pathlib import Path

import pytest
import yaml
from builders import sample
from report_runs import add_checksums, cell, config_of, write_run, write_sweep

from benchmarks.kept_sweep import config_to_keep, hashed, pack, unpack
from pada_ray.records import Message, Sample
from pada_ray.report.results import read_sweep
from pada_ray.report.write import write_run as write_run_report
from pada_ray.report.write import write_sweep as write_report
from pada_ray.runs import run_files
from pada_ray.storage import Folder


def test_the_kept_runs_give_the_same_tables(tmp_path):
    folder = Folder(str(tmp_path / "sweep"))
    cells = {
        f"{method}-{seed}": {"method": method, "seed": seed} for method in ("pada", "vanilla") for seed in (0, 1, 2)
    }
    write_sweep(folder, cells)
    for i, (name, coordinates) in enumerate(cells.items()):
        accuracies = {"base": 0.1, "iteration-0": 0.5, "iteration-1": 0.4 + 0.1 * i}
        status = "done" if name != "vanilla-2" else "running"
        run = cell(folder, name)
        write_run(run, accuracies=accuracies, status=status, samples=10, seed=coordinates["seed"])
        items = run.read_records(run_files.split("test"), Sample)  # each seed has other items with the same ids
        asked = [Message(role="user", content=f"How many in {coordinates['seed']}?"), items[0].messages[-1]]
        run.write_records(run_files.split("test"), [item.model_copy(update={"messages": asked}) for item in items])
        add_checksums(run)
    archive = str(tmp_path / "kept.tar.xz")
    assert pack(folder.url, archive) == 5
    kept = Folder(str(tmp_path / "kept"))
    assert unpack(archive, kept.url) == 5
    assert unpack(archive, kept.url) == 0
    again = str(tmp_path / "again.tar.xz")  # a continued sweep compares kept runs with new ones
    assert pack(kept.url, again) == 5
    assert Path(again).read_bytes() == Path(archive).read_bytes()

    (tmp_path / "sweep" / "cells" / "vanilla-2" / "state.json").unlink()
    (tmp_path / "sweep" / "cells" / "vanilla-2" / "config.yaml").unlink()
    for place in (folder, kept):
        write_report(read_sweep(place), Folder(place.at("report")))
    for table in ("table1", "comparisons", "iterations", "generalization_gaps", "tokens"):
        file = f"report/tables/{table}.csv"
        assert folder.exists(file) == kept.exists(file)
        if folder.exists(file):
            assert kept.read_text(file) == folder.read_text(file), table
    assert kept.exists("report/tables/table1.csv")
    write_run_report(read_sweep(kept).runs[0], Folder(kept.at("report/cells/pada-0")))  # without the texts
    texts = [f.read_text() for f in (tmp_path / "kept" / "cells").rglob("*") if f.is_file()]
    assert not any("How many" in text or str(tmp_path) in text for text in texts)


def test_a_model_in_the_current_folder_is_kept_as_the_file_of_the_sweep_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"student": {"model": "org/name"}, "pattern_analysis": {"embedding": f"{tmp_path}/models/e"}}
    kept = yaml.safe_load(config_to_keep(config_of(**given, runs=str(tmp_path), shared_stages=str(tmp_path))))
    assert (kept["student"]["model"], kept["pattern_analysis"]["embedding"]) == ("org/name", "models/e")
    assert str(tmp_path) not in str(kept)


@pytest.mark.parametrize(("task", "answer"), [("label", "card_arrival"), ("json", '{"name": "f"}'), ("math", "5")])
def test_a_kept_item_is_one_that_is_read(tmp_path, task, answer):
    folder = Folder(str(tmp_path))
    item = sample(task, "Where is my card?", answer, answer, "test-0")
    folder.write_records(run_files.split("test"), [hashed(item)])
    (kept,) = run_files.read_samples(folder, None)["test"]
    assert kept.question != item.question
    assert hashed(kept) == kept
