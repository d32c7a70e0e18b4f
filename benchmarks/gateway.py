"""The gateway beside other clients on one endpoint, and shared by 200 runs.

    python benchmarks/gateway.py --out benchmarks/results/gateway.md

The endpoint is the offline teacher behind real HTTP, with latency and faults; each client has a process of its own.
distilabel and curator are measured where the interpreter that is named for them has them. The 200 runs ask a
simulated endpoint on a simulated clock.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LATENCY_MS = 200
RETRY_AFTER = 0.5  # seconds
FAULTS: dict[str, dict[str, float]] = {"0%": {}, "5%": {"rate_limit": 0.025, "server_error": 0.025}}
GIVE_UP = 300  # seconds for one client


class Load(NamedTuple):
    url: str
    prompts: list[str]
    in_flight: int


# The clients. Each answers the load as its documentation has it and says how many replies came. What they import is
# imported here, since not every interpreter has it.


def gateway(load: Load) -> int:
    return asyncio.run(_gateway(load, max_in_flight=load.in_flight))


def gateway_finding_its_limits(load: Load) -> int:
    return asyncio.run(_gateway(load, max_in_flight=None))


async def _gateway(load: Load, max_in_flight: int | None) -> int:
    from pada_ray.config import EndpointConfig
    from pada_ray.llm.chat import ChatRequest, Payer
    from pada_ray.llm.gateway import LlmGateway
    from pada_ray.records import Message

    with tempfile.TemporaryDirectory() as folder:
        endpoint = EndpointConfig(base_url="offline", model="m", max_in_flight=max_in_flight)
        one = LlmGateway(endpoint, f"{folder}/replies.sqlite", load.url)
        payer = Payer(run="benchmark")

        async def ask(prompt: str) -> str:
            messages = [Message(role="user", content=prompt)]
            request = ChatRequest(messages=messages, reply_schema=None, temperature=0, seed=None, purpose="benchmark")
            return (await one.chat(request, payer, "teacher")).text

        replies = await asyncio.gather(*map(ask, load.prompts), return_exceptions=True)
        await one.close()
    return sum(isinstance(r, str) and bool(r) for r in replies)


def async_openai(load: Load) -> int:
    return asyncio.run(_async_openai(load))


async def _async_openai(load: Load) -> int:
    import openai

    places = asyncio.Semaphore(load.in_flight)
    async with openai.AsyncOpenAI(base_url=load.url, api_key="none", max_retries=8) as client:

        async def ask(prompt: str) -> str | None:
            async with places:
                answer = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": prompt}], temperature=0, max_tokens=8192
                )
            return answer.choices[0].message.content

        replies = await asyncio.gather(*map(ask, load.prompts), return_exceptions=True)
    return sum(isinstance(r, str) and bool(r) for r in replies)


def distilabel(load: Load) -> int:
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    with Pipeline() as pipeline:
        rows = LoadDataFromDicts(data=[{"instruction": p} for p in load.prompts], batch_size=load.in_flight)
        settings = {"temperature": 0.0, "max_new_tokens": 8192}
        llm = OpenAILLM(model="m", base_url=load.url, api_key="none", max_retries=8, generation_kwargs=settings)
        rows >> TextGeneration(llm=llm, input_batch_size=load.in_flight)
    answered = pipeline.run(use_cache=False)["default"]["train"]
    return sum(bool(row["generation"]) for row in answered)


def curator(load: Load) -> int:
    os.environ |= {"CURATOR_DISABLE_CACHE": "1", "TELEMETRY_ENABLED": "0", "OPENAI_API_KEY": "none"}
    _tokenizer_without_network()
    from bespokelabs import curator as library

    settings = {
        "base_url": load.url,
        "max_retries": 8,
        "max_concurrent_requests": load.in_flight,
        "max_requests_per_minute": 10**6,
        "max_tokens_per_minute": 10**9,
        "require_all_responses": False,
    }
    llm = library.LLM(
        model_name="m",
        backend="openai",
        backend_params=settings,
        generation_params={"temperature": 0.0, "max_tokens": 8192},
    )
    answered = llm(load.prompts)
    rows = getattr(answered, "dataset", answered)
    return sum(bool(row["response"]) for row in rows)


def _tokenizer_without_network() -> None:
    """curator counts tokens by a table that tiktoken downloads. Where it cannot, each byte counts as one, which takes
    less time."""
    import tiktoken

    try:
        tiktoken.get_encoding("cl100k_base")
    except OSError:
        table = {bytes([i]): i for i in range(256)}
        by_bytes = tiktoken.Encoding("bytes", pat_str=r".|\s", mergeable_ranks=table, special_tokens={})
        tiktoken.get_encoding = lambda name: by_bytes


CLIENTS: dict[str, Callable[[Load], int]] = {
    "gateway": gateway,
    "gateway, limits not given": gateway_finding_its_limits,
    "AsyncOpenAI": async_openai,
    "distilabel": distilabel,
    "curator": curator,
}
PACKAGES = {"AsyncOpenAI": "openai", "distilabel": "distilabel", "curator": "bespokelabs-curator"}


def run_client(name: str, load: Load) -> None:
    """In a process of its own: prints what the calls took, as a line of JSON. A few calls go before, unmeasured, so
    that imports and first-time work do not count for anyone."""
    CLIENTS[name](load._replace(prompts=[f"Warm up {i}." for i in range(4)]))
    cpu, began = _cpu_seconds(), time.perf_counter()
    replies = CLIENTS[name](load)
    wall, cpu = time.perf_counter() - began, _cpu_seconds() - cpu
    print(json.dumps({"replies": replies, "wall": wall, "cpu": cpu}))


def _cpu_seconds() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def _busy_seconds() -> float:
    """Of all cores together, since the machine started."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


