import pytest

from benchmarks.growth import Stage, makespan, stages_of
from pada_ray.runs.state import FinishedStage, RunState

STARTUPS = {"fine-tuning": 10.0, "evaluation": 5.0}


def test_a_stage_is_divided_but_for_its_start_up():
    assert Stage(90, True, startup=10, most=8).with_workers(4) == 30
    assert Stage(90, True, startup=10, most=8).with_workers(64) == 20
    assert Stage(90, False).with_workers(64) == 90
    assert Stage(6, True, startup=10, most=8).with_workers(2) == 6


def test_a_run_s_stages_are_those_that_it_did_itself():
    finished = {
        "base: evaluation": FinishedStage(output="a", seconds=30, shared=True),
        "iteration-1: data generation": FinishedStage(output="b", seconds=40),
        "iteration-1: fine-tuning": FinishedStage(output="c", seconds=50),
    }
    generation, training = stages_of(RunState(name="a", finished=finished), 8, STARTUPS)
    assert (generation.on_gpu, generation.with_workers(8)) == (False, 40)
    assert (training.on_gpu, training.startup, training.with_workers(16)) == (True, 10, 15)


def test_runs_share_gpus_and_generate_beside():
    run = [Stage(10, True), Stage(10, False), Stage(10, True)]
    assert makespan([run], 1) == (30, pytest.approx(2 / 3))
    assert makespan([run, run], 1) == (40, 1)  # one trains while the other generates
    assert makespan([run, run], 2) == (30, pytest.approx(2 / 3))
    assert makespan([run] * 3, 64) == (30, pytest.approx(3 * 20 / (30 * 64)))
