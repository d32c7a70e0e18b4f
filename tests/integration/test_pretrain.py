"""How the demo's student is made, without Ray: it loads a model, which unit tests do not."""

from __future__ import annotations

from pathlib import Path

from pada_ray.config import StudentConfig
from pada_ray.demo import STUDENT
from pada_ray.demo.pretrain import pretrain, solved
from pada_ray.student.model import load_model


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path):
    weights = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        pretrain(tmp_path / name, seed, steps=2)
        weights.append(load_model(StudentConfig(model=str(tmp_path / name))).state_dict())
    one, again, other = weights
    assert all((one[key] == again[key]).all() for key in one)
    layer = "model.layers.0.mlp.up_proj.weight"
    assert (one[layer] != other[layer]).any()


def test_the_embedded_student_solves_pretrainings_problems_and_an_unfinished_one_none(tmp_path: Path):
    pretrain(tmp_path / "unfinished", seed=0, steps=2)
    assert solved(Path(STUDENT)) > 0.9
    assert solved(tmp_path / "unfinished") == 0
