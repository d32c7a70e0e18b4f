"""What the terminal says of a sweep's runs, and how the sweep ends."""

import io
import re
import time

import pytest
import yaml
from builders import math_run
from rich.console import Console

from jobs import sweep
from jobs.local import runner
from jobs.local.progress import Progress, describe
from jobs.local.runner import NotBegun, RunFailed, stop
from pada_ray.config import check_config
from pada_ray.errors import BudgetReached, EndpointDown, EndpointError, PadaError, StorageError
from pada_ray.llm.chat import Usage
from pada_ray.llm.waiting import Waiting
from pada_ray.runs.state import FinishedStage, RunState
from pada_ray.runs.time_left import Left
from pada_ray.storage import disk_full
from pada_ray.student.progress import StageProgress, StageTeller

RAW = {
    "data": {"demo": {}},
    "student": {"model": "demo"},
    "pattern_analysis": {"embedding": "tfidf"},
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
        monkeypatch.setattr(sweep, "drive_all", lambda runs, *_, **__: dict(zip(runs, problems, strict=False)))
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


def test_a_sweep_on_a_full_disk_says_how_many_runs_were_not_begun(told):
    full = disk_full("runs/a")
    said = str(told(PAUSED, full, NotBegun("runs/b: not begun"), NotBegun("runs/c: not begun")))
    assert said.startswith(
        f"1 of 5 runs failed, 1 are paused, 2 were not begun, the others are done; the first: {full}; the same command"
    )


@pytest.fixture
def laid_out(tmp_path):
    """The folder of a run that has its samples."""
    return math_run(tmp_path / "one", 20, 20, 20).url


def test_calls_that_wait_are_told_on_a_terminal_at_once_and_elsewhere_when_it_is_long(laid_out):
    config = check_config(RAW | {"name": "one"}, "test")
    state = RunState(name="one", stage="iteration-1: error analysis")

    def shown(*seconds, terminal):
        out = io.StringIO()
        with Progress(Console(file=out, width=200, force_terminal=terminal), {laid_out: config}) as progress:
            for waited in seconds:
                progress.show(
                    laid_out,
                    state,
                    0.0,
                    waiting=[Waiting(role="teacher", calls=4, seconds=waited, retried=2, reason="timeout")],
                )
        return out.getvalue()

    told = "teacher: 4 calls waiting {} s, 2 retried (timeout)"
    assert told.format(25) in shown(25, 26, terminal=True)
    elsewhere = shown(25, 59, 61, 80, 100, 130, terminal=False)
    assert [s for s in (25, 59, 61, 80, 100, 130) if told.format(s) in elsewhere] == [61, 130]


def test_an_endpoint_that_is_down_pauses_a_run():
    out = io.StringIO()
    runs = {name: check_config(RAW | {"name": name}, "test") for name in ("one", "other")}
    Progress(Console(file=out, width=200), runs).ended("one", EndpointDown("http://x (m) cannot be reached"))
    assert "one: paused: http://x (m) cannot be reached | 1 of 2 runs ended, 1 paused" in out.getvalue()


@pytest.mark.parametrize(("calls", "told"), [(0, ""), (1, "1 call is under way"), (9, "9 calls are under way")])
def test_what_is_waited_for_is_told(calls, told):
    out = io.StringIO()
    progress = Progress(Console(file=out, width=200), {"one": check_config(RAW, "test")})
    before = out.getvalue()
    progress.stopping(calls)
    assert told in out.getvalue()
    assert (out.getvalue() == before) == (not calls)


def test_runs_that_are_stopped_are_told_so_and_their_calls_waited_for():
    did = []

    class Cast:
        def __init__(self, name):
            self.name = name

        def interrupt(self):
            did.append(f"{self.name} interrupted")

        def under_way(self):
            return 2

        def close(self):
            did.append(f"{self.name} closed")

    out = io.StringIO()
    progress = Progress(Console(file=out, width=200), {"one": check_config(RAW, "test")})
    stop([Cast("one"), Cast("other")], progress)
    assert did == ["one interrupted", "other interrupted", "one closed", "other closed"]
    assert "4 calls are under way" in out.getvalue()


def test_whatever_ends_a_run_names_it_in_the_command_to_go_on_with(monkeypatch):
    monkeypatch.setattr(runner, "log_folder", lambda: "/logs")
    for e in (StorageError("s3://x: refused"), EndpointDown("down; continue with `pada resume runs/a`"), OSError("x")):
        told = runner._explained(e, "runs/a")
        assert str(told).count("continue with `pada resume runs/a`") == 1
        assert isinstance(told, type(e) if isinstance(e, PadaError) else RunFailed)


STAGE = "iteration-1: fine-tuning"


def test_the_line_tells_stage_steps_loss_samples_calls_money_and_time_left():
    usage = {"role": "teacher", "purpose": "error_analysis", "prompt_tokens": 900, "completion_tokens": 100}
    state = RunState(
        name="one",
        stage=STAGE,
        iteration=1,
        counts={"iteration-1": {"training_samples": 1500}},
        usage=[Usage(calls=10, usd=1.25, **usage), Usage(calls=3, usd=9.0, shared=True, **usage)],
    )
    told = StageProgress(stage=STAGE, done=12, total=40, unit="steps", loss=0.5)
    assert describe(state, Left(30, 90), told) == (
        "iteration-1: fine-tuning | 12 of 40 steps | loss 0.500 | 1,500 training samples | 13 calls, 2,000 tokens | "
        "USD 1.25 | about 1:30 left"
    )
    assert describe(RunState(name="one", stage=STAGE), Left(30, None)) == f"{STAGE} | about 0:30 left in this stage"
    assert describe(RunState(name="one", stage=STAGE), Left(None, None)) == STAGE


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_of_any_width_the_live_line_is_whole_and_moves_on(laid_out, width):
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True)
    state = RunState(name="one", stage=STAGE, finished={"base: evaluation": FinishedStage(output="x", seconds=9)})
    with Progress(console, {laid_out: check_config(RAW, "test")}) as progress:
        for done in (10, 30):
            told = StageProgress(stage=STAGE, done=done, total=40, unit="steps", per_second=0.1, loss=2.0)
            progress.show(laid_out, state, time.time(), told)
            time.sleep(0.4)
    shown = " ".join(re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", out.getvalue()).split())
    for text in ("10/40 steps", "30/40 steps", "loss 2.000", "about 5:00 left", "about 1:40 left"):
        assert text in shown
    assert "…" not in shown


def test_a_stage_tells_its_pace_without_the_time_before_its_first_step():
    sent = []
    teller = StageTeller(STAGE, "steps", sent.append)
    time.sleep(0.2)  # the model is loaded
    teller.tell(0, 10)
    teller.tell(1, 10, 3.0)  # too soon after the first message
    time.sleep(0.1)
    teller.tell(10, 10, 2.0)
    assert [(told.done, told.loss) for told in sent] == [(0, None), (10, 2.0)]
    assert sent[0].per_second is None
    assert 50 < sent[1].per_second <= 100


def test_the_time_left_of_a_sweep_counts_what_its_runs_have_done_so_far(laid_out):
    vanilla = check_config(RAW | {"method": "vanilla"}, "test")
    out = io.StringIO()
    progress = Progress(Console(file=out, width=200), {"other": vanilla, laid_out: vanilla})
    progress._began -= 90
    finished = {"base: evaluation": FinishedStage(output="x", seconds=9)}
    finished["iteration-0: fine-tuning"] = FinishedStage(output="x", seconds=9)
    progress.show(laid_out, RunState(name="b", stage="iteration-0: evaluation", finished=finished), time.time())
    progress.ended("other", None)
    assert "1 of 2 runs ended, about 0:18 left" in out.getvalue()  # of 2 runs, 1 and two thirds are done
