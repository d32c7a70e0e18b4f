"""Replays docs/tutorial.md in an empty environment, from a wheel, with the offline teacher: `make journey`.

    python tests/e2e/journey.py [--student FOLDER] [--samples N] [--server LLAMA_SERVER] [--keep FOLDER] [--reuse]

The commands are those of the page, in its order. Only this differs: the wheel stands for the clone; `--student` is
the model for `pada init`, and without it the demo student is taken, for which there is no GGUF; the clustering needs
no Hub; `--samples` makes the runs smaller; with `--reuse` pip finds the other packages where they are installed
already, and so installs the wheel alone. With `--server`, or llama-server on the PATH, the GGUF file answers one
question.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
EXAMPLE = "examples/tickets.csv"
TEAMS = {"billing", "delivery", "returns", "account"}
_PATIENCE_S = 3600.0
_SMALLER = " --set iterations=1 --set data.regime={0} --set data.eval_samples={0}"
_WITHOUT_A_HUB = "--set pattern_analysis.embedding=tfidf"


class Journey(NamedTuple):
    """What a replay is made with. `student` is a folder, or `demo`."""

    wheel: str
    student: str
    samples: int | None = None
    reuse: bool = False  # of the packages that are installed beside what runs this

    @property
    def is_real(self) -> bool:
        return self.student != "demo"


def commands(page: str, journey: Journey) -> list[str]:
    """The shell commands of the tutorial as this replay types them."""
    found = re.findall(r"^```bash\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    return [typed(line, journey) for block in found for line in block.splitlines() if line.strip()]


def typed(line: str, journey: Journey) -> str:
    """One command of the page, changed where a replay has to."""
    if "pip install" in line:
        return line.replace("'.[gguf]'", shlex.quote(f"{journey.wheel}[gguf]"))
    if line.startswith("pada init"):
        return f"{line} --student {shlex.quote(journey.student)}"
    if line.startswith("pada run"):
        fewer = journey.samples
        smaller = "" if fewer is None else _SMALLER.format(fewer)
        return f"{line}{smaller}" if "--rehearse" in line else f"{line} {_WITHOUT_A_HUB}{smaller}"
    if line.startswith("pada export") and not journey.is_real:
        return line.replace(" --gguf Q8_0", "")
    return line


def replay(journey: Journey, work: Path, server: str | None) -> None:
    """Types every command in `work`. Raises AssertionError at the first that fails, or whose result is not there."""
    environment = _empty_environment(work, journey.reuse)
    answers_from_the_file = journey.is_real and server is not None
    serve = ""
    for line in commands(TUTORIAL.read_text(encoding="utf-8"), journey):
        if line.startswith("llama-server"):
            serve = line.replace("llama-server", shlex.quote(server or ""), 1)
        elif line.startswith("curl"):
            if answers_from_the_file:
                said = _ask_server(serve, line, work, environment)
                assert any(team in said.lower() for team in TEAMS), f"no team in the reply: {said}"
        else:
            said = _type(line, work, environment)
            assert said.strip() or "pip" in line, f"{line}: said nothing"
            assert "--rehearse" not in line or "mean nothing" in said
    if journey.is_real and not answers_from_the_file:
        print("the GGUF file was not asked anything: there is no llama-server on the PATH; give --server")
    _check(work, journey)


def _check(work: Path, journey: Journey) -> None:
    """That what the page promises is there."""
    for name in ("tickets", "tickets-rehearsal"):
        state = json.loads((work / "runs" / name / "state.json").read_text())
        assert state["status"] == "done", state
    assert (work / "runs/tickets/report/index.html").is_file()
    export = work / "tickets-model"
    assert (export / "adapter" / "adapter_config.json").is_file()
    assert (export / "data" / "synthetic.parquet").is_file()
    assert bool(list(export.glob("*.gguf"))) is journey.is_real


def _type(line: str, work: Path, environment: dict[str, str]) -> str:
    print(f"$ {line}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
    print(f"{done.stdout[-1500:]}{done.stderr[-1500:]}({time.monotonic() - began:.0f} s)\n", flush=True)
    assert done.returncode == 0, f"{line}: exit code {done.returncode}"
    return done.stdout


def _ask_server(serve: str, ask: str, work: Path, environment: dict[str, str]) -> str:
    """What the server that the command `serve` starts replies to the command `ask`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _running(f"exec {serve.replace('--port 8080', f'--port {port}')}", work, environment) as server:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            assert server.poll() is None, f"llama-server ended with exit code {server.returncode} before it answered"
            assert time.monotonic() < deadline, "the server did not start within two minutes"
            time.sleep(0.5)
        said: dict[str, Any] = json.loads(_type(ask.replace(":8080", f":{port}"), work, environment))
    return str(said["choices"][0]["message"]["content"])


@contextlib.contextmanager
def _running(line: str, work: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["bash", "-c", line], cwd=work, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _empty_environment(work: Path, reuse: bool) -> dict[str, str]:
    """A new environment of Python in `work`, where also the file of the tutorial and its constraints lie."""
    subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
    if reuse:
        # Links, in a folder outside the environment, where pip reads and never writes.
        (work / "reused").mkdir()
        for package in Path(sysconfig.get_path("purelib")).iterdir():
            if "pada_ray" not in package.name:
                (work / "reused" / package.name).symlink_to(package)
        (site,) = (work / "venv").glob("lib/python*/site-packages")
        (site / "reused.pth").write_text(str(work / "reused"))
    (work / "examples").mkdir()
    shutil.copy(ROOT / EXAMPLE, work / EXAMPLE)
    shutil.copy(ROOT / "constraints.txt", work)
    own = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "PYTHON"))}
    path = f"{work / 'venv' / 'bin'}:{own['PATH']}"
    return own | {"PATH": path, "VIRTUAL_ENV": str(work / "venv"), "HF_HUB_OFFLINE": "1", "COLUMNS": "120"}


def build_wheel(target: Path) -> str:
    """Builds the project's wheel into a folder, from a copy, so that nothing of an earlier build gets in."""
    with tempfile.TemporaryDirectory() as copy:
        for part in ("pada_ray", "actors", "jobs"):
            shutil.copytree(ROOT / part, Path(copy) / part, ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / file, copy)
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", target, copy]
        subprocess.run(command, check=True)
    (wheel,) = target.glob("*.whl")
    return str(wheel)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--student", default="demo", help="folder of a small model; default: the demo student")
    parser.add_argument("--samples", type=int, help="training samples, for one iteration; default: all")
    parser.add_argument("--server", default=shutil.which("llama-server"), help="llama.cpp's llama-server")
    parser.add_argument("--keep", type=Path, help="a new folder for all of it; default: one that is deleted")
    parser.add_argument("--reuse", action="store_true", help="take the packages that are installed here already")
    given = parser.parse_args()
    student = given.student if given.student == "demo" else str(Path(given.student).resolve(strict=True))
    with tempfile.TemporaryDirectory() as temporary:
        work = given.keep or Path(temporary) / "journey"
        work.mkdir(parents=True)
        journey = Journey(build_wheel(work), student, given.samples, given.reuse)
        replay(journey, work.resolve(), given.server)
    print("journey: every command of docs/tutorial.md did what it says")


if __name__ == "__main__":
    main()
