"""The number or none, and never another: in LaTeX, in other groupings, in words, and inside of what is not read."""

from __future__ import annotations

from fractions import Fraction as F

import pytest

from pada_ray.records import Message
from pada_ray.tasks import get_task
from pada_ray.tasks.equations import equations
from pada_ray.tasks.final_number import final_number
from pada_ray.tasks.numerals import found_numbers, number

READ = [
    (r"\frac{-1}{2}", F(-1, 2)),
    (r"\frac{1}{-2}", F(-1, 2)),
    (r"\frac{-1}{-2}", F(1, 2)),
    (r"-\frac{1}{2}", F(-1, 2)),
    (r"-\frac{-1}{2}", F(1, 2)),
    (r"\left(-\frac{1}{2}\right)", F(-1, 2)),
    ("(-1)/2", F(-1, 2)),
    ("1/(-2)", F(-1, 2)),
    ("-1/2", F(-1, 2)),
    (r"\frac{3}4", F(3, 4)),
    (r"\frac3{4}", F(3, 4)),
    (r"\dfrac 3 4", F(3, 4)),
    (r"\frac34", F(3, 4)),
    (r"\tfrac{3}{4}", F(3, 4)),
    (r"\cfrac{3}{4}", F(3, 4)),
    (r"\frac{ 3 }{ 4 }", F(3, 4)),
    (r"\frac{1,000}{8}", 125),
    (r"\frac{1.5}{2}", F(3, 4)),
    (r"33\frac{1}{3}", F(100, 3)),
    (r"-1\frac12", F(-3, 2)),
    ("5⅓", F(16, 3)),
    ("⅝", F(5, 8)),
    ("3⁄4", F(3, 4)),
    ("12,50,000", 1250000),
    ("1,00,00,000", 10000000),
    ("1'000", 1000),
    ("1’234’567.5", F("1234567.5")),
    ("1_000", 1000),
    ("1\u202f234", 1234),
    (r"1\,234", 1234),
    ("negative 7", -7),
    ("Negative $7", -7),
    ("minus 7", -7),
    (r"negative \frac{1}{2}", F(-1, 2)),
    ("(-7)", -7),
    (r"\left(\frac{1}{2}\right)", F(1, 2)),
    (r"1.5 \times 10^{3}", 1500),
    (r"1.5 \cdot 10^3", 1500),
    ("1.5 × 10^3", 1500),
    ("1.5 × 10³", 1500),
    ("1.5 x 10^3", 1500),
    ("1.5*10**3", 1500),
    (r"-2 \times 10^{-3}", F(-1, 500)),
    (r"10^{3}", 1000),
    ("1.5e3", 1500),
]
UNREAD = [
    r"\frac{\pi}{2}", r"\frac{x}{2}", r"\frac{3}{x}", r"\frac345", r"\frac{\frac{1}{2}}{3}", r"\sqrt{2}",
    r"\sqrt[3]{2}",
    r"3\sqrt{2}", r"\sqrt 2", "√2", r"2\pi", r"2 \pi", "2π", r"2^{10}", "2^3", "2**3", "5²", "3x", "2i", "x/2", "-(-7)",
    r"0.\overline{3}", r"5 \pm 2", "101_2", "1,5", "1.234,56", "1,2345", "12,34", "1,50,00", "1'00", "5'11", "1_00",
    "1/0",
    "3.1.4", "3:4", "7:30", r"\log 5", "1/2/3", "05/06/2024",
]  # fmt: skip
WAYS = [
    "{}",
    r"So it is \boxed{{{}}}.",
    "The answer is {}.",
    "It gives 8.\nAnswer: {}",
    "2 + 3 = 5\n#### {}",
    "We get {}",
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("text", "value"), READ)
def test_what_is_read(text, value, way):
    assert final_number(way.format(text)) == value
    assert number(text) == value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", UNREAD)
def test_what_is_not_read_is_no_number_at_all(text, way):
    assert final_number(way.format(text)) is None
    assert number(text) is None


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("It costs 12,50,000 rupees", 1250000),
        ("It costs 1'000 francs.", 1000),
        ("It costs 1 000 francs.", 1000),
        ("It costs $1 500 000, or so.", 1500000),
        ("They buy 24 500 g bags.", None),
        ("It costs 1\u00a0000 francs.", 1000),
        ("The temperature is minus 7 degrees", -7),
        ("That leaves her with 10 minus 7", None),
        ("Answer: 10 minus 7", None),
        ("Answer: 10 times 7", None),
        (r"\boxed{x}", None),
        (r"2 + 3 = 5, so \boxed{\text{five}}", None),
        (r"\boxed{60^\circ}", 60),
        (r"\boxed{5^{\text{th}}}", 5),
        (r"\boxed{36\text{ m}^{2}}", 36),
        (r"\fbox{7}", 7),
        (r"\boxed{\textbf{7}}", 7),
        ("The shop opens at 7:00", 7),
        ("He is 5'11 tall", None),
        ("It grows by 3 m^-2", 3),
        ("It takes 54 dollars/day", 54),
        ("1.5 million", F(3, 2)),
    ],
)
def test_in_a_sentence(reply, value):
    assert final_number(reply) == value


def test_no_answer_is_recorded_where_the_reply_gives_another_number():
    def recorded(reply):
        return get_task("math").answer_of([Message(role="user", content="?"), Message(role="assistant", content=reply)])

    assert recorded(r"Half of it is owed. \boxed{\frac{-1}{2}}") == "-0.5"
    assert recorded(r"\boxed{\sqrt{2}}") is None


def test_other_groupings_are_computed_with():
    assert [e.holds for e in equations("12,50,000 / 2 = 6,25,000, and 1'000 * 2 = 2'000, and 1_000 - 1 = 999")] == [
        True
    ] * 3
    assert [e.holds for e in equations("12,50,000 / 2 = 6,26,000.")] == [False]


def test_what_is_not_read_keeps_its_place():
    assert [found.value for found in found_numbers("3, 1,5 and 4")] == [3, None, 4]
