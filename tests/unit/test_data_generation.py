import asyncio

import pytest
from builders import ScriptedLlm, batch, strategy

from pada_ray.agents.data_generation import DataGenerationAgent
from pada_ray.config import DataGenerationConfig
from pada_ray.records import Attempt, Message, Sample, Seed


def agent(llm, seed=0):
    return DataGenerationAgent(llm, DataGenerationConfig(), None, 1, seed)


def written(*origins):
    return {
        "samples": [
            {
                "sample_id": f"new-{i}",
                "based_on_example": origin,
                "messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a{i}"}],
            }
            for i, origin in enumerate(origins)
        ]
    }


def generate(llm, of):
    return asyncio.run(agent(llm).generate(of))


def test_candidates_know_their_seed_whatever_the_order():
    llm = ScriptedLlm(written("example-2", "example-1"))
    found = generate(llm, batch(2, strategy()))
    assert [(c.seed_id, c.messages[0].content) for c in found] == [("train-0", "q1"), ("train-1", "q0")]


@pytest.mark.parametrize(
    ("origins", "seeds"),
    [
        (("example-1",), ["train-0"]),
        (("example-1", "example-1", "example-2"), ["train-0", "train-1"]),
        (("example-7", None), []),
    ],
)
def test_too_few_too_many_or_of_nobody(origins, seeds):
    found = generate(ScriptedLlm(written(*origins)), batch(2, strategy()))
    assert [c.seed_id for c in found] == seeds


def test_the_only_seed_needs_no_name():
    assert len(generate(ScriptedLlm(written(None)), batch(1, strategy()))) == 1


def test_the_pattern_branch_shows_strategy_and_examples_but_no_wrong_reply():
    llm = ScriptedLlm(written("example-1"))
    generate(llm, batch(1, strategy()))
    prompt = llm.requests[0].messages[0].content
    assert "Write sums about fruit." in prompt
    assert "train-0 has 2 apples" in prompt
    assert "feedback" not in prompt
    assert llm.requests[0].temperature == 0.7


def test_the_error_branch_shows_the_wrong_reply():
    llm = ScriptedLlm(written("example-1"))
    generate(llm, batch(1))
    assert "2 + 3 = 6" in llm.requests[0].messages[0].content
    assert llm.requests[0].purpose == "error_generation"


def test_feedback_reaches_the_prompt_under_the_example_it_is_about():
    llm = ScriptedLlm(written("example-1"))
    of = batch(2, strategy())
    sent_back = of.attempts[1].model_copy(update={"number": 1, "feedback": "The sum is off."})
    generate(llm, of.model_copy(update={"attempts": [of.attempts[0], sent_back]}))
    prompt = llm.requests[0].messages[0].content
    remarks = prompt[prompt.index("<feedback>") :]
    assert '"example-2"' in remarks
    assert "The sum is off." in remarks
    assert '"example-1"' not in remarks


def test_a_batch_may_hold_first_drafts_and_regenerations():
    of = batch(2, strategy())
    sent_back = of.attempts[1].model_copy(update={"number": 2, "feedback": "The sum is off."})
    mixed = of.model_copy(update={"attempts": [of.attempts[0], sent_back]})
    found = generate(ScriptedLlm(written("example-1", "example-2")), mixed)
    assert [(c.id, c.attempt) for c in found] == [("batch-0-0", 0), ("batch-1-2", 2)]
    assert [c.draft for c in found] == ["batch-0", "batch-1"]


def test_every_batch_and_every_run_seed_is_a_draw_of_its_own():
    def seed_of(run_seed, name):
        llm = ScriptedLlm(written("example-1"))
        asyncio.run(agent(llm, run_seed).generate(batch(1, strategy(), name)))
        return llm.requests[0].seed

    draws = [seed_of(0, "a"), seed_of(0, "b"), seed_of(1, "a")]
    assert len(set(draws)) == 3
    assert seed_of(0, "a") == draws[0]


def test_tests_of_code_are_shown_since_no_reply_tells_them():
    sample = Sample(
        id="c",
        messages=[Message(role="user", content="Write add."), Message(role="assistant", content="def add(a, b): ...")],
        task="code",
        answer="def check(candidate): assert candidate(1, 2) == 3",
    )
    of = batch(1, strategy()).model_copy(update={"attempts": [Attempt(draft="a", seed=Seed(sample=sample))]})
    llm = ScriptedLlm(written("example-1"))
    generate(llm, of)
    assert "def check(candidate)" in llm.requests[0].messages[0].content


def test_unreadable_to_the_end():
    assert generate(ScriptedLlm("no"), batch(1, strategy())) == []
