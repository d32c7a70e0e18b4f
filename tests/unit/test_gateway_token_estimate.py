import random

import pytest
from builders import chat_request

from pada_ray.llm.chat import ChatReply, Completion
from pada_ray.llm.token_estimate import TokenEstimate, most_of_prompt


def request(text="x" * 4000, **fields):
    return chat_request(text, **fields)


def completion(prompt_tokens, completion_tokens):
    return Completion(ChatReply(text="hello", cut_off=False), prompt_tokens, completion_tokens)


def test_learns_how_long_replies_are_by_purpose():
    estimate = TokenEstimate(max_tokens=8192)
    for _ in range(100):
        estimate.learn(request(), completion(1000, 3000))
        estimate.learn(request(purpose="other"), completion(1000, 20))
    assert estimate.expected(request()) == pytest.approx(4000, abs=40)
    assert estimate.expected(request(purpose="other")) == pytest.approx(1020, abs=40)


def test_learns_how_large_a_token_is():
    estimate = TokenEstimate(max_tokens=8192)
    for _ in range(100):
        estimate.learn(request(), completion(2000, 10))
    assert estimate.expected(request("x" * 8000)) == pytest.approx(4010, abs=100)


def test_what_varies_is_taken_rather_high_and_never_above_the_limit():
    lengths = random.Random(0)
    estimate = TokenEstimate(max_tokens=1000)
    for _ in range(300):
        estimate.learn(request(), completion(1000, lengths.randint(100, 900)))
    assert 1500 + 100 <= estimate.expected(request()) <= 1500 + 350
    for _ in range(300):
        estimate.learn(request(), completion(1000, lengths.choice([500, 1000])))
    assert estimate.expected(request()) <= 2000 + 40


def test_the_most_of_a_prompt_is_never_less_than_what_comes():
    assert most_of_prompt(request("word " * 800)) >= 1000
    assert most_of_prompt(request("字" * 1000)) >= 1000
