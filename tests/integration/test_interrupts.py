"""A run that is stopped while calls are at its endpoint, by a signal to all its processes, as a terminal sends it."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stub_endpoint import Stream, StubEndpoint, finished, in_background, used

ROOT = Path(__file__).parents[2]


PROGRAM = """
import asyncio, sys
from rich.console import Console
from jobs.local.progress import Progress
from jobs.local.ray_session import connected

url, folder = sys.argv[1:]
console = Console(file=open(folder + "/out", "w", buffering=1), width=200)
with connected(False, folder + "/driver.log", "stopped") as interrupt:
    import ray
    from actors.cast import Cast
    from actors.gateway import hold_gateway
    from actors.remote import on_this_node
    from jobs.local.runner import stop
    from pada_ray.config import EndpointConfig, check_config
    from pada_ray.config.teacher import TeacherSettings
    from pada_ray.llm.chat import ChatRequest, Payer
    from pada_ray.records import Message

    @ray.remote(num_cpus=0)
    class Agent:
        async def interrupt(self):
            open(folder + "/interrupted", "w").close()

        async def ask(self, gateway):
            await asyncio.gather(*(gateway.chat.remote(question(i), Payer(run=folder), "teacher") for i in range(8)))

    def question(i):
        messages = [Message(role="user", content=str(i))]
        return ChatRequest(messages=messages, reply_schema=None, temperature=0, seed=None, purpose="test")

    endpoint = EndpointConfig(base_url=url, model="m", max_in_flight=4)
    gateway = hold_gateway(
        endpoint, folder + "/replies.sqlite", None, on_this_node(must=True), None, TeacherSettings()
    )
    agent = Agent.remote()
    cast = Cast.__new__(Cast)  # of a run that has come to an agent's calls
    cast._folder, cast._actors, cast._claims, cast.gateways = folder, {"orchestrator": agent}, None, [gateway]
    config = {"data": {"demo": {}}, "method": "vanilla"}
    progress = Progress(console, {folder: check_config(config, "test")})
    asking = agent.ask.remote(gateway)
    try:
        while True:
            interrupt.check()
            ray.wait([asking], timeout=0.2)
    except KeyboardInterrupt:
        stop([cast], progress)
        raise
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "terminal closed"])
def test_calls_at_the_endpoint_are_waited_for_and_kept(tmp_path, number):
    with in_background(StubEndpoint(lambda body, n: Stream("he", 2, "llo", finished(), used()))) as server:
        own = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, server.url, str(tmp_path)],
            cwd=ROOT,
            env=own | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"},
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL) for n in (signal.SIGINT, signal.SIGHUP)],
        )
        deadline = time.monotonic() + 100
        while len(server.bodies) < 4:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, number)
        assert process.wait(60) != 0
        assert len(server.bodies) == 4  # those that were not sent are not sent any more
    assert (tmp_path / "interrupted").exists()
    assert "stopping: 4 calls are under way, paid for and waited for" in (tmp_path / "out").read_text()
    with sqlite3.connect(tmp_path / "replies.sqlite") as db:
        assert db.execute("SELECT COUNT(*) FROM replies WHERE text = 'hello'").fetchone() == (4,)
        assert db.execute("SELECT COUNT(*) FROM paid_calls").fetchone() == (4,)
