import math

import pytest
from builders import small_config

from jobs.evaluate import describe, evaluate
from pada_ray.config import dump_config
from pada_ray.errors import ConfigError
from pada_ray.records import Prediction
from pada_ray.runs.state import scores_of


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
