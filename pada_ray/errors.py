"""The errors that a user may see. Each says what is wrong, where, and what to do, in one line.

They keep a standard-library base and only positional string arguments, because they cross process
boundaries by pickle.
"""


class PadaError(Exception):
    """Something the user can mend. The command line prints it as one line and exits with `exit_code`."""

    exit_code = 2


class ConfigError(PadaError, ValueError):
    """A config that cannot be run: the key's path, what is wrong, what is allowed."""


class DataError(PadaError, ValueError):
    """A data file that cannot be used: file, line, what is wrong."""


class StorageError(PadaError, OSError):
    """A store that is not there or refuses: the file's URL, what the store says."""


class EndpointError(PadaError, ConnectionError):
    """An LLM endpoint that cannot be reached, refuses the key, or answers with errors to the end."""


class BudgetReached(PadaError, RuntimeError):
    """A run that has spent its budget. It pauses; with a higher budget it goes on."""

    exit_code = 3


class UnreadableReply(ValueError):
    """An LLM reply that stayed unreadable after every re-ask. It is a fact about one call, never a
    score, and never ends a run: whoever asked counts it and goes on."""


def one_line(e: BaseException, most: int = 600) -> str:
    """What an error says, in one line of at most `most` characters; the kind of error where it says nothing."""
    return " ".join(str(e).split())[:most] or type(e).__name__


def root_cause(e: BaseException) -> BaseException:
    """The innermost cause of an error that came through Ray's layers."""
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
