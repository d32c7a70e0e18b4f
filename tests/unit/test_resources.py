import pytest

from pada_ray.errors import ConfigError
from pada_ray.resources import may_have_gpus, room_for

HEAD = {"Resources": {"CPU": 0.0}, "Labels": {"ray.io/node-id": "a"}}
OF_A_GROUP = {"Resources": {"CPU": 0.0}, "Labels": {"ray.io/node-group": "headgroup"}}
WITH_GPU = {"Resources": {"CPU": 4.0, "GPU": 1.0}, "Labels": {}}


def autoscaler(**worker):
    head = {"resources": {"CPU": 0}, "max_workers": 0}
    return {"available_node_types": {"head": head, "worker": {"resources": {"CPU": 4}, "max_workers": 2} | worker}}


@pytest.mark.parametrize(
    ("nodes", "config", "expected"),
    [
        ([HEAD], None, False),
        ([HEAD, WITH_GPU], None, True),
        ([OF_A_GROUP, WITH_GPU], None, True),
        ([HEAD], autoscaler(), False),
        ([HEAD], autoscaler(resources={"CPU": 4, "GPU": 1}), True),
        ([OF_A_GROUP], autoscaler(resources={"CPU": 4, "GPU": 1}), True),
        ([OF_A_GROUP], autoscaler(), False),
        ([HEAD], autoscaler(resources={"CPU": 4, "GPU": 1}, max_workers=0), False),
        ([HEAD], {}, False),
    ],
)
def test_gpus_that_are_there_or_may_come(nodes, config, expected):
    assert may_have_gpus(nodes, config) is expected


def test_where_it_cannot_be_seen_nothing_is_guessed():
    with pytest.raises(ConfigError, match=r"set fine_tune.gpus_per_worker and evaluation.gpus_per_worker to 1"):
        may_have_gpus([HEAD, OF_A_GROUP], None)


@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"),
    [(1, 0, 6), (1, 1, 1), (0, 1, 1), (4, 0, 1), (5, 0, 0), (1, 2, 0), (0.5, 0.5, 2), (0.1, 0, 60)],
)
def test_room_for_workers(cpus, gpus, expected):
    assert room_for([HEAD, WITH_GPU, {"Resources": {"CPU": 2.0}}], cpus, gpus) == expected


def test_tenths_add_up():
    assert room_for([{"Resources": {"CPU": 0.3}}], 0.1, 0) == 3
