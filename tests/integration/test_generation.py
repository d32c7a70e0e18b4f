"""Data generation and quality control: real agents, real Ray Data, a real endpoint."""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import time
from collections.abc import Iterator

import pytest
import ray
from ray.util.state import list_actors
from screens import Slow

from actors.cast import Cast
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.agents.quotas import AugmentationJob, plan_groups
from pada_ray.agents.screening import Screen
from pada_ray.config import DataGenerationConfig, check_config
from pada_ray.config.teacher import TeacherSettings
from pada_ray.records import Sample, Seed, Strategy
from pada_ray.runs import run_files
from pada_ray.teacher.access_log import read_access_log
from pada_ray.teacher.process import start_teacher

RAW = {
    "name": "generation",
    "data": {"demo": {}},
    "student": {"model": "demo"},
    "data_generation": {"batch_size": 3},
    "llm": {
        "teacher": {"base_url": "offline", "model": "a"},
        "judge": {"base_url": "offline", "model": "b"},
    },
}
STRATEGY = Strategy(
    cluster=0,
    category_name="Comparing what two people have",
    strategy_name="Told from the other side",
    generation_approach="Write stories that compare what two people have, told from either side.",
    key_elements=["a comparison of two amounts"],
)


@pytest.fixture
def teacher():
    with start_teacher(TeacherSettings()) as running:
        yield running


@contextlib.contextmanager
def cast_of(run, teacher, judge=None, **changes) -> Iterator[Cast]:
    config = check_config(RAW | changes, "test")
    addresses = {"teacher": teacher.url, "judge": (judge or teacher).url}
    cast = Cast(config, run.url, f"{run.url}/replies.sqlite", addresses)
    try:
        yield cast
    finally:
        cast.close()


def begin(run, cast, kind=Screen, quota=24, budget=3.0):
    """The augmentation, under way in the run's actor for computation. Half of the quota is written along a strategy,
    half from training errors, three samples a call."""
    samples = run_files.read_samples(run, None)
    train = samples["train"]
    errors = [Seed(sample=s, wrong_reply="1 + 1 = 3. Answer: 3") for s in train[:4]]
    job = AugmentationJob(
        run=run.url,
        iteration=1,
        groups=plan_groups([STRATEGY], train, errors, total=quota, error_share=0.5),
        known=train,
        settings=DataGenerationConfig(batch_size=3, candidate_budget=budget),
        max_regenerations=3,
        seed=0,
    )
    guard = LeakGuard(run_files.held_out(samples), train)
    screen = kind(check_config(RAW, "test").quality_control, train, guard)
    return cast.computation.augment.remote(job, screen)


def test_the_exact_count_is_accepted_judged_and_right_and_a_slow_judge_holds_nothing_back(run, tmp_path):
    asked = {role: str(tmp_path / f"{role}.jsonl") for role in ("teacher", "judge")}
    with (
        start_teacher(TeacherSettings(access_log=asked["teacher"])) as teacher,
        start_teacher(TeacherSettings(access_log=asked["judge"], latency_ms=2000)) as judge,
        cast_of(run, teacher, judge) as cast,
    ):
        result = ray.get(begin(run, cast))
        usage = {u.purpose: u.calls for u in ray.get(cast.gateways[0].usage.remote(run.url))}
        assert ray.get(begin(run, cast)) == result  # every reply is known by now
        again = ray.get(cast.gateways[0].usage.remote(run.url))
    assert {u.purpose: u.calls for u in again} == usage

    assert {g.group: (g.accepted, g.shortfall) for g in result.groups} == {"cluster-0": (12, 0), "errors": (12, 0)}
    assert all(c.ratings and c.ratings.overall >= 7 for c in result.accepted)
    assert all((c.ratings.adherence is None) == (c.group == "errors") for c in result.accepted)
    assert all(c.rejected for c in result.rejected)
    calls = {
        "pattern_generation": sum(math.ceil(asked / 3) for asked in result.groups[0].asked),
        "error_generation": sum(math.ceil(asked / 3) for asked in result.groups[1].asked),
        "quality_control": sum(math.ceil(shown / 10) for group in result.groups for shown in group.reviewed),
    }
    assert usage == calls

    judged = [access.time for access in read_access_log(asked["judge"])]  # when each reply went out
    written = [access.time for access in read_access_log(asked["teacher"])]
    assert sum(time < min(judged) for time in written) >= 24 / 3  # every first draft


def agents() -> dict[str, int]:
    """The processes of the agents in the stages of data generation, by their classes' names."""
    alive = list_actors(
        address=ray.get_runtime_context().gcs_address, filters=[("state", "=", "ALIVE")], detail=True, limit=1000
    )
    shown = {actor.class_name: actor.pid for actor in alive}
    return {name: pid for name, pid in shown.items() if "DataGenerationAgent" in name or "QualityControlAgent" in name}


def test_without_quality_control_no_candidate_is_reviewed(run, teacher):
    with cast_of(run, teacher, quality_control={"enabled": False}) as cast:
        result = ray.get(begin(run, cast, quota=6))
        assert "quality_control" not in {u.purpose for u in ray.get(cast.gateways[0].usage.remote(run.url))}
    assert [(group.accepted, sum(group.reviewed)) for group in result.groups] == [(3, 0), (3, 0)]


def test_agents_that_die_come_back(run, teacher):
    with cast_of(run, teacher) as cast:
        expected = ray.get(begin(run, cast))
    other = type(run)(f"{run.url}-2")
    for split in ("train", "val", "test"):
        other.write_records(run_files.split(split), run.read_records(run_files.split(split), Sample))
    with start_teacher(TeacherSettings(latency_ms=700)) as slow, cast_of(other, slow) as cast:
        under_way = begin(other, cast)
        while len(found := agents()) < 2:
            assert not ray.wait([under_way], timeout=0.2)[0]
        time.sleep(1)  # calls are under way
        for pid in found.values():
            os.kill(pid, signal.SIGKILL)
        time.sleep(1)
        for actor in (cast.gateways[0], cast.computation):
            ray.kill(actor, no_restart=False)
        assert ray.get(under_way) == expected


def test_candidates_are_screened_by_two_workers(run, teacher):
    with cast_of(run, teacher) as cast:
        result = ray.get(begin(run, cast, kind=Slow, quota=12, budget=1))
    workers = {c.feedback for c in result.rejected}
    assert len(workers) == 2  # the screen writes its process there
    stats = run.read_text(run_files.generation_stats(1))
    for stage in ("ReadAttempts", "MapBatches(DataGenerationAgent)", "MapBatches(screened)", "ReadReviews"):
        assert re.search(rf"^Operator \d {re.escape(stage)}: \d+ tasks executed", stats, re.MULTILINE)
