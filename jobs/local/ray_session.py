"""Connect to Ray: the cluster that RAY_ADDRESS names (as under `ray job submit`), else one on this machine."""

from __future__ import annotations

import logging
import os
import signal
import socket
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from types import FrameType

from pada_ray.errors import PadaError, one_line

STDERR = 2
TERMINATED = 143  # the exit code of a process that SIGTERM ended
ANSWER_WITHIN_S = 10.0
_ELSEWHERE = "RAY_ADDRESS={}: no Ray cluster to connect to: {}; without RAY_ADDRESS, Ray is started on this machine"


class NoCluster(PadaError, ConnectionError):
    """There is no Ray to connect to, or it could not be started."""


@contextmanager
def connected(verbose: bool, log: str, stopped: str) -> Iterator[None]:
    """Ray for the length of a block. What Ray and others print goes to the file `log`, with `verbose` to the terminal.

    Only a Console that was given its file before the block still reaches the terminal. SIGTERM, as `ray job stop` sends
    it, says `stopped`, ends the block as Ctrl-C does, and then the program.
    """
    terminated = False

    def terminate(signal_number: int, frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # At once: whoever sent it waits for seconds only, and then kills, in the midst of the ending.
        os.write(STDERR, f"error: {stopped}\n".encode())
        raise KeyboardInterrupt  # any other exception would get lost in Ray's calls

    with ExitStack() as outputs:
        if not verbose:
            file = outputs.enter_context(open(log, "a", encoding="utf-8"))
            outputs.enter_context(redirect_stdout(file))
            outputs.enter_context(redirect_stderr(file))
        _start(verbose)
        before = signal.signal(signal.SIGTERM, terminate)  # Ray's own handler prints a stack of C++
        try:
            yield
        except KeyboardInterrupt:
            if terminated:
                raise SystemExit(TERMINATED) from None
            raise
        finally:
            import ray

            ray.shutdown()
            signal.signal(signal.SIGTERM, before)


def _start(verbose: bool) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import ray

    level = logging.INFO if verbose else logging.ERROR
    common = {"log_to_driver": verbose, "logging_level": level}
    address = os.environ.get("RAY_ADDRESS")
    check_cluster()
    try:
        if address is not None:
            ray.init(**common)
        else:
            # One machine of one's own is not taken away: spare each fine-tuning the process that watches for it.
            os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
            ray.init(address="local", dashboard_host="127.0.0.1", **common)
    except Exception as e:  # Ray's own are of many kinds
        traceback.print_exc()
        where = "Ray did not start here: {1}" if address is None else _ELSEWHERE
        raise NoCluster(where.format(address, one_line(e))) from e


def check_cluster() -> None:
    """Raises NoCluster where RAY_ADDRESS names a host and port at which nothing listens: Ray itself would try for
    minutes."""
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_WITHIN_S).close()
    except OSError as e:
        raise NoCluster(_ELSEWHERE.format(address, e)) from None


def log_folder() -> str:
    """Where Ray's logs of this session lie, on every node those of its own processes."""
    import ray

    context = ray.get_runtime_context()
    return os.path.join(context.get_temp_dir(), context.get_session_name(), "logs")