class Result(NamedTuple):
    replies: int
    wall: float  # seconds, as the client's caller waits
    cpu: float  # seconds
    requests: int  # that reached the endpoint
    span: float  # seconds from the first request to the last reply, as the endpoint sees them
    others: float  # cores that other programs kept busy meanwhile


def measure(name: str, python: str, faults: dict[str, float], calls: int, in_flight: int, seed: int) -> Result:
    """One client against a fresh endpoint."""
    from pada_ray.config.teacher import TeacherSettings
    from pada_ray.teacher.access_log import read_access_log
    from pada_ray.teacher.process import start_teacher

    began, busy = time.perf_counter(), _busy_seconds() - _cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/access.jsonl"
        settings = TeacherSettings(
            seed=seed, latency_ms=LATENCY_MS, faults=faults, retry_after_seconds=RETRY_AFTER, access_log=log
        )
        with start_teacher(settings) as teacher:
            options = ["--client", name, "--url", teacher.url, "--calls", str(calls), "--in-flight", str(in_flight)]
            done = subprocess.run(
                [python, __file__, *options], cwd=folder, capture_output=True, text=True, timeout=GIVE_UP
            )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        told = json.loads(done.stdout.strip().splitlines()[-1])
        requests = [a for a in read_access_log(log) if a.prompt_tokens >= _TOKENS_OF_A_PROMPT]
    span = max(a.time + a.seconds for a in requests) - min(a.time for a in requests)
    others = (_busy_seconds() - _cpu_seconds() - busy) / (time.perf_counter() - began)
    # The machine counts in hundredths of a second, which can leave less than nothing.
    return Result(**told, requests=len(requests), span=span, others=max(others, 0))


def prompts(calls: int) -> list[str]:
    return [
        f"This is call {i:04} of a benchmark, which says something in some words. What do you say?"
        for i in range(calls)
    ]


_TOKENS_OF_A_PROMPT = 15  # more than a warm-up has


def compare(pythons: dict[str, str], calls: int, in_flight: int, repeats: int) -> list[str]:
    """Markdown: medians over the repeats, all clients in turn in each."""
    found: dict[tuple[str, str], list[Result]] = defaultdict(list)
    versions = {name: _version(package, pythons[name]) for name, package in PACKAGES.items()}
    skipped = [name for name, version in versions.items() if not version]
    for repeat in range(repeats):
        for rate, faults in FAULTS.items():
            for name in CLIENTS:
                if name not in skipped:
                    found[name, rate].append(measure(name, pythons[name], faults, calls, in_flight, seed=repeat))
                    print(rate, name, found[name, rate][-1], flush=True)
    ideal = calls / in_flight * LATENCY_MS / 1000
    lines = [
        f"{calls} calls, {in_flight} in flight, {LATENCY_MS} ms latency: ideal {ideal:.3f} s. Of the "
        f"faults half are status 500 and half 429 with a Retry-After of {RETRY_AFTER} s. Medians of {repeats}, in "
        "brackets the largest.",
        "",
        "| client | faults | replies lost | makespan s | over ideal | span at the endpoint s | CPU ms per call "
        "| other work, cores |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rate in FAULTS:
        for name in CLIENTS:
            results = found[name, rate]
            if results:
                wall = statistics.median(r.wall for r in results)
                lines.append(
                    f"| {name} | {rate} | {max(calls - r.replies for r in results)} "
                    f"| {wall:.2f} ({max(r.wall for r in results):.2f}) | {wall / ideal:.2f} "
                    f"| {statistics.median(r.span for r in results):.2f} "
                    f"| {statistics.median(r.cpu for r in results) / calls * 1000:.2f} "
                    f"| {statistics.median(r.others for r in results):.1f} |"
                )
    known = ", ".join(f"{PACKAGES[name]} {version or 'not installed, skipped'}" for name, version in versions.items())
    return [*lines, "", f"Peers: {known}.", ""]


def _version(package: str, python: str) -> str:
    """ "" where the interpreter does not have it."""
    ask = f"import importlib.metadata; print(importlib.metadata.version('{package}'))"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True).stdout.strip()


