"""Short samples are attended to by plain products where torch's fused attention is slow."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig

from pada_ray.student.attention import SHORT, ShortAttention


def peft_model(dtype=torch.bfloat16, attention="sdpa"):
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=16, **small)
    base = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    return get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))


def used(model):
    return model.get_base_model().config._attn_implementation


def test_only_short_samples_are_attended_to_by_plain_products():
    model = peft_model()
    attention = ShortAttention(model)
    for tokens, expected in ((SHORT, "eager"), (SHORT + 1, "sdpa"), (1, "eager")):
        attention.choose(tokens)
        assert used(model) == expected


@pytest.mark.parametrize(
    ("dtype", "attention"), [(torch.float32, "sdpa"), (torch.bfloat16, "eager"), (torch.float32, "eager")]
)
def test_where_the_fused_one_is_as_fast_or_not_used_nothing_changes(dtype, attention):
    model = peft_model(dtype, attention)
    ShortAttention(model).choose(1)
    ShortAttention(model).choose(SHORT + 1)
    assert used(model) == attention


def test_both_ways_learn_the_same_of_padded_samples():
    model = peft_model()
    ids = torch.arange(24).reshape(2, 12) % 16
    mask = torch.ones_like(ids)
    mask[1, -5:] = 0
    labels = ids.masked_fill(mask == 0, -100)
    found = []
    for tokens in (1, SHORT + 1):
        ShortAttention(model).choose(tokens)
        model.zero_grad()
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        gradients = [p.grad.float().flatten() for p in model.parameters() if p.grad is not None]
        found.append((loss.item(), torch.cat(gradients)))
    (plain, of_plain), (fused, of_fused) = found
    assert plain == pytest.approx(fused, abs=0.01)
    assert of_plain.norm() > 0
    assert torch.nn.functional.cosine_similarity(of_plain, of_fused, dim=0) > 0.999
