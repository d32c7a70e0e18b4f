"""The loss of a fine-tuning step is that of transformers, with logits where there is a label alone."""

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from pada_ray.student.chat_encoder import IGNORED
from pada_ray.student.trainer import POINTS, _learned, _logits_only_at, completion_loss, loss_figures

LABELS = torch.tensor([[IGNORED, IGNORED, 5, 9, IGNORED], [IGNORED, 3, 4, 5, 6]])
IDS = torch.tensor([[1, 2, 5, 9, 0], [2, 3, 4, 5, 6]])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return AutoModelForCausalLM.from_config(LlamaConfig(vocab_size=16, **small))


def step(model, labels, head):
    """Loss and a gradient, with logits at labels alone; `head` None: all of them."""
    model.zero_grad()
    with _logits_only_at(_learned(labels), head):
        outputs = model(input_ids=IDS)
    loss = completion_loss(outputs, labels, 6)
    loss.backward()
    return loss, model.model.embed_tokens.weight.grad.clone(), outputs.logits.shape


def test_the_loss_and_its_gradient_are_those_of_transformers(model):
    loss, gradient, shape = step(model, LABELS, model.get_output_embeddings())
    model.zero_grad()
    theirs = model(input_ids=IDS, labels=LABELS, num_items_in_batch=6).loss
    theirs.backward()
    assert torch.allclose(loss, theirs, rtol=1e-6)
    assert torch.allclose(gradient, model.model.embed_tokens.weight.grad, atol=1e-7)
    assert shape == (6, 16)


def test_a_model_that_gives_all_logits_has_the_same_loss(model):
    ours, whole = (step(model, LABELS, head) for head in (model.get_output_embeddings(), None))
    assert torch.allclose(ours[0], whole[0], rtol=1e-6)
    assert whole[2] == (2, 5, 16)


def test_a_sample_without_labels_gives_no_loss_and_gradients_of_zero(model):
    loss, gradient, _ = step(model, torch.full_like(LABELS, IGNORED), model.get_output_embeddings())
    assert loss == 0
    assert not gradient.any()


def test_the_losses_of_epochs_and_the_curve_come_from_those_of_steps():
    log = [{"loss": float(step), "step": step, "epoch": step / 4} for step in range(1, 9)]
    found = loss_figures([*log, {"train_runtime": 1.0}])
    assert found["losses"] == [2.5, 6.5]
    assert found["loss"] == 6.5
    assert found["curve"] == [(step, float(step)) for step in range(1, 9)]


def test_a_long_curve_is_told_in_stretches():
    log = [{"loss": 2.0, "step": step, "epoch": step / 1001} for step in range(1, 1002)]
    curve = loss_figures(log)["curve"]
    assert len(curve) <= POINTS
    assert (curve[0], curve[-1]) == ((6, 2.0), (1001, 2.0))
