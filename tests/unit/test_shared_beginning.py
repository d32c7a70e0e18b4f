"""What all samples of a pass begin with is read once, and the same is learned."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import CONFIGS
from transformers import AutoModelForCausalLM, MistralConfig

from pada_ray.student.chat_encoder import IGNORED
from pada_ray.student.shared_beginning import SharedBeginning, common_beginning
from pada_ray.student.trainer import _learned, _logits_only_at, completion_loss

VOCABULARY, BEGINNING = 64, list(range(10, 22))
SMALL = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def peft_model(config):
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(config)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.1)
    return model.train()


def inputs(*samples):
    """Of pairs of prompt and reply, padded on the right."""
    longest = max(len(prompt) + len(reply) for prompt, reply in samples)
    rows = []
    for prompt, reply in samples:
        padding = longest - len(prompt) - len(reply)
        unread = [IGNORED] * padding
        rows.append(([*prompt, *reply, *[0] * padding], [IGNORED] * len(prompt) + reply + unread, padding))
    ids, labels, paddings = zip(*rows, strict=True)
    mask = [[1] * (longest - padding) + [0] * padding for padding in paddings]
    return {
        name: torch.tensor(value) for name, value in (("input_ids", ids), ("attention_mask", mask), ("labels", labels))
    }


PASS = inputs(([*BEGINNING, 1, 2, 3], [4, 5]), ([*BEGINNING, 6], [7, 8, 9]), ([*BEGINNING, 1, 5, 5, 6], [9]))


def gradients(model, given):
    """The loss of a pass, what each weight of the adapter learns, and how many tokens were read."""
    model.zero_grad()
    with _logits_only_at(_learned(given["labels"]), model.get_output_embeddings()):
        labels = given["labels"]
        outputs = model(**{name: value for name, value in given.items() if name != "labels"})
    loss = completion_loss(outputs, labels, 6)
    loss.backward()
    return loss, {name: w.grad.clone() for name, w in model.named_parameters() if w.requires_grad}


@pytest.mark.parametrize("kind", CONFIGS)
def test_loss_and_gradients_are_those_of_whole_samples(kind):
    model = peft_model(CONFIGS[kind](VOCABULARY))
    read = []
    model.get_base_model().get_input_embeddings().register_forward_hook(
        lambda _, given, out: read.append(given[0].numel())
    )
    whole, expected = gradients(model, PASS)
    shared = SharedBeginning(model, alone=True, checkpointing=False).read_once(model, PASS)
    loss, found = gradients(model, shared)
    assert read == [3 * 17, 12, 3 * 5]
    assert torch.allclose(loss, whole, rtol=1e-5)
    assert found.keys() == expected.keys()
    assert all(grad.any() for grad in found.values())
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-3, atol=1e-6), name


def unchanged(model, given, alone=True, checkpointing=False):
    return SharedBeginning(model, alone=alone, checkpointing=checkpointing).read_once(model, given) is given


def test_the_last_token_of_a_prompt_stays_beside_its_reply():
    model = peft_model(CONFIGS["llama"](VOCABULARY))
    given = inputs((BEGINNING, [4, 5]), (BEGINNING, [4, 6]))  # equal beyond their prompts
    shared = SharedBeginning(model, alone=True, checkpointing=False).read_once(model, given)
    assert shared["input_ids"].tolist() == [[BEGINNING[-1], 4, 5], [BEGINNING[-1], 4, 6]]
    assert shared["labels"].tolist() == [[IGNORED, 4, 5], [IGNORED, 4, 6]]


@pytest.mark.parametrize(
    "given",
    [
        inputs((BEGINNING, [4, 5])),
        inputs(([*BEGINNING[:7], 1], [4]), ([*BEGINNING[:7], 2], [4])),
        inputs((BEGINNING[:9] + [1] * 90, [4]), (BEGINNING[:9] + [2] * 90, [4])),
        inputs(([1, *BEGINNING], [4]), ([2, *BEGINNING], [4])),
    ],
    ids=["one sample", "a short beginning", "little of a pass", "none"],
)
def test_what_saves_little_is_read_with_each_sample(given):
    assert unchanged(peft_model(CONFIGS["llama"](VOCABULARY)), given)


def test_padding_is_no_beginning():
    """A tokenizer may pad on the left, as the demo's does."""
    given = inputs((BEGINNING, [4, 5]), (BEGINNING, [4, 6]))
    padding = torch.zeros(2, 20, dtype=torch.int64)
    given = {
        name: torch.cat([padding + (IGNORED if name == "labels" else 0), value], 1) for name, value in given.items()
    }
    assert unchanged(peft_model(CONFIGS["llama"](VOCABULARY)), given)


def test_several_workers_and_checkpointed_activations_read_whole_samples():
    model = peft_model(CONFIGS["llama"](VOCABULARY))
    assert unchanged(model, PASS, alone=False)
    assert unchanged(model, PASS, checkpointing=True)
    assert not unchanged(model, PASS)


def test_a_model_with_a_window_reads_whole_samples():
    windows = MistralConfig(vocab_size=VOCABULARY, sliding_window=4, num_key_value_heads=2, **SMALL)
    assert unchanged(peft_model(windows), PASS)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([BEGINNING], 0),
        ([BEGINNING, BEGINNING], 11),
        ([[*BEGINNING, 1], [*BEGINNING, 2]], 12),
        ([BEGINNING[:7], BEGINNING], 0),
        ([[], BEGINNING], 0),
    ],
)
def test_what_all_rows_begin_with_leaves_a_token_to_each(rows, expected):
    assert common_beginning(rows) == expected
