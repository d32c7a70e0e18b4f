"""What a person sees while a run goes on: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console

from pada_ray.config import Config
from pada_ray.schedule import seconds_left
from pada_ray.state import RunState


class Progress:
    """Shows the current stage, the calls and tokens so far, and the time left. As a context manager it tidies up the
    live line."""

    def __init__(self, console: Console, config: Config, run: str):
        self._console = console
        self._iterations = config.iterations
        self._began = time.time()
        self._stage = ""
        self._live = console.status("starting") if console.is_terminal else None
        console.print(f"run: {run}", soft_wrap=True, highlight=False)

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, state: RunState, stage_began: float) -> None:
        """Called about once a second. A stage gets one lasting line; the live line moves on."""
        line = describe(state, self._iterations, time.time() - stage_began)
        if state.stage != self._stage:
            self._stage = state.stage
            elapsed = clock(time.time() - self._began)
            self._console.print(f"[dim]{elapsed}[/]  {line}", soft_wrap=True, highlight=False)
        if self._live:
            self._live.update(line)


def describe(state: RunState, iterations: int, stage_seconds: float) -> str:
    """One line: stage, training samples, calls, tokens, time left."""
    calls = sum(u.calls for u in state.usage)
    tokens = sum(u.prompt_tokens + u.completion_tokens for u in state.usage)
    left, bound = seconds_left(state, iterations, stage_seconds)
    samples = state.counts.get(f"iteration-{state.iteration}", {}).get("training_samples")
    parts = [
        state.stage,
        f"{samples} training samples" if samples else "",
        f"{calls} calls, {tokens:,} tokens" if calls else "",
        f"{'more than ' if bound else 'about '}{clock(left)} left" if left or not bound else "",
    ]
    return " | ".join(part for part in parts if part)


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
