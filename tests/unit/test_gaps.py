import pytest

from pada_ray.findings.gaps import gaps
from pada_ray.runs.state import RunState, Score


def scores(**accuracies):
    return {split: Score(samples=100, failures=100 - percent, truncated=0) for split, percent in accuracies.items()}


def test_the_gaps_of_every_model_in_order():
    known = {"base": scores(val=10, test=12), "iteration-0": scores(train=90, val=60, test=55)}
    base, vanilla = gaps(RunState(name="a", scores=known))
    assert (base.model, base.train, base.train_minus_val) == ("base", None, None)
    assert base.val_minus_test == pytest.approx(-0.02)
    assert (vanilla.model, vanilla.train, vanilla.val, vanilla.test) == pytest.approx(("iteration-0", 0.9, 0.6, 0.55))
    assert (vanilla.train_minus_val, vanilla.val_minus_test) == pytest.approx((0.3, 0.05))


def test_a_run_without_test_split():
    (gap,) = gaps(RunState(name="a", scores={"iteration-0": scores(train=90, val=60)}))
    assert (gap.test, gap.val_minus_test) == (None, None)
    assert gap.train_minus_val == pytest.approx(0.3)


def test_the_gap_to_the_part_of_val_that_is_held_apart():
    (gap,) = gaps(RunState(name="a", scores={"iteration-1": scores(train=90, val=70, val_apart=62, test=60)}))
    assert gap.val_minus_apart == pytest.approx(0.08)
    assert gap.val_minus_test == pytest.approx(0.1)
