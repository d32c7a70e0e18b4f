"""Jobs on a real cluster with tokens on: submitted, followed, stopped, resumed. One cluster for all tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import PADA, ROOT, environment, pada, read_state, settings, wait_until
from local_server import free_port

from pada_ray.demo.domain import splits

BIN = Path(sys.executable).parent
KEY = f"key-{secrets.token_hex(12)}"
DEMO = "configs/demo.yaml"
AGENT_PORT = 52365  # where the agent of every `ray start` listens, if it is not told otherwise
# What a run starts on the cluster. Ray's own actors stay, and hold nothing.
OF_A_RUN = re.compile(
    r"ray::(Orchestrator|LlmGateway|PatternAnalysis|DataGeneration|_?QualityControl|Computation|StageClaims|"
    r"ResidentStudent|RayTrainWorker|TrainController|MapWorker)|-m jobs\.|pada_ray\.teacher"
)


class RunningCluster:
    """A cluster of one node with two CPUs. `client` is the environment of whoever talks to it."""

    def __init__(self, folder: Path):
        self.home = folder / "home"
        self.home.mkdir()
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        self.client = environment() | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.client["PATH"] = f"{BIN}:{self.client['PATH']}"
        self.folder = folder
        self._mark = secrets.token_hex(8)
        own = {
            "HOME": str(self.home),
            "TEACHER_KEY": KEY,
            "PADA_TEST_MARK": self._mark,
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self.gcs = f"127.0.0.1:{free_port()}"
        dashboard = free_port()
        self.address = f"http://127.0.0.1:{dashboard}"
        ports = {
            "port": self.gcs.rpartition(":")[2],
            "dashboard-port": dashboard,
            "ray-client-server-port": free_port(),
            # Another cluster on this machine has the usual one; then Ray starts without an agent, and takes no job.
            "dashboard-agent-listen-port": free_port(),
        }
        subprocess.run(
            [
                *[
                    "ray",
                    "start",
                    "--head",
                    "--num-cpus=2",
                    "--node-ip-address=127.0.0.1",
                    "--dashboard-host=127.0.0.1",
                ],
                *[f"--{name}={port}" for name, port in ports.items()],
                f"--temp-dir={folder / 'ray'}",
            ],
            env=self.client | own,
            check=True,
            timeout=180,
            stdout=subprocess.DEVNULL,
        )

    def processes(self) -> Iterator[tuple[psutil.Process, str]]:
        """What runs on the cluster, with command lines."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("PADA_TEST_MARK") == self._mark:
                    yield process, " ".join(process.cmdline())

    def of_a_run(self) -> list[str]:
        return [line for _, line in self.processes() if OF_A_RUN.search(line)]

    def ray(self, *args: str, timeout: float = 90) -> str:
        done = subprocess.run(["ray", *args], env=self.client, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_ray(self, *args: str) -> str:
        env = self.client | {"RAY_API_SERVER_ADDRESS": self.address}
        done = subprocess.run(["ray", *args], env=env, capture_output=True, text=True, timeout=90)
        return done.stdout

    def start(self, *command: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=self.client,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # As in a terminal: what a shell runs in the background, and all below it, is deaf to Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def kill(self) -> None:
        found = [process for process, _ in self.processes()]
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=30)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RunningCluster]:
    folder = Path(
        tempfile.mkdtemp(prefix="pada")
    )  # Ray's sockets lie below it, and the length of their paths is limited
    with socket.socket() as another_cluster:
        with contextlib.suppress(OSError):  # then there is one indeed
            another_cluster.bind(("0.0.0.0", AGENT_PORT))
            another_cluster.listen()
        started = RunningCluster(folder)
        try:
            yield started
        finally:
            started.kill()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_folder(tmp_path) -> Path:
    """Not the repository: a sweep of two cells, and what it names by relative paths."""
    drawn = splits(seed=0, train_size=40, eval_size=20)
    for name in ("train", "val"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in drawn[name]))
    shutil.copytree(ROOT / "pada_ray/demo/student", tmp_path / "model")
    raw = yaml.safe_load((ROOT / DEMO).read_text())
    raw |= {"name": "small", "method": "vanilla", "data": {"train": "train.jsonl", "val": "val.jsonl"}}
    raw["student"]["model"] = "./model"
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(raw | {"grid": {"seed": [0, 1]}}))
    return tmp_path


class Line:
    """A way to the cluster that can be cut: what comes to `address` is passed on, until it is not."""

    def __init__(self, target: str):
        self._target = int(target.rpartition(":")[2])
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        self._open: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.mend()

    def mend(self) -> None:
        listening = asyncio.start_server(self._pass_on, "127.0.0.1", self._port)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)

    def cut(self) -> None:
        async def close() -> None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._open += [writer, back]

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
                sink.close()

        await asyncio.gather(copy(reader, back), copy(there, writer))


