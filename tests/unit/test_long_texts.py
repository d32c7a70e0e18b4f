"""Texts of models and strangers are read in a time that grows as they do, and not as the square of their length."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pada_ray.agents.injection import signs
from pada_ray.data.proposal import task_of
from pada_ray.data.text_key import text_key
from pada_ray.tasks.code_blocks import blocks
from pada_ray.tasks.extractive_qa import passage_of
from pada_ray.tasks.label_name import label_in
from pada_ray.tasks.multiple_choice import options_of
from pada_ray.tasks.option_letter import chosen_letter
from pada_ray.tasks.own_words import own_words

TIMES = 1000
LONGER = 8  # a square grows 64 times


def label(text: str) -> str | None:
    return label_in(text, ["aa_b", "c d"])


def task(text: str) -> object:
    return task_of([(text, "A")]), task_of([("?", text)])


CASES: list[tuple[Callable[[str], object], str, str, str]] = [  # what reads, and what is repeated between what
    (own_words, "x", "\n\n\n", "y"),
    (own_words, "x", " \n\n", "y"),
    (chosen_letter, "x y z", "\n", "y z"),
    (chosen_letter, "x y z", " \n", "y z"),
    (chosen_letter, "A is correct", "    ", "x"),
    (chosen_letter, "A is correct", "\r", "too x"),
    (label, "", "aa_b ", ""),
    (label, "", "the label is c d ", ""),
    (label, "", "`c d` ", "."),
    (label, "```", "      ", "x y"),
    (blocks, "", "``` a\n", ""),
    (blocks, "", "```python\n", ""),
    (blocks, "", "```python\n", "```"),
    (blocks, "", "```python\n(\n", "x```\n```\n"),
    (blocks, "", "````python\n```\n", ""),
    (blocks, "```\n(\n", "#a```\n", ""),
    (blocks, "```\n(\n", "#a```\n", "x"),
    (blocks, "", "```", ""),
    (blocks, "", "```", "x"),
    (blocks, "", "~~~ a ", "`\n"),
    (blocks, "```\nx", "```", "x\n"),
    (text_key, "", "*a ", ""),
    (text_key, "", "***a ", ""),
    (text_key, "a ", "__", " b"),
    (signs, "x", "\n", "y"),
    (signs, "x", "\n \n", "y"),
    (signs, "<", "    ", "y"),
    (signs, "", "<system ", ""),
    (options_of, "x", "\n\n", "y"),
    (passage_of, "Passage: x", "\n\n\n", "y"),
    (task, "x", "\n\n", "y"),
]


def seconds(read: Callable[[str], object], text: str) -> float:
    """Of this process alone, whatever else the machine does."""
    took = []
    for _ in range(2):
        begin = time.process_time()
        read(text)
        took.append(time.process_time() - begin)
    return min(took)


@pytest.mark.parametrize(("read", "before", "again", "after"), CASES)
def test_a_longer_text_takes_longer_in_proportion(read, before, again, after):
    short, long = (seconds(read, f"{before}{again * times}{after}") for times in (TIMES, TIMES * LONGER))
    assert long < 3 * LONGER * short + 0.05
