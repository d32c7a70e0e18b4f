"""What a person sees while runs go on: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape

from pada_ray.config import Config
from pada_ray.errors import PAUSES
from pada_ray.llm.waiting import LongWaits, Waiting
from pada_ray.runs.state import RunState
from pada_ray.runs.time_left import seconds_left


class Progress:
    """Shows stages, calls and tokens so far, and the time left, of the runs in `configs` (by folder). As a context
    manager it tidies up the live line."""

    def __init__(self, console: Console, configs: dict[str, Config]):
        self._console = console
        self._configs = configs
        self._began = time.time()
        self._stages: dict[str, str] = {}
        self._long_waits: dict[str, LongWaits] = {}
        self._warned: set[tuple[str, str]] = set()
        self._ended = 0
        self._failed = self._paused = 0
        self._live = console.status("starting") if console.is_terminal else None
        if self._single:
            console.print(f"run: {next(iter(configs))}", soft_wrap=True, highlight=False)

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, run: str, state: RunState, stage_began: float, waiting: Sequence[Waiting] = ()) -> None:
        """Called about once a second for each run under way. A stage gets one lasting line, and so does a long wait for
        an endpoint; the live line moves on."""
        line = describe(state, self._configs[run], time.time() - stage_began)
        if self._stages.get(run) != state.stage:
            self._stages[run] = state.stage
            if self._single or self._console.is_terminal:
                self._print(line if self._single else f"{state.name}: {line}")
        self.warn(run, state)
        told = ", ".join(w.describe() for w in waiting)
        if self._long_waits.setdefault(run, LongWaits()).due(waiting):
            self._print(told if self._single else f"{state.name}: {told}")
        if self._live:
            self._live.update(" | ".join(part for part in (line if self._single else self._overall(), told) if part))

    def warn(self, run: str, state: RunState) -> None:
        """Each sign of a loop that goes nowhere gets one lasting line."""
        for sign in [sign for sign in state.warnings if (run, sign) not in self._warned]:
            self._warned.add((run, sign))
            told = f"[yellow]warning:[/] {escape(state.warnings[sign])}"
            self._print(told if self._single else f"{state.name}: {told}")

    def stopping(self, calls: int) -> None:
        """The user has asked to stop, and so many calls are at the endpoints."""
        if calls:
            under_way = "1 call is" if calls == 1 else f"{calls} calls are"
            self._print(f"stopping: {under_way} under way, paid for and waited for; Ctrl-C again ends at once")

    def ended(self, run: str, failure: Exception | None) -> None:
        """A run is over: in a sweep that is a line of its own."""
        self._ended += 1
        paused = isinstance(failure, PAUSES)
        self._paused += paused
        self._failed += failure is not None and not paused
        if not self._single:
            problem = "[yellow]paused:[/]" if paused else "[red]failed:[/]"
            how = f"{problem} {escape(str(failure))}" if failure else "done"
            self._print(f"{self._configs[run].name}: {how} | {self._overall()}")

    def _overall(self) -> str:
        """Of a sweep: runs ended, failed, paused, and the time that the rest will take at the pace so far."""
        total = len(self._configs)
        parts = [f"{self._ended} of {total} runs ended"]
        parts += [f"{n} {how}" for how, n in (("failed", self._failed), ("paused", self._paused)) if n]
        if self._ended:
            left = (time.time() - self._began) / self._ended * (total - self._ended)
            parts.append(f"about {clock(left)} left")
        return ", ".join(parts)

    @property
    def _single(self) -> bool:
        return len(self._configs) == 1

    def _print(self, line: str) -> None:
        elapsed = clock(time.time() - self._began)
        self._console.print(f"[dim]{elapsed}[/]  {line}", soft_wrap=True, highlight=False)


def describe(state: RunState, config: Config, stage_seconds: float) -> str:
    """One line: stage, training samples, calls, tokens, time left."""
    calls = sum(u.calls for u in state.usage)
    tokens = sum(u.prompt_tokens + u.completion_tokens for u in state.usage)
    left, bound = seconds_left(state, config, stage_seconds)
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
