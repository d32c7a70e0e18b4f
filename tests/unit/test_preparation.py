import pytest

from jobs.preparation import change_config, prepare, read_config
from pada_ray.config import check_config
from pada_ray.errors import ConfigError


@pytest.fixture
def run(tmp_path):
    endpoint = {"base_url": "offline", "model": "a"}
    raw = {
        "runs": str(tmp_path),
        "data": {"demo": {}, "regime": 20, "eval_samples": 5},
        "llm": {"teacher": endpoint, "judge": endpoint},
    }
    return prepare(check_config(raw, "test"))


def test_limits_may_change_on_resume(run):
    change_config(run, ["budget.tokens=5000", "llm.teacher.max_in_flight=2"])
    assert read_config(run).budget.tokens == 5000
    assert read_config(run).llm.teacher.max_in_flight == 2


@pytest.mark.parametrize("override", ["seed=1", "data.regime=30", "iterations=5"])
def test_the_experiment_may_not_change_on_resume(run, override):
    before = read_config(run)
    with pytest.raises(ConfigError, match="a run goes on with its own settings; only llm and budget may change"):
        change_config(run, [override])
    assert read_config(run) == before


def test_a_wrong_limit_is_named_and_nothing_is_changed(run):
    before = read_config(run)
    with pytest.raises(ConfigError, match=r"budget\.tokens: "):
        change_config(run, ["budget.tokens=many"])
    assert read_config(run) == before
