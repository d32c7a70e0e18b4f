"""The errors that a user may see. Each says in one line what is wrong, where, and what to do.

They keep a standard-library base and take only positional strings, because they are pickled between
processes.
"""


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


PAUSES = (BudgetReached, EndpointDown)
"""What pauses a run: nothing is wrong with it, and it goes on when there is money, or an endpoint, again."""


class UnreadableReply(ValueError):
    """An LLM reply that stayed unreadable after every re-ask. It concerns one call, is never a score
    and never ends a run: the caller counts it and continues."""


def one_line(e: BaseException, most: int = 600) -> str:
    """An error's message as one line of at most `most` characters; its type if it has no message."""
    return " ".join(str(e).split())[:most] or type(e).__name__


def root_cause(e: BaseException) -> BaseException:
    """The innermost cause of an error that passed through Ray's layers."""
    seen = {id(e)}
    while True:
        inner = getattr(e, "cause", None) or e.__cause__
        failures = getattr(e, "worker_failures", None)  # of Ray Train: worker rank -> error
        if failures:
            inner = next(iter(failures.values()))
        if not isinstance(inner, BaseException) or id(inner) in seen:
            return e
        seen.add(id(inner))
        e = inner
