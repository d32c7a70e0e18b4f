"""Dropout on a CPU is torch's in all but the way it draws."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from pada_ray.config import StudentConfig
from pada_ray.student.dropout import Dropout, with_fast_dropout
from pada_ray.student.model import load_model


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_each_element_is_dropped_with_its_probability_by_itself(p, dtype):
    torch.manual_seed(0)
    size = 1_000_003  # no multiple of the elements in a random word
    ours = Dropout(p)(torch.ones(size, dtype=dtype))
    dropped = ours == 0
    assert dropped.double().mean() == pytest.approx(p, abs=4 * (p * (1 - p) / size) ** 0.5)
    assert torch.equal(ours[~dropped].unique(), torch.nn.Dropout(p)(torch.ones(1000, dtype=dtype)).unique()[1:])
    for apart in (1, 2, 3, 4):  # neighbours are of one random word
        both = (dropped[:-apart] & dropped[apart:]).double().mean()
        assert both == pytest.approx(p * p, abs=5 * (p * p / size) ** 0.5)


def test_the_gradient_passes_where_the_element_did():
    x = torch.ones(5, 7, 11, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_the_seed_decides_and_evaluation_drops_nothing():
    layer, x = Dropout(0.3), torch.ones(1000)
    first, second = (torch.manual_seed(1) and layer(x) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, layer(x))
    assert layer.eval()(x) is x
    assert Dropout(0)(x) is x


def test_every_adapter_of_a_model_drops_out_by_it():
    lora = LoraConfig(task_type="CAUSAL_LM", r=4, lora_dropout=0.05, target_modules="all-linear")
    model = get_peft_model(load_model(StudentConfig(model="demo", dtype="float32")), lora)
    torch_s = [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    with_fast_dropout(model)
    ours = [m for m in model.modules() if isinstance(m, Dropout)]
    assert len(ours) == len(torch_s) > 0
    assert all(m.p == 0.05 for m in ours)