def share(runs: int, minutes: int) -> list[str]:
    """Markdown: runs with very different demands on one endpoint with limits, on a simulated clock."""
    sys.path.append(str(ROOT / "tests" / "unit"))
    from virtual_time import run_in_virtual_time

    from pada_ray.config import EndpointConfig
    from pada_ray.llm.calls import Calls
    from pada_ray.llm.chat import ChatReply, ChatRequest, Completion
    from pada_ray.llm.token_estimate import TokenEstimate
    from pada_ray.records import Message

    limits = EndpointConfig(
        base_url="offline", model="m", requests_per_minute=3000, tokens_per_minute=2_000_000, max_in_flight=512
    )
    chance = random.Random(0)
    started: list[tuple[float, int]] = []
    taken: Counter[str] = Counter()
    in_flight = most_in_flight = 0

    async def complete(request: ChatRequest) -> Completion:
        nonlocal in_flight, most_in_flight
        in_flight += 1
        most_in_flight = max(most_in_flight, in_flight)
        tokens = chance.randint(200, 1000) * (2 if request.purpose == "long" else 1)
        started.append((asyncio.get_running_loop().time(), tokens))
        await asyncio.sleep(tokens / 200)
        in_flight -= 1
        return Completion(ChatReply(text="hello", cut_off=False), tokens // 4, tokens - tokens // 4)

    async def worker(calls: Calls, run: str, purpose: str) -> None:
        messages = [Message(role="user", content="x" * 500)]
        request = ChatRequest(messages=messages, reply_schema=None, temperature=0, seed=None, purpose=purpose)
        while True:
            completion = await calls.call(request, run)
            taken[run] += completion.prompt_tokens + completion.completion_tokens

    async def main() -> Counter[str]:
        calls = Calls(limits, complete, TokenEstimate(limits.max_tokens))
        workers = [
            asyncio.create_task(worker(calls, f"run {i}", "long" if i % 2 else "short"))
            for i in range(runs)
            for _ in range(8 + i % 57)
        ]
        await asyncio.sleep(60)  # by when all have begun
        before = taken.copy()
        await asyncio.sleep(minutes * 60)
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return taken - before

    cpu = _cpu_seconds()
    shares = run_in_virtual_time(main())
    cpu = _cpu_seconds() - cpu
    fair = sum(shares.values()) / runs
    return [
        f"{runs} runs with 8 to 64 calls at a time each, half of them with calls twice as long, for "
        f"{minutes} simulated minutes; {len(started):,} calls, {cpu / len(started) * 1000:.2f} ms of CPU each, the "
        "simulation included.",
        "",
        "| | limit | most seen | on average |",
        "|---|---|---|---|",
        f"| requests in any minute | {limits.requests_per_minute:,} "
        f"| {most_in_a_minute([(at, 1) for at, _ in started]):,} | {len(started) / (minutes + 1):,.0f} |",
        f"| tokens in any minute | {limits.tokens_per_minute:,} | {most_in_a_minute(started):,} "
        f"| {sum(t for _, t in started) / (minutes + 1):,.0f} |",
        f"| calls in flight | {limits.max_in_flight} | {most_in_flight} | |",
        "",
        f"Tokens of a run, as a share of an even split: {min(shares.values()) / fair:.3f} to "
        f"{max(shares.values()) / fair:.3f}.",
    ]


def _precedence() -> str:
    if os.sched_getscheduler(0) == os.SCHED_OTHER:
        return ""
    return " All clients and the endpoint ran with precedence over other programs (`chrt`)."


def most_in_a_minute(events: list[tuple[float, int]]) -> int:
    most = total = 0
    recent: deque[tuple[float, int]] = deque()
    for at, units in events:
        recent.append((at, units))
        total += units
        while recent[0][0] <= at - 60:
            total -= recent.popleft()[1]
        most = max(most, total)
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--minutes", type=int, default=10, help="simulated, for the runs")
    parser.add_argument("--distilabel", default=sys.executable, help="an interpreter that has it")
    parser.add_argument("--curator", default=sys.executable, help="an interpreter that has it")
    parser.add_argument("--out", help="a Markdown file")
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        run_client(options.client, Load(options.url, prompts(options.calls), options.in_flight))
        return
    pythons = dict.fromkeys(CLIENTS, sys.executable)
    pythons |= {"distilabel": options.distilabel, "curator": options.curator}
    lines = [
        "# The LLM gateway",
        "",
        *compare(pythons, options.calls, options.in_flight, options.repeats),
        *share(options.runs, options.minutes),
        "",
        f"{os.cpu_count()} cores; Python {sys.version.split()[0]}, aiohttp {importlib.metadata.version('aiohttp')}."
        f"{_precedence()}",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
