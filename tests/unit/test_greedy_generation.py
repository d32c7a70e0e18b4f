"""Greedy generation gives what transformers' own gives, on the demo student and on a model with sliding windows."""

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, MambaConfig, MistralConfig

from pada_ray.config import StudentConfig
from pada_ray.student.generation import greedy
from pada_ray.student.model import load_model

END = 7


def by_transformers(model, prompt, limit, **more):
    settings = {"do_sample": False, "eos_token_id": END, "pad_token_id": 0, "max_new_tokens": limit, **more}
    return model.generate(torch.tensor([prompt]), **settings)[0, len(prompt) :].tolist()


def ended(tokens):
    return tokens[-1] == END


def prompts_that_begin_alike(vocabulary, shared):
    generator = torch.Generator().manual_seed(0)

    def drawn(n):
        return torch.randint(8, vocabulary, (n,), generator=generator).tolist()

    beginning = drawn(shared)
    return [beginning + drawn(n) for n in (3, 17, 9, 1, 30)]


@pytest.fixture(scope="module")
def demo():
    return load_model(StudentConfig(model="demo", dtype="float32")).eval()


def made(config):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="module")
def with_a_window():
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return made(MistralConfig(vocab_size=64, sliding_window=12, num_key_value_heads=2, **small))


@pytest.fixture(scope="module")
def recurrent():
    return made(MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, state_size=4))


@pytest.mark.parametrize("shared", [0, 40], ids=["nothing shared", "a beginning shared"])
@pytest.mark.parametrize("name", ["demo", "with_a_window"])
def test_every_row_is_as_by_transformers_alone(name, shared, request):
    model = request.getfixturevalue(name)
    prompts = prompts_that_begin_alike(model.config.vocab_size, shared)
    limits = [20, 5, 20, 12, 1]
    said = greedy(model, prompts, limits, ended, 0)
    assert said == [by_transformers(model, p, limit) for p, limit in zip(prompts, limits, strict=True)]
    assert [len(tokens) for tokens in said][1] <= 5


@pytest.mark.parametrize("name", ["demo", "with_a_window", "recurrent"])
def test_only_what_is_allowed_follows(name, request):
    model = request.getfixturevalue(name)
    prompts = prompts_that_begin_alike(model.config.vocab_size, 0 if name == "recurrent" else 40)
    few = prompts[:1] if name == "recurrent" else prompts  # transformers pads the others for it

    def allowed(tokens):
        return [9, 11, 13] if len(tokens) % 2 else [10, 12, END]

    said = greedy(model, few, [20] * len(few), ended, 0, allowed)
    assert said == [
        by_transformers(model, p, 20, prefix_allowed_tokens_fn=lambda _, ids, p=p: allowed(ids[len(p) :])) for p in few
    ]
    assert all(token in allowed(tokens[:i]) for tokens in said for i, token in enumerate(tokens))


def test_the_last_layer_never_multiplies_a_view(demo):
    # torch would copy its weights, where they are frozen, for each row: in bfloat16 gigabytes for a batch.
    given = []
    hook = demo.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    greedy(demo, prompts_that_begin_alike(demo.config.vocab_size, 40), [3] * 5, ended, 0)
    hook.remove()
    passes = [x for x in given if len(x) == 5]
    assert len(passes) == 3
    assert all(x.is_contiguous() for x in passes)


def test_a_recurrent_model_is_left_to_transformers(recurrent):
    prompts = prompts_that_begin_alike(64, 0)[:1]
    assert greedy(recurrent, prompts, [6], ended, 0) == [by_transformers(recurrent, prompts[0], 6)]


@pytest.mark.parametrize(
    "settings",
    [
        {"repetition_penalty": 5.0},
        {"num_beams": 3},
        {"min_new_tokens": 6},
        {"suppress_tokens": list(range(20))},
        {"begin_suppress_tokens": list(range(20))},
        {"no_repeat_ngram_size": 1},
        {"num_return_sequences": 2, "num_beams": 2},
        {"stop_strings": ["x"]},
        {"do_sample": True, "temperature": 2.0, "top_k": 5},
        {"max_length": 3},
        {"forced_eos_token_id": 5},
        {"eos_token_id": list(range(32))},
        {"bad_words_ids": [[i] for i in range(20)]},
        {"return_dict_in_generate": True, "output_scores": True},
        {"cache_implementation": "static"},
    ],
    ids=lambda settings: next(iter(settings)),
)
@pytest.mark.parametrize("name", ["demo", "recurrent"])
def test_what_a_model_brings_as_its_generation_config_changes_nothing(name, settings, request):
    model = request.getfixturevalue(name)
    prompts = prompts_that_begin_alike(64, 0)
    limits = [6, 2, 6, 4, 1]
    plain = greedy(model, prompts, limits, ended, 0)
    before = model.generation_config
    model.generation_config = GenerationConfig(**settings)
    try:
        assert greedy(model, prompts, limits, ended, 0) == plain
    finally:
        model.generation_config = before


def test_a_recurrent_model_ends_with_the_last_row(recurrent):
    prompts = prompts_that_begin_alike(64, 0)
    said = greedy(recurrent, prompts, [5] * 5, lambda tokens: len(tokens) == 2, 0)
    assert [len(tokens) for tokens in said] == [2] * 5


def test_what_all_prompts_begin_with_is_read_once_and_rows_that_end_leave(demo):
    sizes = []
    watch = demo.model.register_forward_pre_hook(
        lambda _, args, given: sizes.append(given["input_ids"].shape), with_kwargs=True
    )
    prompts = prompts_that_begin_alike(demo.config.vocab_size, 40)
    try:
        greedy(demo, prompts, [1, 1, 3, 3, 3], lambda tokens: False, 0)
    finally:
        watch.remove()
    assert sizes == [(1, 40), (5, 30), (3, 1), (3, 1)]


def test_equal_prompts_keep_a_token_each(demo):
    prompt = prompts_that_begin_alike(demo.config.vocab_size, 40)[0]
    assert greedy(demo, [prompt] * 3, [4] * 3, ended, 0) == [by_transformers(demo, prompt, 4)] * 3
