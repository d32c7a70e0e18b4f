"""Serves a GGUF file by llama.cpp's server, as the OpenAI-compatible endpoint of a real teacher or judge.

python -m benchmarks.real.server models/qwen2.5-coder-1.5b-instruct.gguf --port 8111
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.real.models import SERVER

AT_ONCE = 12  # calls that share the context and the threads: 62 tokens a second in all, 36 with four (two cores)
CONTEXT = 8192  # tokens for each of them
KNOWN_PROMPTS = 2048  # MiB of them that are kept; by default the server takes 8 GiB, which trainings beside it lack
PROMPT_TOKENS = 512  # read at a time: while a prompt is read, the other calls get no token


@contextlib.contextmanager
def serving(gguf: Path, port: int, threads: int = os.cpu_count() or 1) -> Iterator[str]:
    """While inside, the address of an endpoint that serves `gguf` on the loopback interface.

    Raises SystemExit when the server ends before it answers.
    """
    packaged = gguf.parent / SERVER.name / "llama-server"
    program = Path(os.environ.get("LLAMA_SERVER", packaged))
    program.chmod(0o755)
    command = [str(program), "-m", str(gguf), "--host", "127.0.0.1", "--port", str(port), "-t", str(threads)]
    command += ["-np", str(AT_ONCE), "-c", str(AT_ONCE * CONTEXT), "-b", str(PROMPT_TOKENS)]
    command += ["--cache-ram", str(KNOWN_PROMPTS)]
    command += ["--jinja", "--no-webui"]
    with gguf.with_suffix(".log").open("w") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"LD_LIBRARY_PATH": str(program.parent)}
        )
        try:
            _wait_for(server, port, log.name)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int, log: str) -> None:
    while True:
        if server.poll() is not None:
            illegal = server.returncode == -signal.SIGILL
            why = (
                "it was built for another processor: build llama.cpp, and set LLAMA_SERVER" if illegal else f"see {log}"
            )
            raise SystemExit(f"llama-server ended with {server.returncode}; {why}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
            return
        time.sleep(0.5)


def _run(command: list[str]) -> int:
    """Its exit code. When this program is stopped, so is the command, and it may end in its own way."""
    running = subprocess.Popen(command)
    try:
        return running.wait()
    finally:
        if running.poll() is None:
            running.terminate()
            running.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--port", type=int, default=8111)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--while", nargs=argparse.REMAINDER, dest="command", help="serve until this command has ended")
    given = parser.parse_args()
    # Otherwise SIGTERM would end this program alone, and leave the server and the command behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with serving(given.gguf, given.port, given.threads) as url:
        if given.command:
            raise SystemExit(_run(given.command))
        print(f"{url} serves {given.gguf.name}; Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
