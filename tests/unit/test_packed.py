"""Packed layers multiply as torch's linear layers do, and only where that is asked for."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from pada_ray.config import StudentConfig
from pada_ray.student.model import load_model
from pada_ray.student.packed import PackedLinear, can_pack, with_packed_weights

pytestmark = pytest.mark.skipif(not can_pack(), reason="oneDNN does not multiply in bfloat16 on this processor")


def layer(bias=True):
    torch.manual_seed(0)
    return torch.nn.Linear(96, 160, bias=bias, dtype=torch.bfloat16).requires_grad_(False)


def near(left, right):
    """Equal but for the rounding of bfloat16: sums of products may be taken in another order."""
    return torch.allclose(left.float(), right.float(), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(96,), (1, 96), (7, 96), (3, 5, 96), (2, 0, 96)], ids=str)
def test_products_and_gradients_are_torchs(shape, bias):
    plain, x = layer(bias), torch.randn(shape, dtype=torch.bfloat16)
    found = []
    for multiply in (plain, PackedLinear(plain)):
        given = x.clone().requires_grad_()
        y = multiply(given)
        (y.float() ** 2).sum().backward()
        found.append((y, given.grad))
    (y, gradient), (packed_y, packed_gradient) = found
    assert y.shape == packed_y.shape == (*shape[:-1], 160)
    assert near(y, packed_y)
    assert near(gradient, packed_gradient)


def test_rows_that_lie_apart_are_multiplied_too():
    plain, x = layer(), torch.randn(4, 9, 96, dtype=torch.bfloat16)
    packed = PackedLinear(plain)
    for view in (x[:, -1:], x.transpose(0, 1), x[::2]):
        assert not view.is_contiguous()
        assert near(plain(view.contiguous()), packed(view))


def test_an_input_of_another_type_is_rounded_first():
    plain, x = layer(), torch.randn(3, 96)
    y = PackedLinear(plain)(x)
    assert y.dtype == torch.bfloat16
    assert near(plain(x.bfloat16()), y)


def packed_layers(model):
    return [name for name, module in model.named_modules() if isinstance(module, PackedLinear)]


def test_what_is_trained_is_not_packed():
    model = load_model(StudentConfig(model="demo", dtype="bfloat16"))
    assert packed_layers(with_packed_weights(model)) == []
    adapted = with_packed_weights(get_peft_model(model, LoraConfig(target_modules="all-linear", r=2)))
    names = packed_layers(adapted)
    assert any(name.endswith("q_proj.base_layer") for name in names)
    assert not any("lora_" in name for name in names)


def test_in_float32_nothing_is_packed():
    model = load_model(StudentConfig(model="demo", dtype="float32")).requires_grad_(False)
    assert packed_layers(with_packed_weights(model)) == []


def test_a_packed_model_says_the_same_and_keeps_its_weights():
    model = load_model(StudentConfig(model="demo", dtype="bfloat16")).eval().requires_grad_(False)
    ids = torch.arange(8, 40)[None]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    before = model(input_ids=ids).logits
    after = with_packed_weights(model)(input_ids=ids).logits
    assert packed_layers(model)
    assert near(before, after)
    assert {name: torch.equal(value, weights[name]) for name, value in model.state_dict().items()} == dict.fromkeys(
        weights, True
    )
