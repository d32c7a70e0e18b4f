"""The log of a run's events, as the orchestrator with stub workers writes it."""

import asyncio
import json

import pytest
from builders import RAW, math_run
from stub_workers import StubWorkers

from pada_ray.config import check_config
from pada_ray.errors import BudgetReached, DiskFull, EndpointDown
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.waiting import Waiting
from pada_ray.orchestrator import Orchestrator
from pada_ray.runs.event_log import FILE, EventLog, read_events
from pada_ray.runs.stages import StageKeeper
from pada_ray.runs.state import read_state
from pada_ray.storage import Folder

CONFIG = check_config(RAW | {"iterations": 1}, "test")


@pytest.fixture
def folder(tmp_path):
    return math_run(tmp_path / "run", val=8, test=8)


def run(folder, workers, notice=lambda event: None):
    return asyncio.run(Orchestrator(CONFIG, folder.url, workers.workers(), notice).run())


def told(folder):
    return [(e.event, e.stage) for e in read_events(folder)]


def test_a_whole_run_is_told_from_its_beginning_to_its_end(folder):
    noticed = []
    state = run(folder, StubWorkers(), noticed.append)
    events = read_events(folder)
    assert noticed == events
    assert told(folder)[:4] == [
        ("run began", "start"),
        ("stage began", "base: evaluation"),
        ("stage ended", "base: evaluation"),
        ("model evaluated", "base: evaluation"),
    ]
    assert told(folder)[-1] == ("run ended", "done")
    assert [e.time for e in events] == sorted(e.time for e in events)
    ended = {e.stage: e.figures for e in events if e.event == "stage ended"}
    assert ended == {name: {"seconds": stage.seconds, "shared": stage.shared} for name, stage in state.finished.items()}
    scores = {e.figures["model"]: e.figures for e in events if e.event == "model evaluated"}
    assert scores["base"] == {"model": "base", "val": 0.75, "test": 0.75}
    assert list(scores) == list(state.scores)


def test_a_line_is_one_json_object(folder):
    run(folder, StubWorkers())
    first = json.loads(folder.read_text(FILE).split("\n")[0])
    assert first["time"].endswith("Z")
    assert {key: first[key] for key in ("event", "stage", "figures")} == {
        "event": "run began",
        "stage": "start",
        "figures": {},
    }


def test_a_failed_run_says_why_and_its_resumption_goes_on_in_the_same_log(folder):
    with pytest.raises(RuntimeError, match="killed"):
        run(folder, StubWorkers(die_in="augment"))
    failed = read_events(folder)[-1]
    assert (failed.event, failed.stage) == ("run failed", "iteration-1: data generation")
    assert failed.figures == {"error": "killed"}
    finished = len(read_state(folder).finished)
    run(folder, StubWorkers())
    events = read_events(folder)
    resumed = next(e for e in events if e.event == "run resumed")
    assert resumed.figures == {"finished_stages": finished}
    counts = [sum(e.event == "model evaluated" and e.figures["model"] == m for e in events) for m in ("base",)]
    assert counts == [1]  # what was known when the run came back is not told again


class Poor(StubWorkers):
    """Reaches its budget in error analysis, as told through the layers between."""

    async def error_analysis(self, failures):
        try:
            raise BudgetReached("the budget is reached: 10 of 10 tokens")
        except BudgetReached as e:
            raise ValueError("a layer between") from e


def test_a_run_pauses_where_its_budget_is_reached(folder):
    with pytest.raises(ValueError, match="a layer between"):
        run(folder, Poor())
    state = read_state(folder)
    assert state.status == "paused"
    assert state.error == "the budget is reached: 10 of 10 tokens"
    assert told(folder)[-1] == ("run paused", "iteration-1: error analysis")
    assert run(folder, StubWorkers()).status == "done"


class Down(StubWorkers):
    async def error_analysis(self, failures):
        raise EndpointDown("http://x (m) cannot be reached")


def test_a_run_pauses_where_an_endpoint_is_down(folder):
    with pytest.raises(EndpointDown):
        run(folder, Down())
    assert read_state(folder).status == "paused"
    assert told(folder)[-1] == ("run paused", "iteration-1: error analysis")


class Unwilling(StubWorkers):
    async def write(self, batch):
        return [c.model_copy(update={"rejected": "low score"}) for c in await super().write(batch)]


def test_a_shortfall_is_told_for_each_group(folder):
    run(folder, Unwilling())
    short = [e.figures for e in read_events(folder) if e.event == "shortfall"]
    assert short
    assert all(s["accepted"] == 0 < s["quota"] for s in short)
    assert sum(s["quota"] for s in short) == read_state(folder).counts["iteration-1"]["shortfall"]


def test_it_needs_no_folder_that_can_append():
    folder = Folder("memory://observed/run")
    folder.remove("")
    EventLog(folder).add("run began", "start")
    EventLog(folder).add("run resumed", "start", finished_stages=0)
    assert [e.event for e in read_events(folder)] == ["run began", "run resumed"]


def test_a_run_that_the_user_stops_says_so_and_goes_on(folder):
    class Slow(StubWorkers):
        async def fine_tune(self, job):
            await asyncio.sleep(60)

    async def main():
        orchestrator = Orchestrator(CONFIG, folder.url, Slow().workers())
        work = asyncio.create_task(orchestrator.run())
        while not any(e.stage.endswith("fine-tuning") for e in read_events(folder)):
            await asyncio.sleep(0.01)
        await orchestrator.interrupt()
        told = read_state(folder)
        work.cancel()  # as the actor is killed, only that this one sees it
        return told

    assert asyncio.run(main()).status == "stopped"
    assert "run stopped" in [e.event for e in read_events(folder)]
    assert run(folder, StubWorkers()).status == "done"


class Waits(GatewayLlm):
    def __init__(self, seconds):
        self.seconds = seconds

    async def waiting(self):
        return Waiting(role="teacher", calls=4, seconds=self.seconds, retried=2, reason="timeout")

    async def usage(self):
        return []


def test_a_status_is_given_though_the_log_has_no_room(folder, monkeypatch):
    orchestrator = Orchestrator(CONFIG, folder.url, StubWorkers().workers()._replace(account=Waits(70)))

    def full(*_, **__):
        raise DiskFull("events.jsonl: No space left on device")

    monkeypatch.setattr(StageKeeper, "tell", full)
    *_, waiting = asyncio.run(orchestrator.status())
    assert [w.seconds for w in waiting] == [70]


def test_long_waits_for_an_endpoint_are_put_on_record(folder):
    async def main():
        llm = Waits(30)
        stub = StubWorkers()
        workers = stub.workers()._replace(account=llm)
        orchestrator = Orchestrator(CONFIG, folder.url, workers)
        seen = []
        for llm.seconds in (30, 70, 80, 150):
            *_, waiting = await orchestrator.status()
            seen.append(waiting[0].seconds)
        return seen

    assert asyncio.run(main()) == [30, 70, 80, 150]
    events = [e.figures for e in read_events(folder) if e.event == "calls waiting"]
    assert [figures["seconds"] for figures in events] == [70, 150]
    assert events[0] == {"role": "teacher", "calls": 4, "seconds": 70, "retried": 2, "reason": "timeout"}
