"""`python -m benchmarks.real.server --while`, with a stand-in for llama.cpp's server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from local_server import free_port

LLAMA_SERVER = f"""#!{sys.executable}
import http.server, os, pathlib, sys

class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

pathlib.Path(os.environ["PIDS"], "server").write_text(str(os.getpid()))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Healthy).serve_forever()
"""
COMMAND = "import os, pathlib, time; pathlib.Path(os.environ['PIDS'], 'command').write_text(str(os.getpid())); "


def served(folder: Path, then: str) -> subprocess.Popen[bytes]:
    program = folder / "llama-server"
    program.write_text(LLAMA_SERVER)
    (folder / "pids").mkdir()
    command = [sys.executable, "-m", "benchmarks.real.server", str(folder / "teacher.gguf"), "--port", str(free_port())]
    command += ["--while", sys.executable, "-c", COMMAND + then]
    env = os.environ | {"LLAMA_SERVER": str(program), "PIDS": str(folder / "pids")}
    return subprocess.Popen(command, env=env, cwd=Path(__file__).resolve().parents[2])


def pids(folder: Path) -> list[int]:
    files = [folder / "pids" / name for name in ("server", "command")]
    for _ in range(300):
        if all(file.is_file() and file.read_text() for file in files):
            return [int(file.read_text()) for file in files]
        time.sleep(0.1)
    raise AssertionError("the server and the command did not begin")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_commands_exit_code_is_the_programs_and_the_server_ends(tmp_path):
    program = served(tmp_path, "raise SystemExit(7)")
    assert program.wait(60) == 7
    assert not any(map(is_running, pids(tmp_path)))


def test_sigterm_leaves_neither_server_nor_command_behind(tmp_path):
    program = served(tmp_path, "time.sleep(300)")
    begun = pids(tmp_path)
    program.terminate()
    assert program.wait(60) == 128 + signal.SIGTERM
    assert not any(map(is_running, begun))
