"""A run that is killed in every stage ends as one that nothing disturbed, and no reply is paid for twice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conftest import ROOT, Started, pada, read_state, sent_replies, settings

from pada_ray.config.teacher import TeacherSettings
from pada_ray.teacher.access_log import read_access_log
from pada_ray.teacher.process import start_teacher

# Between them one of each kind; clustering is over in a moment.
ALWAYS = ["iteration-0: fine-tuning", "iteration-1: error analysis", "iteration-1: data generation"]
IN_SMOKE = ["base: evaluation", "iteration-1: pattern categorization", "iteration-1: strategy drafting"]
UNCERTAIN = 0.5  # seconds before a kill in which a reply that was sent may not have been taken in
MADE = [
    "iteration-0/training_set.jsonl",
    "iteration-1/analyses.jsonl",
    "iteration-1/patterns.yaml",
    "iteration-1/strategies.yaml",
    "iteration-1/accepted.jsonl",
    "iteration-1/rejected.jsonl",
    "iteration-1/training_set.jsonl",
    "base/predictions.jsonl",
    "iteration-0/predictions.jsonl",
    "iteration-1/predictions.jsonl",
]


def assert_same_outcome(run: Path, undisturbed: Path) -> None:
    for file in MADE:
        assert (run / file).read_bytes() == (undisturbed / file).read_bytes(), file
    assert read_state(run).scores == read_state(undisturbed).scores


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "stages",
    [pytest.param(ALWAYS, id="always"), pytest.param(IN_SMOKE, id="in-smoke", marks=pytest.mark.slow)],
)
def test_killed_in_every_stage(tmp_path, uninterrupted, stages):
    log = tmp_path / "teacher.jsonl"
    run = tmp_path / "runs" / "demo"
    kills = []
    with start_teacher(TeacherSettings(latency_ms=600, access_log=str(log))) as teacher:
        endpoint = settings(llm__teacher__base_url=teacher.url, llm__judge__base_url=teacher.url)
        started = Started("run", str(ROOT / "configs/demo.yaml"), "--no-probe", *endpoint, cwd=tmp_path)
        for stage in stages:
            started.wait_until(lambda s=stage: stage_is(run, s), stage)
            if stage == "iteration-1: data generation":
                before = len(read_access_log(log))
                started.wait_until(lambda n=before: len(read_access_log(log)) >= n + 3, "three replies")
            elif "fine-tuning" in stage:
                started.wait_until(lambda: any(run.glob("checkpoints/*/last.yaml")), "an epoch")
            elif "evaluation" in stage:
                time.sleep(1)
            began = time.time()
            started.kill()
            kills.append((began - UNCERTAIN, time.time()))
            started = Started("resume", str(run), "--no-probe", cwd=tmp_path)
        started.finish()
    assert_same_outcome(run, uninterrupted)

    answers = sent_replies(log)
    repeated = {content: times for content, times in answers.items() if len(times) > 1}
    for times in repeated.values():
        uncertain = any(since <= times[0] <= until for since, until in kills)
        assert uncertain, "a reply that had arrived was asked for again"
    assert len(answers) > 10


def stage_is(run: Path, stage: str) -> bool:
    state = read_state(run)
    return state is not None and state.status == "running" and state.stage == stage


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_lost_processes_come_back(tmp_path, uninterrupted):
    """The orchestrator, an agent, the gateway and a training worker are killed; the run goes on by itself."""
    run = tmp_path / "runs" / "demo"
    slow = settings(offline__latency_ms=700)
    started = Started("run", str(ROOT / "configs/demo.yaml"), *slow, cwd=tmp_path)
    for stage, title in [
        ("iteration-0: fine-tuning", "ray::ResidentStudent"),
        ("iteration-0: evaluation", "ray::Orchestrator"),
        ("iteration-1: error analysis", "ray::PatternAnalysisAgent"),
        ("iteration-1: data generation", "ray::LlmGateway"),
        ("iteration-1: fine-tuning", "ray::Orchestrator"),
    ]:
        started.wait_until(lambda s=stage: stage_is(run, s), stage)
        started.wait_until(lambda t=title: bool(started.below(t)), title)
        for process in started.below(title):
            process.kill()
    started.finish()
    assert_same_outcome(run, uninterrupted)


def test_a_finished_run_is_shown_again_and_not_run_again(uninterrupted):
    before = (uninterrupted / "iteration-1" / "accepted.jsonl").stat().st_mtime_ns
    shown = pada("show", str(uninterrupted), cwd=uninterrupted)
    assert "vanilla fine-tuning" in shown.stdout
    resumed = pada("resume", str(uninterrupted), cwd=uninterrupted)
    assert "vanilla fine-tuning" in resumed.stdout
    assert (uninterrupted / "iteration-1" / "accepted.jsonl").stat().st_mtime_ns == before
    assert "done" in pada("status", str(uninterrupted), cwd=uninterrupted).stdout
