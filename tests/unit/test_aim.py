"""How far recorded samples aim at failures."""

from pathlib import Path

import pytest
from builders import sample

from benchmarks.real import aim

ROOT = Path(__file__).resolve().parents[2]
ARCHIVES = ROOT / "benchmarks/results/real_table"


def labelled(name, label):
    return sample("label", f"q {name}", label, label, name)


def test_a_label_fails_as_often_as_its_samples_of_val_do():
    val = [labelled(f"a{i}", "a") for i in range(4)] + [labelled("b", "b")]
    assert aim.failure_rates(val, {"a0", "a1", "a2", "of another split"}) == {"a": 0.75, "b": 0}


def test_labels_that_val_does_not_have_count_for_nothing():
    assert aim._mean({"a": 0.5, "b": 0.1}, ["a", "a", "c"]) == 0.5


@pytest.mark.parametrize("method", ["pada", "blind"])
def test_of_a_recorded_run_the_new_samples_are_counted_by_what_val_says(monkeypatch, method):
    monkeypatch.chdir(ROOT)
    found = aim.aim(ARCHIVES / f"dataset-banking77_seed-10_method-{method}.tar.xz")
    assert (found.name, found.samples) == (f"banking77, seed 10, {method}", 150)
    assert 0 < found.train < found.new < found.failures < 1  # failures are of labels that fail more often than most


def test_it_prints_a_row_for_each_run(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["aim", str(ARCHIVES)])
    aim.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| banking77")]
    assert len(rows) == 2
    assert all(row.count("|") == 7 for row in rows)
