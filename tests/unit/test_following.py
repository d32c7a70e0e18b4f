"""Following a job through lost connections, against a client that fails as told."""

import io
from typing import NamedTuple

import pytest
from aiohttp import ClientConnectionError

from jobs.local.ray_session import TERMINATED
from jobs.remote.following import DETACHED, Follower, LostCluster, exit_code, follow

LOG = "first\nsecond\nthird\n"
ADDRESS = "http://head:8265"


class Details(NamedTuple):
    status: str
    driver_exit_code: int | None = None
    message: str | None = None


class Client:
    """`streams` says what each connection gives: pieces of the log, then an error, or None where it just ends."""

    def __init__(self, *streams, details=None, unreachable=0):
        self.streams = list(streams)
        self.details = details or Details("SUCCEEDED", 0)
        self.unreachable = unreachable
        self.asked = 0

    def get_job_info(self, job_id):
        self.asked += 1
        if 1 < self.asked <= 1 + self.unreachable:
            raise OSError("connection refused")
        return Details("RUNNING") if self.streams else self.details

    def get_job_logs(self, job_id):
        return LOG

    async def tail_job_logs(self, job_id):
        pieces, error = self.streams.pop(0)
        for piece in pieces:
            yield piece
        if error is not None:
            raise error


class Console:
    def __init__(self):
        self.lines = []

    def print(self, line, **_):
        self.lines.append(line)


def follower(client, out, told, **settings):
    return Follower(client, "job", ADDRESS, told.append, out=out, pause=lambda _: None, **settings)


def test_the_log_is_printed_once_through_lost_connections():
    client = Client(
        (["first\n", "sec"], ClientConnectionError()),
        (["first\nsecond\n"], RuntimeError("WebSocket connection closed unexpectedly with close code 1006")),
        (["first\n"], None),  # the agent that reads the log went away, which looks like an end
        unreachable=1,
    )
    out, told = io.StringIO(), []
    assert follower(client, out, told).to_the_end().status == "SUCCEEDED"
    assert out.getvalue() == LOG
    assert told == [
        f"lost the connection to {ADDRESS}; the job goes on, trying again",
        f"{ADDRESS} answers again",
        f"lost the connection to {ADDRESS}; the job goes on, trying again",
        f"{ADDRESS} answers again",
    ]


def test_following_goes_on_from_where_it_was_told():
    out = io.StringIO()
    follower(Client((["first\nsecond\n"], None)), out, [], seen=len("first\n")).to_the_end()
    assert out.getvalue() == "second\nthird\n"


def test_a_silent_connection_is_made_anew():
    class Silent(Client):
        async def tail_job_logs(self, job_id):
            import asyncio

            if len(self.streams) == 2:
                self.streams.pop(0)
                await asyncio.sleep(3600)
            async for piece in super().tail_job_logs(job_id):
                yield piece

    out, told = io.StringIO(), []
    follower(Silent(([], None), (["first\n"], None)), out, told, silence_s=0.01).to_the_end()
    assert (out.getvalue(), told) == (LOG, [])


def test_it_gives_up_on_a_cluster_that_does_not_come_back():
    client = Client((["first\n"], None), details=Details("RUNNING"), unreachable=1000)
    with pytest.raises(LostCluster, match=f"pada attach job --address {ADDRESS}"):
        follower(client, io.StringIO(), [], patience_s=0).to_the_end()


def test_a_job_that_is_gone_is_not_waited_for():
    class Gone(Client):
        def get_job_info(self, job_id):
            raise RuntimeError("Request failed with status code 404: Job job does not exist.")

    with pytest.raises(RuntimeError, match="404"):
        follower(Gone(), io.StringIO(), []).to_the_end()


@pytest.mark.parametrize(
    ("details", "code"),
    [
        (Details("SUCCEEDED", 0), 0),
        (Details("FAILED", 2), 2),
        (Details("FAILED", 3), 3),
        (Details("FAILED", None, "runtime_env setup failed"), 1),
        (Details("STOPPED", None), TERMINATED),
    ],
)
def test_the_exit_code_is_the_jobs(details, code):
    assert exit_code(details) == code


def test_what_ray_says_of_a_job_that_never_began_is_shown(capsys):
    console = Console()
    assert follow(Client(details=Details("FAILED", None, "no\nroom")), "job", ADDRESS, console) == 1
    assert console.lines == ["job: failed, exit code 1", "no room"]


def test_interrupted_it_only_detaches_and_says_how_to_go_on():
    class Interrupted(Client):
        def get_job_info(self, job_id):
            raise KeyboardInterrupt

    console = Console()
    assert follow(Interrupted(), "job", ADDRESS, console) == DETACHED
    (line,) = console.lines
    assert f"pada attach job --address {ADDRESS}" in line
    assert f"ray job stop job --address {ADDRESS}" in line
