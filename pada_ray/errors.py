"""The errors that a user may see. Each says in one line what is wrong, where, and what to do.

They keep a standard-library base and take only positional strings, because they are pickled between
processes.
"""

import re


class PadaError(Exception):
    """An error that the user can fix. The command line prints it as one line and exits with `exit_code`."""

    exit_code = 2


class ConfigError(PadaError, ValueError):
    """A config that cannot be run: the key's path, what is wrong, what is allowed."""


class DataError(PadaError, ValueError):
    """A data file that cannot be used: file, line, what is wrong."""


class StorageError(PadaError, OSError):
    """A store that cannot be reached or refuses: the file's URL, what the store says."""


class DamagedFile(StorageError):
    """A file of a run that is not what the run wrote: the file, what is wrong, how it is made again."""


class DiskFull(StorageError):
    """A disk without room: the file, how much is free, what to do."""


class EndpointError(PadaError, ConnectionError):
    """An LLM endpoint that cannot be reached, refuses the key, or keeps answering with errors."""


class EndpointDown(EndpointError):
    """An LLM endpoint has been down for longer than the config has patience for. The run pauses."""

    exit_code = 3


class BudgetReached(PadaError, RuntimeError):
    """A run has spent its budget. It pauses, and a higher budget lets it continue."""

    exit_code = 3


class LoopStuck(PadaError, RuntimeError):
    """A sign that the loop goes nowhere, of those that `stop_if` names. The run pauses before more is spent."""

    exit_code = 3


class ReviewDue(PadaError, RuntimeError):
    """The run has come to where a person reviews what it made. Nothing is wrong: it says which file to edit."""

    exit_code = 0


PAUSES = (BudgetReached, EndpointDown, LoopStuck)
"""What pauses a run: nothing has failed, and it goes on when there is money, or an endpoint, again, or when a person
says so."""


class UnreadableReply(ValueError):
    """An LLM reply that stayed unreadable after every re-ask. It concerns one call, is never a score
    and never ends a run: the caller counts it and continues."""


_FRAMES = re.compile(r'(?s).*\n  File "[^\n]*\n(?:    [^\n]*\n)*')  # of a traceback, up to the error itself


def one_line(e: BaseException, most: int = 600) -> str:
    """An error's message as one line of at most `most` characters; its type if it has no message."""
    told = str(e)
    if getattr(e, "actor_init_failed", False):
        told = _FRAMES.sub("", told)  # of the error in the constructor Ray keeps only its traceback, as text
    return " ".join(told.split())[:most] or type(e).__name__


_LOST_WORKER = "health_check_failure"  # of Ray Train
_CAUSES = ("cause", _LOST_WORKER, "controller_failure", "__cause__")  # where Ray's layers keep what they pass on


def root_cause(e: BaseException) -> BaseException:
    """The innermost cause of an error that passed through Ray's layers."""
    seen = {id(e)}
    while True:
        inner = next((found for name in _CAUSES if isinstance(found := getattr(e, name, None), BaseException)), None)
        failures = getattr(e, "worker_failures", None)  # of Ray Train: worker rank -> error
        if failures:
            # A worker that is lost cuts the others off, which then fail by this.
            lost = [failure for failure in failures.values() if hasattr(failure, _LOST_WORKER)]
            inner = next(iter(lost or failures.values()))
        if inner is None or id(inner) in seen:
            return e
        seen.add(id(inner))
        e = inner


# Of `ray.exceptions`, known by name, since few modules of the method import Ray.
_LOST = {
    "RayActorError", "WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "LocalRayletDiedError", "OwnerDiedError"
}  # fmt: skip
_DIED = "ray.exceptions.ActorDiedError"
_ADVICE = (
    "have fewer runs at once (`parallel`); a new run may take a smaller `fine_tune.batch_size` or "
    "`evaluation.batch_size`"
)


def lost_process(e: BaseException) -> str | None:
    """What to tell the user of a process that Ray has lost, in one line with what to do; None for any other error.
    `e` is a root cause.

    Ray knows that memory was short where its own monitor ended the process. What the operating system ends looks to Ray
    like any other crash.
    """
    kinds = {kind.__name__ for kind in type(e).__mro__ if kind.__module__ == "ray.exceptions"}
    name, told = type(e).__name__, str(e)
    if "RayError" in kinds and told.startswith(f"Exception {_DIED} "):
        # Ray 2.60 cannot pickle this error, and passes it on as the text of its traceback.
        name, told = "ActorDiedError", told.rpartition(f"{_DIED}: ")[2]
    elif not kinds & _LOST or getattr(e, "actor_init_failed", False):  # what fails at its start tells its own error
        return None
    told = " ".join(told.split())
    if "OutOfMemoryError" in kinds or "running low on memory" in told:
        return f"a process was lost: Ray ended it because memory was short ({told[:300]}); {_ADVICE}"
    return (
        f"a process was lost: {name}: {told[:600]}; if memory was short (`dmesg` names what the system has ended), "
        f"{_ADVICE}"
    )
