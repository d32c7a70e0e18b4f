"""Connect to Ray: the cluster that RAY_ADDRESS names (as under `ray job submit`), else one on this machine."""

from __future__ import annotations

import io
import logging
import os
import secrets
import signal
import socket
import stat
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from pada_ray.errors import PadaError, StorageError, one_line

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDOUT, STDERR = 1, 2
_ENDED_BY = 128  # plus the signal: the exit code of a process that a signal ended
TERMINATED = _ENDED_BY + signal.SIGTERM
ANSWER_WITHIN_S = 10.0
_ELSEWHERE = "RAY_ADDRESS={}: cannot connect to a Ray cluster: {}; unset RAY_ADDRESS to start Ray on this machine"


class NoCluster(PadaError, ConnectionError):
    """There is no Ray to connect to, or it could not be started."""


class Interrupt:
    """The signal that is to end a block. Python drops what a handler raises while a finalizer runs, so a loop that
    waits for long asks here as well."""

    signal = 0  # none has arrived

    def check(self) -> None:
        """Raises KeyboardInterrupt if a signal has arrived."""
        if self.signal:
            raise KeyboardInterrupt


@contextmanager
def connected(verbose: bool, log: str, stopped: str) -> Iterator[Interrupt]:
    """Connects to Ray while the block lasts. Output goes to the file `log`, or with `verbose` to the terminal.

    Only a Console that got its file before the block still prints to the terminal. SIGTERM, which `ray job stop` sends,
    and SIGHUP, which a terminal sends that closes, end the block as Ctrl-C does, by KeyboardInterrupt, and then exit
    with 128 and the signal; SIGTERM prints `stopped` before. What catches the first KeyboardInterrupt to tidy up gets
    another one when the user presses Ctrl-C again. Raises NoCluster, and StorageError for a log that cannot be opened.
    """
    interrupt = Interrupt()

    def end(signal_number: int, frame: FrameType | None) -> None:
        first, interrupt.signal = not interrupt.signal, signal_number
        if signal_number == signal.SIGHUP:
            _forget_terminal(terminal)
        elif first:
            with suppress(OSError):  # standard error may be on a full disk
                # At once: the sender waits a few seconds and then kills, perhaps before the block has ended.
                os.write(terminal, f"error: {stopped}\n".encode())
        raise KeyboardInterrupt  # any other exception would get lost in Ray's calls

    with ExitStack() as outputs:
        terminal = STDERR
        if not verbose:
            file = outputs.enter_context(open_log(log))
            outputs.enter_context(redirect_stdout(file))
            outputs.enter_context(redirect_stderr(file))
            terminal = outputs.enter_context(stderr_to(file.fileno()))
        hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # Ray's processes inherit this, and outlive a terminal
        _start(verbose)
        before = signal.signal(signal.SIGTERM, end)  # Ray's own handler prints a C++ stack
        if hang_up != signal.SIG_IGN:  # which nohup sets
            signal.signal(signal.SIGHUP, end)
        try:
            yield interrupt
        except KeyboardInterrupt:
            if interrupt.signal:
                raise SystemExit(_ENDED_BY + interrupt.signal) from None
            raise
        finally:
            import ray

            with _undisturbed():
                ray.shutdown()
            signal.signal(signal.SIGTERM, before)
            signal.signal(signal.SIGHUP, hang_up)


def open_log(path: str) -> TextIO:
    """Opens a file for appending, in a folder that is made, which drops what its disk does not take: a log must not end
    what it tells of. Raises StorageError where there can be no such file."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = _LogFile(path, "a")
    except OSError as e:
        raise StorageError(f"{e.filename or path}: {e.strerror}; with --verbose no log is written") from None
    return io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8")


class _LogFile(io.FileIO):
    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


@contextmanager
def stderr_to(file: int) -> Iterator[int]:
    """Sends to `file` what is written to the process's standard error itself, past Python, as Ray's C++ parts do.
    Yields where standard error went before."""
    before = os.dup(STDERR)
    os.dup2(file, STDERR)
    try:
        yield before
    finally:
        os.dup2(before, STDERR)
        os.close(before)


def _forget_terminal(stderr: int) -> None:
    """Sends what is still printed nowhere: writing to a terminal that has closed is an error. `stderr` is where
    standard error goes to, or went to before."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (STDOUT, STDERR, stderr):
        if stat.S_ISCHR(os.fstat(stream).st_mode):
            os.dup2(nowhere, stream)
    os.close(nowhere)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C does nothing while the block lasts."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _start(verbose: bool) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    address = cluster_address()
    check_cluster()
    if address is None:
        _set_up_local()
    import ray

    level = logging.INFO if verbose else logging.ERROR
    common = {"log_to_driver": verbose, "logging_level": level}
    try:
        if address is not None:
            ray.init(**common)
        else:
            ray.init(address="local", dashboard_host="127.0.0.1", **common)
    except Exception as e:  # Ray raises many kinds
        traceback.print_exc()
        where = "Ray did not start here: {1}" if address is None else _ELSEWHERE
        raise NoCluster(where.format(address, one_line(e))) from e


def _set_up_local() -> None:
    """What a Ray of our own takes from the environment, most of it when it is imported."""
    keep_token()
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    # Has Ray take 127.0.0.1 for this machine's address, so that all its processes listen there alone. The name is of
    # the systems on which that is the default.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    # A local machine is not preempted, so fine-tunings need no process that watches for that.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    # Ray ends a process that has been idle for a second. Between two rounds of LLM calls more time goes by, and the
    # next task would wait seconds for a new one.
    os.environ.setdefault("RAY_idle_worker_killing_time_threshold_ms", "60000")


def keep_token() -> None:
    """Lets this user alone read Ray's token, which Ray itself would write for all to read; makes one if there is none.

    Raises NoCluster where that is not possible.
    """
    if "RAY_AUTH_TOKEN" in os.environ:
        return
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # which is this user's alone
                file.write(secrets.token_hex(32))
                file.flush()
                with suppress(FileExistsError):  # another command was first
                    os.link(file.name, path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as e:
        raise NoCluster(f"{path}: Ray's token cannot be kept from other users: {e.strerror}; see to it by hand") from e


def cluster_address() -> str | None:
    """RAY_ADDRESS; None where it is not set, or empty."""
    return os.environ.get("RAY_ADDRESS") or None


def check_cluster() -> None:
    """Raises NoCluster if nothing listens at the host and port in RAY_ADDRESS. Ray itself would try for minutes."""
    address = cluster_address() or ""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_WITHIN_S).close()
    except OSError as e:
        raise NoCluster(_ELSEWHERE.format(address, e)) from None


def log_folder() -> str:
    """The folder of Ray's logs of this session. Each node has those of its own processes."""
    import ray

    context = ray.get_runtime_context()
    return os.path.join(context.get_temp_dir(), context.get_session_name(), "logs")
