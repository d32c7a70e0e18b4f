import itertools
import math
import random

import pytest

from pada_ray.llm.limiter import Limiter, Rate, Window


def starts(rate, units_of, until, now=0.0):
    """(when, units) of calls that start as soon as the rate lets them."""
    made = []
    while now < until:
        units = units_of(len(made))
        wait = rate.wait(units, now)
        if wait:
            now += wait
        else:
            rate.take(units, now)
            made.append((now, units))
    return made


def most_in_a_minute(made):
    return max(sum(units for at, units in made if begin <= at < begin + 60) for begin, _ in made)


@pytest.mark.parametrize("limit", [1, 3, 60, 300])
def test_a_given_rate_holds_in_every_minute_and_is_used(limit):
    made = starts(Rate(limit, least=60), lambda i: 1, until=300)
    assert most_in_a_minute(made) == limit
    assert len(made) >= 5 * limit


def test_a_given_rate_is_spread_over_the_minute():
    made = starts(Rate(600, least=60), lambda i: 1, until=10)
    assert len(made) <= 600 * (10 + 3) / 60 + 2


def test_calls_of_any_size_stay_within_a_given_rate():
    sizes = random.Random(0)
    made = starts(Rate(10_000, least=1), lambda i: sizes.choice([200, 900, 3000]), until=600)
    assert most_in_a_minute(made) <= 10_000
    assert sum(units for _, units in made) >= 0.8 * 10 * 10_000


def test_a_call_larger_than_the_rate_goes_alone():
    made = starts(Rate(100, least=1), lambda i: 250, until=400)
    assert len(made) >= 2
    assert all(b - a >= 60 for (a, _), (b, _) in itertools.pairwise(made))


def test_what_a_call_really_took_counts():
    rate = Rate(1000, least=1)
    call = rate.take(100, now=0)
    rate.take(500, now=1)
    rate.correct(call, 500, now=2)
    assert rate.wait(500, now=30) == pytest.approx(30)
    rate.correct(call, 10, now=3)
    assert rate.wait(505, now=30) == pytest.approx(31)
    assert rate.wait(490, now=30) == 0


def test_a_correction_counts_when_the_call_was_made():
    rate = Rate(1000, least=1)
    for now in (0, 5):
        rate.correct(rate.take(1000, now), 100, now + 1)
    assert rate.wait(800, now=40) == 0
    assert rate.wait(900, now=61) == 0
    assert rate.wait(950, now=61) == pytest.approx(4)


def busy(rate, per_minute, seconds):
    for i in range(round(per_minute * seconds / 60)):
        assert rate.wait(1, now=i * 60 / per_minute) == 0
        rate.take(1, now=i * 60 / per_minute)


def test_a_rate_is_found_below_the_pace_at_which_the_endpoint_refuses():
    rate = Rate(None, least=60)
    busy(rate, per_minute=6000, seconds=10)
    rate.fall(pause=0, now=10)
    assert rate.limit == pytest.approx(0.9 * 6000, rel=0.01)


def test_the_pause_that_is_asked_for_belongs_to_the_pace():
    rate = Rate(None, least=60)
    busy(rate, per_minute=6000, seconds=2)  # and nothing more in this minute
    rate.fall(pause=58, now=2)
    assert rate.limit == pytest.approx(0.9 * 200, rel=0.01)


def test_the_search_starts_no_lower_than_at_the_least():
    rate = Rate(None, least=60)
    busy(rate, per_minute=6, seconds=60)
    rate.fall(pause=0, now=60)
    assert rate.limit == pytest.approx(0.9 * 60)
    rate.fall(pause=0, now=60)
    assert rate.limit == pytest.approx(0.9 * 27)


def test_a_rate_that_was_found_rises_in_steps():
    rate = Rate(None, least=60)
    busy(rate, per_minute=600, seconds=60)
    rate.fall(pause=0, now=60)
    found = rate.limit
    rises = []
    for now in (90, 120, 150):
        rate.wait(1, now)
        rises.append(rate.limit - found)
    assert rises == pytest.approx([0.05 * found, 0.1 * found, 0.15 * found])


def test_a_given_rate_never_changes():
    rate = Rate(100, least=60)
    rate.take(1, now=0)
    rate.fall(pause=0, now=1)
    rate.wait(1, now=100)
    assert rate.limit == 100


def test_a_window_rises_by_one_a_window_full_and_only_when_it_is_full():
    window = Window(None)
    window.fall()
    size = window.size
    for _ in range(size + 1):
        window.rise(in_flight=size)
    assert window.size == size + 1
    for _ in range(100):
        window.rise(in_flight=3)
    assert window.size == size + 1
    window.fall()
    assert window.size == (size + 1) // 2


def test_a_window_that_is_not_given_soon_rises_to_64():
    window = Window(None)
    first = window.size
    for _ in range(first):
        window.rise(window.size)
    assert window.size == 2 * first
    for _ in range(100):
        window.rise(window.size)
    assert 64 <= window.size <= 65


def test_a_given_window_comes_back_to_what_was_given_and_no_further():
    window = Window(4)
    for _ in range(5):
        window.fall()
    assert window.size == 1
    for _ in range(100):
        window.rise(window.size)
    assert window.size == 4


def limiter(in_flight=64):
    return Limiter(None, None, in_flight)


def begin(limiter, count, now):
    calls = []
    for _ in range(count):
        assert limiter.wait(10, now) == 0
        calls.append(limiter.start(10, now))
    return calls


def test_a_full_window_waits_for_a_call_to_end():
    limits = limiter(2)
    first, _ = begin(limits, 2, now=0)
    assert limits.wait(10, now=5) == math.inf
    limits.succeeded(first, 10, now=5)
    assert limits.wait(10, now=5) == 0


def test_one_refusal_among_many_replies_is_bad_luck():
    limits = limiter()
    calls = begin(limits, 64, now=0)
    for call in calls[1:]:
        limits.succeeded(call, 10, now=1)
    limits.refused(calls[0], pause=30, now=1, by_rate=True)
    begin(limits, 64, now=1)


def test_many_refusals_are_a_limit_and_all_wait_as_long_as_it_asks():
    limits = limiter()
    for call in begin(limits, 64, now=0):
        limits.refused(call, pause=30, now=1, by_rate=True)
    assert limits.wait(10, now=1) == pytest.approx(30)
    assert limits.wait(10, now=31) == 0


def test_refusals_of_calls_from_before_let_it_fall_once():
    limits = limiter(64)
    for call in begin(limits, 64, now=0):
        limits.refused(call, pause=0, now=1, by_rate=False)
    begin(limits, 32, now=2)
    assert limits.wait(10, now=2) == math.inf


def test_an_overload_says_nothing_about_rates():
    limits = limiter(64)
    for call in begin(limits, 64, now=0):
        limits.refused(call, pause=0, now=1, by_rate=False)
    begin(limits, 32, now=1)


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_random_refusals_do_not_slow_an_endpoint_down(share):
    chance = random.Random(0)
    limits = limiter(64)
    for now in range(200):
        for call in begin(limits, 64, now):
            if chance.random() < share:
                limits.refused(call, pause=1, now=now + 0.5, by_rate=True)
            else:
                limits.succeeded(call, 10, now=now + 0.5)
