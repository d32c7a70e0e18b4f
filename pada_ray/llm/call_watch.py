"""Observers of a call on its way to an endpoint."""

from __future__ import annotations

from collections.abc import Callable


class CallWatch:
    """Observes one call. This base class does nothing."""

    def starts(self, waited: float) -> None:
        """The call starts, after `waited` seconds in the queue."""

    def ends(self) -> None:
        """The endpoint has answered or failed."""

    def retries(self) -> None:
        """The call has failed and will be retried."""

    def paid(self, prompt_tokens: int, completion_tokens: int) -> None: ...


UNWATCHED = CallWatch()

Watcher = Callable[[str, str, str], CallWatch]
"""Makes the watch of a call from the run's folder, the role and the purpose."""


def unwatched(run: str, role: str, purpose: str) -> CallWatch:
    return UNWATCHED
