from pathlib import Path

import yaml
from ray.autoscaler._private.util import fillout_defaults, validate_config

FILE = Path(__file__).resolve().parents[2] / "cluster.yaml"


def test_rays_own_validator_takes_it():
    validate_config(fillout_defaults(yaml.safe_load(FILE.read_text())))


def test_workers_come_from_zero_and_carry_the_gpu():
    types = yaml.safe_load(FILE.read_text())["available_node_types"]
    assert types["a10g"]["min_workers"] == 0
    assert types["a10g"]["resources"]["GPU"] == 1
    assert types["head"]["resources"]["CPU"] == 0
