"""Turns, retries and the circuit breaker, against endpoints made of functions, in virtual time."""

import asyncio
import itertools
from collections import Counter, deque

import pytest
from builders import chat_request as request
from virtual_time import run_in_virtual_time

from pada_ray.config import EndpointConfig
from pada_ray.errors import EndpointDown, EndpointError
from pada_ray.llm.call_watch import CallWatch
from pada_ray.llm.calls import Calls, CallStopped
from pada_ray.llm.chat import ChatReply, Completion
from pada_ray.llm.failures import CallFailed, Kind
from pada_ray.llm.token_estimate import TokenEstimate


def reply(tokens=100):
    return Completion(ChatReply(text="hello", cut_off=False), prompt_tokens=tokens // 2, completion_tokens=tokens // 2)


class Simulated:
    """An endpoint that takes `latency` seconds and answers with what `behaviour(number of the call)` returns, or raises
    it."""

    def __init__(self, behaviour=lambda n: reply(), latency=1.0, **settings):
        self.config = EndpointConfig(base_url="http://simulated/v1", model="m", **settings)
        self.calls = Calls(self.config, self.complete, TokenEstimate(self.config.max_tokens))
        self.behaviour = behaviour
        self.latency = latency
        self.began = []
        self.in_flight = self.most_in_flight = 0

    async def complete(self, request):
        self.began.append(now())
        number = len(self.began)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        answer = self.behaviour(number)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ask(self, run="a"):
        return await self.calls.call(request(), run)

    async def ask_many(self, count):
        return await asyncio.gather(*(self.ask() for _ in range(count)), return_exceptions=True)


def now():
    return asyncio.get_running_loop().time()


def test_a_fault_is_tried_again_with_growing_waits():
    faults = deque([CallFailed(Kind.FAULT, "broken")] * 4)
    server = Simulated(lambda n: faults.popleft() if faults else reply(), latency=0)
    assert run_in_virtual_time(server.ask()).reply.text == "hello"
    waits = [b - a for a, b in itertools.pairwise(server.began)]
    assert len(waits) == 4
    assert all(0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(waits))


def test_retry_after_is_waited_for():
    refusals = deque([CallFailed(Kind.RATE, "slow down", wait=17)])
    server = Simulated(lambda n: refusals.popleft() if refusals else reply())
    run_in_virtual_time(server.ask())
    assert 17 <= server.began[1] - (server.began[0] + 1) <= 18


def test_retries_end():
    server = Simulated(lambda n: CallFailed(Kind.FAULT, "broken"), max_retries=3)
    told = r"^http://simulated/v1 \(m\) broken; 4 attempts failed$"
    with pytest.raises(EndpointError, match=told):
        run_in_virtual_time(server.ask())
    assert len(server.began) == 4


def test_a_bad_request_is_made_once_and_harms_no_other():
    bad = deque([CallFailed(Kind.REQUEST, "too long")])
    server = Simulated(lambda n: bad.popleft() if bad else reply())

    async def main():
        with pytest.raises(EndpointError, match="too long"):
            await server.ask()
        await server.ask()

    run_in_virtual_time(main())
    assert len(server.began) == 2


def test_a_refused_key_sends_all_away_at_once_and_is_tried_again_later():
    server = Simulated(lambda n: CallFailed(Kind.CLOSED, "refuses the key in $MY_KEY"), max_in_flight=2)

    async def main():
        ends = await server.ask_many(50)
        assert all("refuses the key in $MY_KEY" in str(e) for e in ends)
        assert now() == 1
        with pytest.raises(EndpointError, match="MY_KEY"):
            await server.ask()
        assert len(server.began) == 2
        server.behaviour = lambda n: reply()
        await asyncio.sleep(31)
        await server.ask()
        await server.ask()

    run_in_virtual_time(main())
    assert len(server.began) == 4


def test_an_endpoint_that_is_down_is_not_hammered():
    server = Simulated(lambda n: CallFailed(Kind.FAULT, "cannot be reached"), latency=0, max_retries=2)

    async def main():
        ends = await server.ask_many(100)
        assert all(isinstance(e, EndpointError) for e in ends)
        tried = len(server.began)
        for _ in range(100):
            with pytest.raises(EndpointError, match="cannot be reached"):
                await server.ask()
        assert len(server.began) == tried
        await asyncio.sleep(31)
        await asyncio.gather(*(server.ask() for _ in range(10)), return_exceptions=True)
        assert len(server.began) == tried + 1

    run_in_virtual_time(main())


def test_one_call_that_keeps_failing_does_not_close_the_endpoint():
    class Picky(Simulated):
        async def complete(self, request):
            completion = await super().complete(request)
            if request.messages[0].content == "bad":
                raise CallFailed(Kind.FAULT, "cannot do that")
            return completion

    server = Picky(max_retries=2, max_in_flight=4)

    async def good():
        for _ in range(50):
            await server.ask("good")

    async def bad():
        with pytest.raises(EndpointError, match="cannot do that"):
            await server.calls.call(request("bad"), "bad")

    async def main():
        await asyncio.gather(good(), bad())

    run_in_virtual_time(main())


def test_refusals_hardly_count_while_others_are_answered():
    """One call in five is answered: some of 60 are refused more than 10 times, and none, by any chance, 100 times."""
    server = Simulated(lambda n: CallFailed(Kind.RATE, "slow down") if n % 5 else reply(), max_retries=10, latency=0.1)
    assert all(isinstance(end, Completion) for end in run_in_virtual_time(server.ask_many(60)))


def test_an_endpoint_that_only_refuses_is_given_up():
    server = Simulated(lambda n: CallFailed(Kind.RATE, "slow down", wait=5), max_retries=3)
    ends = run_in_virtual_time(server.ask_many(30))
    assert all("slow down" in str(end) for end in ends)


class Limited(Simulated):
    """Refuses what goes beyond so many calls in any minute, and says when there is room again."""

    def __init__(self, per_minute, **settings):
        super().__init__(self.answer, latency=0.2, **settings)
        self.per_minute = per_minute
        self.accepted = deque()
        self.refused = 0

    def answer(self, n):
        while self.accepted and self.accepted[0] <= now() - 60:
            self.accepted.popleft()
        if len(self.accepted) >= self.per_minute:
            self.refused += 1
            return CallFailed(Kind.RATE, "slow down", wait=self.accepted[0] + 60 - now())
        self.accepted.append(now())
        return reply()


@pytest.mark.parametrize("per_minute", [20, 300, 1500])
def test_a_rate_that_is_not_given_is_found(per_minute):
    server = Limited(per_minute)
    calls = 6 * per_minute

    async def main():
        ends = await server.ask_many(calls)
        assert all(isinstance(end, Completion) for end in ends)
        return now()

    took = run_in_virtual_time(main())
    assert took <= 1.3 * calls * 60 / per_minute
    assert server.refused <= 64 + 0.2 * calls  # a window full before anything is known


def test_a_window_that_is_not_given_is_found():
    server = Simulated(latency=1.0)
    server.behaviour = lambda n: CallFailed(Kind.OVERLOAD, "busy") if server.in_flight >= 40 else reply()

    async def main():
        ends = await server.ask_many(3000)
        assert all(isinstance(end, Completion) for end in ends)
        return now()

    assert run_in_virtual_time(main()) <= 2 * 3000 / 40
    assert 40 <= server.most_in_flight <= 65


def test_runs_of_any_demand_share_evenly():
    """200 runs, some of which want far more than others."""
    names = [f"run-{i}" for i in range(200)]
    server = Simulated(requests_per_minute=6000, tokens_per_minute=500_000, max_in_flight=256)
    done = Counter()
    spent = []

    async def worker(name):
        while True:
            completion = await server.ask(name)
            tokens = completion.prompt_tokens + completion.completion_tokens
            done[name] += tokens
            spent.append((now(), tokens))

    async def main():
        wanted = [asyncio.create_task(worker(name)) for i, name in enumerate(names) for _ in range(5 + i % 40)]
        await asyncio.sleep(30)  # by when all have begun to want
        before = done.copy()
        await asyncio.sleep(90)
        for task in wanted:
            task.cancel()
        await asyncio.gather(*wanted, return_exceptions=True)
        return done - before

    shares = run_in_virtual_time(main())
    fair = sum(shares.values()) / len(names)
    assert all(abs(shares[name] - fair) <= 0.1 * fair for name in names)
    assert server.most_in_flight <= 256
    assert most_in_a_minute([(at, 1) for at in server.began]) <= 6000
    assert sum(done.values()) >= 0.9 * 2 * 500_000
    assert most_in_a_minute(spent) <= 1.01 * 500_000


def most_in_a_minute(events):
    most = total = 0
    recent = deque()
    for at, units in events:
        recent.append((at, units))
        total += units
        while recent[0][0] <= at - 60 + 1e-6:
            total -= recent.popleft()[1]
        most = max(most, total)
    return most


class Watched(CallWatch):
    def __init__(self):
        self.told = []

    def starts(self, waited):
        self.told.append(("starts", round(waited, 3)))

    def ends(self):
        self.told.append("ends")

    def retries(self, reason):
        self.told.append(f"retries: {reason}")


def test_a_watch_is_told_of_waits_and_retries():
    answers = deque([reply(), CallFailed(Kind.FAULT, "broken"), reply()])
    server = Simulated(lambda n: answers.popleft(), latency=2.0, max_in_flight=1)
    watch = Watched()

    async def main():
        first = asyncio.create_task(server.ask())
        await asyncio.sleep(0.5)
        await server.calls.call(request(), "b", watch)
        await first

    run_in_virtual_time(main())
    assert watch.told == [("starts", 1.5), "ends", "retries: fault", ("starts", 0.0), "ends"]


DOWN = CallFailed(Kind.UNREACHABLE, "cannot be reached")


@pytest.mark.parametrize("kind", [Kind.UNREACHABLE, Kind.OVERLOAD, Kind.FAULT])
@pytest.mark.parametrize("calls", [1, 40])
def test_an_outage_of_minutes_is_waited_for(kind, calls):
    server = Simulated(lambda n: CallFailed(kind, "is down") if now() < 300 else reply(), latency=0.01)

    async def main():
        ends = await server.ask_many(calls)
        assert all(isinstance(end, Completion) for end in ends)
        return now()

    assert 300 <= run_in_virtual_time(main()) < 300 + 120
    assert len(server.began) <= 5 * calls + 30  # it is not hammered


@pytest.mark.parametrize("patience", [0, 60, 600, 3600])
def test_an_outage_longer_than_the_patience_pauses_the_run(patience):
    server = Simulated(lambda n: DOWN, latency=0.01, patience=patience, max_retries=2)

    async def main():
        ends = await server.ask_many(30)
        assert {type(end) for end in ends} == {EndpointDown}
        assert all(end.exit_code == 3 for end in ends)
        return str(ends[0]), now()

    told, ended = run_in_virtual_time(main())
    assert told.startswith("http://simulated/v1 (m) cannot be reached; it has been down for ")
    assert patience <= ended <= patience + 100


def test_an_outage_in_the_middle_costs_no_call():
    server = Simulated(lambda n: DOWN if 20 < now() < 400 else reply(), latency=1.0, max_in_flight=8)
    ends = run_in_virtual_time(server.ask_many(400))
    assert all(isinstance(end, Completion) for end in ends)


def test_a_run_that_stops_sends_no_more_and_waits_for_what_is_sent():
    server = Simulated(lambda n: CallFailed(Kind.FAULT, "broken") if n == 1 else reply(), latency=5.0, max_in_flight=3)

    async def main():
        mine = [asyncio.create_task(server.ask("mine")) for _ in range(10)]
        other = asyncio.create_task(server.ask("other"))
        await asyncio.sleep(5.05)  # one is about to be made again, and three have been sent
        server.calls.stop("mine")
        ends = await asyncio.gather(*mine, return_exceptions=True)
        sent = len(server.began)
        with pytest.raises(CallStopped):
            await server.ask("mine")
        await other
        server.calls.go_on("mine")
        await server.ask("mine")
        return ends, sent

    ends, sent = run_in_virtual_time(main())
    assert Counter(type(end) for end in ends) == {Completion: 4, CallStopped: 6}
    assert sent <= 7


def test_an_endpoint_that_says_nothing_at_all_is_not_asked_nine_times():
    """Each attempt takes ten minutes, and may be charged for."""
    server = Simulated(lambda n: CallFailed(Kind.SILENCE, "did not answer within 600 s"), latency=600)
    with pytest.raises(EndpointDown, match="did not answer within 600 s; it has been down for 10 minutes"):
        run_in_virtual_time(server.ask())
    assert len(server.began) == 2


def test_silence_of_some_calls_while_others_are_answered_is_no_outage():
    server = Simulated(lambda n: CallFailed(Kind.SILENCE, "silent") if n % 3 == 0 else reply(), latency=300)
    assert all(isinstance(end, Completion) for end in run_in_virtual_time(server.ask_many(60)))
