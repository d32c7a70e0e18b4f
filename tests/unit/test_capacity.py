import pytest
from builders import small_config

from jobs.local.capacity import needs_of, refuse_for_lack_of_room
from pada_ray.errors import ConfigError

LAPTOP = [{"Resources": {"CPU": 2.0, "memory": 1e9}}]


def needs(fine_tune=None, evaluation=None, teacher=None):
    """Of a run whose GPUs are numbers, for which no Ray is asked."""
    offline = {"base_url": "offline", "model": "m"}
    of = small_config(
        llm={"teacher": offline | (teacher or {}), "judge": offline},
        fine_tune={"gpus_per_worker": 0} | (fine_tune or {}),
        evaluation={"gpus_per_worker": 0} | (evaluation or {}),
    )
    return needs_of(of)


def refused(nodes=LAPTOP, **sections):
    with pytest.raises(ConfigError) as told:
        refuse_for_lack_of_room(needs(**sections), nodes)
    return str(told.value)


def test_what_is_never_there_is_refused():
    assert refused(fine_tune={"gpus_per_worker": 1}) == (
        "fine_tune: 1 x (1 CPU, 1 GPU) needed, but the cluster has 1 x (2 CPU, 0 GPU); ask for less, or add nodes first"
    )
    assert "fine_tune: 4 x (1 CPU, 0 GPU) needed" in refused(fine_tune={"workers": 4})
    assert "evaluation: 1 x (1 CPU, 1 GPU)" in refused(evaluation={"gpus_per_worker": 1})
    served = {"base_url": "vllm", "vllm": {"cpus_per_engine": 4, "gpus_per_engine": 0}}
    assert "llm.teacher.vllm: 1 x (4 CPU, 0 GPU)" in refused(teacher=served)


def test_a_worker_is_not_split_among_nodes():
    nodes = [*LAPTOP, *LAPTOP, {"Resources": {"GPU": 1.0}}]
    told = refused(nodes, fine_tune={"cpus_per_worker": 4})
    assert "the cluster has 2 x (2 CPU, 0 GPU), 1 x (0 CPU, 1 GPU);" in told
    assert "fine_tune" in refused(nodes, fine_tune={"gpus_per_worker": 1})


def test_the_fewest_are_enough():
    refuse_for_lack_of_room(needs(fine_tune={"workers": [2, 8]}, evaluation={"workers": 4}), LAPTOP)
