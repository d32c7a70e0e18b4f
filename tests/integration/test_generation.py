"""Data generation and quality control: real actors, real Ray Data, a real endpoint."""

from __future__ import annotations

import asyncio

import pytest
import ray

from actors.cast import Cast
from actors.remote import RemoteAgent
from pada_ray.agents.quotas import fill_quotas, plan_groups
from pada_ray.config import check_config
from pada_ray.config.teacher import TeacherSettings
from pada_ray.records import Sample, Seed, Strategy
from pada_ray.run import run_files
from pada_ray.teacher.process import start_teacher

RAW = {
    "name": "augmentation",
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


def cast_of(run, teacher) -> Cast:
    config = check_config(RAW, "test")
    return Cast(config, run.url, f"{run.url}/replies.sqlite", {"teacher": teacher.url, "judge": teacher.url})


async def _awaited(reference):
    return await reference


def augment(run, quota=24, meanwhile=lambda: None):
    train = run.read_records(run_files.split("train"), Sample)
    errors = [Seed(sample=s, wrong_reply="1 + 1 = 3. Answer: 3") for s in train[:4]]
    name = run.url.rpartition("/")[2]
    computation = RemoteAgent(f"{name}: computation")

    async def run_batches(batches):
        under_way = asyncio.ensure_future(_awaited(computation.augment(batches)))
        await asyncio.sleep(1.5)
        meanwhile()
        return await under_way

    groups = plan_groups([STRATEGY], train, errors, total=quota, error_share=0.5)
    return asyncio.run(
        fill_quotas(groups, run_batches, iteration=1, batch_size=3, candidate_budget=3, known=train, seed=0)
    )


def test_the_exact_count_is_accepted_judged_and_right(run, teacher):
    cast = cast_of(run, teacher)
    result = augment(run)
    assert {g.group: (g.accepted, g.shortfall) for g in result.groups} == {"cluster-0": (12, 0), "errors": (12, 0)}
    assert all(c.ratings and c.ratings.overall >= 7 for c in result.accepted)
    assert all((c.ratings.adherence is None) == (c.group == "errors") for c in result.accepted)
    assert all(c.rejected for c in result.rejected)
    usage = {u.purpose: u.calls for u in ray.get(cast.gateways[0].usage.remote(run.url))}
    assert usage["pattern_generation"] >= 4
    assert usage["quality_control"] >= 8

    calls = sum(usage.values())
    assert augment(run) == result  # every reply is known by now
    assert sum(u.calls for u in ray.get(cast.gateways[0].usage.remote(run.url))) == calls


def test_agents_that_die_come_back(run, teacher):
    cast = cast_of(run, teacher)
    expected = augment(run)
    del cast
    other = type(run)(f"{run.url}-2")
    for split in ("train", "val", "test"):
        other.write_records(run_files.split(split), run.read_records(run_files.split(split), Sample))
    cast = cast_of(other, teacher)

    def kill():
        for actor in [cast.gateways[0], cast._computation, *cast._agents]:
            ray.kill(actor, no_restart=False)

    assert augment(other, meanwhile=kill) == expected