def finish(process: subprocess.Popen[str], code: int = 0, timeout: float = 800) -> str:
    out, _ = process.communicate(timeout=timeout)
    assert process.returncode == code, out
    return out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_and_a_sweep_from_submission_to_results(cluster, own_folder):
    key = settings(llm__teacher__api_key_env="TEACHER_KEY", llm__judge__api_key_env="TEACHER_KEY")
    submit = ["job", "submit", "--submission-id", "demo", "--no-wait", "--working-dir", str(ROOT), "--"]
    # What takes jobs may come up seconds after `ray start` has ended.
    wait_until(lambda: "submitted" in cluster.try_ray(*submit, "python", "-m", "jobs.run", DEMO, *key), "agent", 90)
    run_job = cluster.start(PADA, "attach", "demo", "--address", cluster.address)
    sweep_job = cluster.start(
        *[PADA, "sweep", "sweep.yaml", "--address", cluster.address, *settings()],
        cwd=own_folder,
    )
    ran, swept = finish(run_job), finish(sweep_job)
    assert f"run: {cluster.home}/runs/demo" in ran
    assert "pada iteration 1" in ran
    assert read_state(cluster.home / "runs/demo").status == "done"
    assert "vanilla fine-tuning" in pada("show", str(cluster.home / "runs/demo"), cwd=own_folder).stdout
    assert re.search(r"^job: pada-sweep-\w+$", swept, re.MULTILINE)
    for seed in (0, 1):
        assert f"seed-{seed}: done" in swept
        state = read_state(cluster.home / f"runs/small/cells/seed-{seed}")
        assert (state.status, set(state.scores)) == ("done", {"base", "iteration-0"})
    assert not (own_folder / "runs").exists()
    wait_until(lambda: not cluster.of_a_run(), "end of the actors", 60)

    told = ran + swept + cluster.ray("job", "list", "--address", cluster.address)
    assert "TEACHER_KEY" in told
    assert KEY not in told
    files = [file for file in cluster.folder.rglob("*") if file.is_file()]
    assert len(files) > 100
    assert not [file for file in files if KEY.encode() in file.read_bytes()]


@pytest.mark.timeout(900)
def test_a_stopped_job_leaves_nothing_and_is_gone_on_with(cluster):
    run = cluster.home / "runs/stopped"
    tiny = settings(
        name="stopped", method="vanilla", fine_tune__epochs=15
    )  # so that it is still training when it is stopped
    following = cluster.start(PADA, "run", DEMO, *tiny, "--address", cluster.address)
    wait_until(lambda: any("ray::ResidentStudent.fine_tune" in line for line in cluster.of_a_run()), "fine-tuning")
    assert any("pada_ray.teacher" in line for line in cluster.of_a_run())
    following.send_signal(signal.SIGINT)
    detached = finish(following, 130)
    job = re.search(r"^job: (\S+)$", detached, re.MULTILINE)[1]
    assert f"pada attach {job} --address {cluster.address}" in detached

    attached = cluster.start(PADA, "attach", job, "--address", cluster.address)
    wait_until(lambda: attached.stdout.readline().startswith("run: "), "the log")
    cluster.ray("job", "stop", job, "--address", cluster.address)
    told = finish(attached, 143)
    assert f"error: stopped; continue with `pada resume {run}`" in told
    assert f"{job}: stopped, exit code 143" in told
    assert "SIGTERM received" not in told
    wait_until(lambda: not cluster.of_a_run(), "end of all that the run had started", 60)
    wait_until(lambda: "0.0/2.0 CPU" in cluster.ray("status", "--address", cluster.gcs), "free CPUs", 60)
    assert read_state(run).status in ("running", "stopped")  # Ray gives it three seconds

    line = Line(cluster.address)
    resumed = cluster.start(PADA, "resume", "runs/stopped", "--address", line.address)
    wait_until(lambda: resumed.stdout.readline().startswith("run: "), "the log")
    line.cut()
    wait_until(lambda: "lost the connection" in resumed.stdout.readline(), "loss")
    line.mend()
    told = finish(resumed)
    assert f"{line.address} answers again" in told
    assert "run: " not in told  # what had been seen is not printed again
    assert "vanilla fine-tuning" in told
    assert read_state(run).status == "done"


def test_what_only_the_cluster_can_tell_is_an_exit_code_too(cluster):
    keyless = settings(llm__teacher__api_key_env="NOT_THERE")
    told = finish(cluster.start(PADA, "run", DEMO, *keyless, "--address", cluster.address), 2)
    assert "error: llm.teacher.api_key_env: the environment variable NOT_THERE is not set" in told


def test_without_the_token_nothing_is_taken(cluster, tmp_path):
    stranger = {key: value for key, value in cluster.client.items() if not key.startswith("RAY_")}
    command = [PADA, "run", DEMO, "--address", cluster.address]
    done = subprocess.run(
        command, cwd=ROOT, env=stranger | {"HOME": str(tmp_path)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "refuses the token" in done.stderr
