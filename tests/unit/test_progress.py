"""What the terminal says of a sweep's runs, and how the sweep ends."""

import io

import pytest
import yaml
from rich.console import Console

from jobs import sweep
from jobs.local.progress import Progress
from jobs.local.runner import RunFailed
from pada_ray.config import check_config
from pada_ray.errors import BudgetReached, EndpointError, PadaError

RAW = {
    "data": {"demo": {}},
    "llm": {"teacher": {"base_url": "offline", "model": "a"}, "judge": {"base_url": "offline", "model": "b"}},
}
PAUSED = BudgetReached("the budget is reached: 10 of 10 tokens")
FAILED = EndpointError("http://x (m) is down")


def test_a_paused_run_is_no_failed_one():
    out = io.StringIO()
    runs = {name: check_config(RAW | {"name": name}, "test") for name in ("one", "other", "third")}
    progress = Progress(Console(file=out, width=200), runs)
    progress.ended("one", PAUSED)
    progress.ended("other", FAILED)
    progress.ended("third", None)
    lines = [line.partition("  ")[2] for line in out.getvalue().splitlines()]
    assert lines[0].startswith("one: paused: the budget is reached: 10 of 10 tokens | 1 of 3 runs ended, 1 paused")
    assert lines[1].startswith("other: failed: http://x (m) is down | 2 of 3 runs ended, 1 failed, 1 paused")
    assert lines[2].startswith("third: done | 3 of 3 runs ended, 1 failed, 1 paused")


@pytest.fixture
def told(monkeypatch, tmp_path):
    """What a sweep of five runs raises, some of which end with `problems`."""

    def of(*problems: PadaError) -> PadaError:
        grid = {"seed": [1, 2, 3, 4, 5]}
        file = tmp_path / "sweep.yaml"
        file.write_text(yaml.safe_dump(RAW | {"name": "table", "runs": str(tmp_path), "grid": grid}))
        monkeypatch.setattr(sweep, "drive_all", lambda runs, *_: dict(zip(runs, problems, strict=False)))
        with pytest.raises(PadaError) as raised:
            sweep.sweep(str(file))
        return raised.value

    return of


def test_a_sweep_with_only_paused_runs_is_paused(told):
    ended = told(PAUSED, PAUSED)
    assert isinstance(ended, BudgetReached)
    assert ended.exit_code == BudgetReached.exit_code == 3
    assert "2 of 5 runs are paused, the others are done" in str(ended)


def test_a_sweep_with_a_failed_run_has_failed(told):
    ended = told(PAUSED, FAILED)
    assert isinstance(ended, RunFailed)
    assert "1 of 5 runs failed, 1 are paused, the others are done; the first: http://x (m) is down" in str(ended)
