"""Where torch multiplies in bfloat16, adapters take their inputs in it, and learn the same."""

from types import SimpleNamespace

import pytest
import torch
from test_attention import peft_model

from pada_ray.student.fine_tune_worker import _in_one_dtype


def step(arguments):
    """The dtypes of what the adapters take in, and the gradient of a step."""
    model, taken = peft_model(), set()
    for name, module in model.named_modules():
        if name.endswith("lora_A.default"):
            module.register_forward_pre_hook(lambda _, inputs: taken.add(inputs[0].dtype))
        if name.endswith("lora_B.default"):
            torch.nn.init.normal_(module.weight)  # by zeros lora_A would learn nothing
    ids = torch.arange(24).reshape(2, 12) % 16
    with _in_one_dtype(model, arguments), torch.autocast("cpu", torch.bfloat16):
        model(input_ids=ids, labels=ids).loss.backward()
    return taken, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_inputs_are_not_turned_into_float32_and_back():
    taken, gradient = step(SimpleNamespace(bf16=True, deepspeed=None))
    by_peft, as_by_peft = step(SimpleNamespace(bf16=False, deepspeed=None))
    assert (taken, by_peft) == ({torch.bfloat16}, {torch.float32})
    assert gradient.norm() > 0
    assert torch.nn.functional.cosine_similarity(gradient, as_by_peft, dim=0) > 0.999


@pytest.mark.parametrize("deepspeed", ["ds.json", {"zero_optimization": {}}])
def test_deepspeed_which_does_without_autocast_is_left_alone(deepspeed):
    model = peft_model()
    with _in_one_dtype(model, SimpleNamespace(bf16=True, deepspeed=deepspeed)):
        assert all(getattr(m, "cast_input_dtype_enabled", True) for m in model.modules())
