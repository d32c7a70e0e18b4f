"""Which waits are told and put on record."""

import asyncio

from virtual_time import run_in_virtual_time

from pada_ray.llm.waiting import LongWaits, Waiting, WaitingCalls


def test_calls_are_counted_from_when_they_are_first_sent():
    async def main():
        calls = WaitingCalls()
        queued, *sent = [calls.begin("run", "teacher") for _ in range(5)]
        for call in sent:
            call.starts(3.0)
        assert calls.under_way("run") == 4
        assert calls.waiting("run", "teacher") is None  # not for long
        await asyncio.sleep(95)
        for call in sent[:2]:
            call.ends()
            call.retries("timeout")
        assert calls.under_way("run") == 2
        told = calls.waiting("run", "teacher").describe()
        for call in [queued, *sent]:
            calls.end(call)
        return told, calls.waiting("run", "teacher")

    assert run_in_virtual_time(main()) == ("teacher: 4 calls waiting 95 s, 2 retried (timeout)", None)


def test_one_call():
    assert Waiting(role="judge", calls=1, seconds=30.4).describe() == "judge: 1 call waiting 30 s"


def test_a_long_wait_is_put_on_record_when_it_is_long_and_has_doubled():
    waits = LongWaits()
    told = [s for s in range(0, 600, 10) if waits.due([Waiting(role="teacher", calls=1, seconds=s)])]
    assert told == [60, 120, 240, 480]
    assert waits.due([]) == []
    assert waits.due([Waiting(role="teacher", calls=1, seconds=70)])  # another one
    assert not waits.due([Waiting(role="teacher", calls=1, seconds=80)])
    assert waits.due([Waiting(role="judge", calls=1, seconds=80), Waiting(role="teacher", calls=1, seconds=81)])
