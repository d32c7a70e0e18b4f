import contextlib
import math

import pytest
from builders import small_config

from jobs import evaluate as module
from jobs.evaluate import PREDICTIONS, describe, evaluate
from pada_ray.config import dump_config
from pada_ray.errors import ConfigError, DiskFull
from pada_ray.records import Prediction
from pada_ray.runs.state import scores_of
from pada_ray.storage import Folder, disk_full


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(dump_config(small_config()))
    return "mine.yaml"


def test_mistakes_are_told_before_a_model_is_loaded(config, tmp_path):
    with pytest.raises(ConfigError, match=r"--split tests: no such split; use one of train, val, test"):
        evaluate(config, split=["tests"])
    with pytest.raises(ConfigError, match=r"--adapter runs/demo: no adapter here"):
        evaluate(config, adapter="runs/demo")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such config file"):
        evaluate("nowhere.yaml")
    assert not (tmp_path / "runs").exists()


def test_accuracy_is_told_with_what_other_items_might_give():
    predictions = [Prediction(id=str(i), split="val", reply="", failed=i < 3, truncated=i == 0) for i in range(10)]
    # Wilson's interval for 7 of 10, worked out by hand
    z, p, n = 1.959964, 0.7, 10
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (100 * (middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    told = describe(scores_of(predictions)["val"])
    assert told == f"70.0% of 10 right (95%: {low:.1f} to {high:.1f}), 1 replies cut off"


def test_accuracy_is_told_even_where_the_predictions_have_no_room(config, monkeypatch, capsys):
    def write_records(folder, path, records):
        if path == PREDICTIONS:
            raise disk_full(folder.at(path))
        written(folder, path, records)

    written = Folder.write_records
    monkeypatch.setattr(Folder, "write_records", write_records)
    for name in ("check_student", "check_shared_disk", "check_room"):
        monkeypatch.setattr(module, name, lambda *_: None)
    monkeypatch.setattr(module, "connected", lambda *_: contextlib.nullcontext())
    predictions = [Prediction(id=str(i), split="val", reply="", failed=i < 3, truncated=False) for i in range(10)]
    monkeypatch.setattr("pada_ray.student.evaluation.evaluate", lambda job: predictions)
    with pytest.raises(DiskFull):
        evaluate(config, split=["val"])
    assert capsys.readouterr().out.startswith("val: 70.0% of 10 right")
