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


def generate(llm, of, feedback=None, attempt=0):
    return asyncio.run(agent(llm).generate(Attempt(batch=of, number=attempt, feedback=feedback or {})))


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
    generate(llm, batch(2, strategy()), {"train-1": "The sum is off."}, attempt=1)
    prompt = llm.requests[0].messages[0].content
    assert "The sum is off." in prompt
    assert prompt.index('"example-2"', prompt.index("<feedback>")) < prompt.index("The sum is off.")


def test_every_attempt_and_every_run_seed_is_a_draw_of_its_own():
    def seed_of(run_seed, name, attempt):
        llm = ScriptedLlm(written("example-1"))
        asyncio.run(agent(llm, run_seed).generate(Attempt(batch=batch(1, strategy(), name), number=attempt)))
        return llm.requests[0].seed

    draws = [seed_of(0, "a", 0), seed_of(0, "a", 1), seed_of(0, "b", 0), seed_of(1, "a", 0)]
    assert len(set(draws)) == 4
    assert seed_of(0, "a", 0) == draws[0]


def test_tests_of_code_are_shown_since_no_reply_tells_them():
    sample = Sample(
        id="c",
        messages=[Message(role="user", content="Write add."), Message(role="assistant", content="def add(a, b): ...")],
        task="code",
        answer="def check(candidate): assert candidate(1, 2) == 3",
    )
    of = batch(1, strategy()).model_copy(update={"seeds": [Seed(sample=sample)]})
    llm = ScriptedLlm(written("example-1"))
    generate(llm, of)
    assert "def check(candidate)" in llm.requests[0].messages[0].content


def test_unreadable_to_the_end():
    assert generate(ScriptedLlm("no"), batch(1, strategy())) == []
