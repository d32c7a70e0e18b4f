"""Who is told what happens to a call on its way to an endpoint."""

from __future__ import annotations

from collections.abc import Callable


class CallWatch:
    """Of one call. This one takes no notice."""

    def starts(self, waited: float) -> None:
        """The call's turn has come, after so many seconds."""

    def ends(self) -> None:
        """The endpoint has answered, or has failed to."""

    def retries(self) -> None:
        """It has failed and will start again."""

    def paid(self, prompt_tokens: int, completion_tokens: int) -> None: ...


UNWATCHED = CallWatch()

Watcher = Callable[[str, str, str], CallWatch]
"""Makes the watch of a call from its experiment, its role and its purpose."""


def unwatched(experiment: str, role: str, purpose: str) -> CallWatch:
    return UNWATCHED
