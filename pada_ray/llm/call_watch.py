"""Observers of a call on its way to an endpoint."""

from __future__ import annotations

from collections.abc import Callable


class CallWatch:
    """Observes one call. This base class does nothing."""

    def starts(self, waited: float) -> None:
        """The call starts, after `waited` seconds in the queue."""

    def ends(self) -> None:
        """The endpoint has answered or failed."""

    def retries(self, reason: str) -> None:
        """The call has failed and will be retried. `reason` is a word or two."""

    def paid(self, prompt_tokens: int, completion_tokens: int) -> None: ...


class Both(CallWatch):
    """Two watches of one call."""

    def __init__(self, one: CallWatch, other: CallWatch):
        self._watches = (one, other)

    def starts(self, waited: float) -> None:
        for watch in self._watches:
            watch.starts(waited)

    def ends(self) -> None:
        for watch in self._watches:
            watch.ends()

    def retries(self, reason: str) -> None:
        for watch in self._watches:
            watch.retries(reason)

    def paid(self, prompt_tokens: int, completion_tokens: int) -> None:
        for watch in self._watches:
            watch.paid(prompt_tokens, completion_tokens)


UNWATCHED = CallWatch()

Watcher = Callable[[str, str, str], CallWatch]
"""Makes the watch of a call from the run's folder, the role and the purpose."""


def unwatched(run: str, role: str, purpose: str) -> CallWatch:
    return UNWATCHED
