"""What a person sees while runs go on: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from pada_ray.config import Config
from pada_ray.errors import PAUSES
from pada_ray.llm.chat import spent
from pada_ray.llm.waiting import LongWaits, Waiting
from pada_ray.printable import printable
from pada_ray.runs.planned_stages import planned_stages
from pada_ray.runs.run_files import read_samples
from pada_ray.runs.state import RunState
from pada_ray.runs.time_left import Left, Outlook, Pace
from pada_ray.storage import Folder
from pada_ray.student.progress import StageProgress


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
        self._done: dict[str, float] = {}  # shares of the runs under way
        self._outlooks: dict[str, Outlook] = {}
        self._live = LiveLine(console) if console.is_terminal else None
        if self._single:
            console.print(f"run: {next(iter(configs))}", soft_wrap=True, highlight=False, markup=False)

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(
        self,
        run: str,
        state: RunState,
        stage_began: float,
        told: StageProgress | None = None,
        waiting: Sequence[Waiting] = (),
    ) -> None:
        """Called about once a second for each run under way. A stage gets one lasting line, and so does a long wait for
        an endpoint; the live line moves on."""
        self._done[run] = _share(state, self._configs[run])
        waits = ", ".join(w.describe() for w in waiting)
        new = self._stages.get(run) != state.stage
        line = ""
        if self._single or (new and self._console.is_terminal):
            left = self._outlook(run).left(state, time.time() - stage_began, pace_of(told))
            line = describe(state, left, told)
        if new:
            self._stages[run] = state.stage
            if line:
                self._print(line if self._single else f"{state.name}: {line}")
        self.warn(run, state)
        if self._long_waits.setdefault(run, LongWaits()).due(waiting):
            self._print(_plain(waits if self._single else f"{state.name}: {waits}"))
        if self._live:
            shown = line if self._single else self._overall()
            self._live.update(" | ".join(part for part in (shown, waits) if part), told if self._single else None)

    def warn(self, run: str, state: RunState) -> None:
        """Each sign of a loop that goes nowhere gets one lasting line."""
        for sign in [sign for sign in state.warnings if (run, sign) not in self._warned]:
            self._warned.add((run, sign))
            told = f"[yellow]warning:[/] {_plain(state.warnings[sign])}"
            self._print(told if self._single else f"{state.name}: {told}")

    def stopping(self, calls: int) -> None:
        """The user has asked to stop, and so many calls are at the endpoints."""
        if calls:
            under_way = "1 call is" if calls == 1 else f"{calls} calls are"
            self._print(f"stopping: {under_way} under way, paid for and waited for; Ctrl-C again ends at once")

    def ended(self, run: str, failure: Exception | None) -> None:
        """A run is over: in a sweep that is a line of its own."""
        self._ended += 1
        self._done.pop(run, None)
        paused = isinstance(failure, PAUSES)
        self._paused += paused
        self._failed += failure is not None and not paused
        if not self._single:
            problem = "[yellow]paused:[/]" if paused else "[red]failed:[/]"
            how = f"{problem} {_plain(str(failure))}" if failure else "done"
            self._print(f"{self._configs[run].name}: {how} | {self._overall()}")

    def _overall(self) -> str:
        """Of a sweep: runs ended, failed, paused, and the time that the rest will take at the pace so far."""
        total = len(self._configs)
        parts = [f"{self._ended} of {total} runs ended"]
        parts += [f"{n} {how}" for how, n in (("failed", self._failed), ("paused", self._paused)) if n]
        if self._ended:
            done = self._ended + sum(self._done.values())
            left = (time.time() - self._began) / done * (total - done)
            parts.append(f"about {clock(left)} left")
        return ", ".join(parts)

    def _outlook(self, run: str) -> Outlook:
        if run not in self._outlooks:
            config = self._configs[run]
            self._outlooks[run] = Outlook(config, read_samples(Folder(run), config.data.task))
        return self._outlooks[run]

    @property
    def _single(self) -> bool:
        return len(self._configs) == 1

    def _print(self, line: str) -> None:
        """`line` is rich's markup."""
        elapsed = clock(time.time() - self._began)
        self._console.print(f"[dim]{elapsed}[/]  {line}", soft_wrap=True, highlight=False)


def _plain(text: str) -> str:
    """A text as it is, in markup: some of it is a server's or a model's."""
    return escape(printable(text))


class LiveLine:
    """Text that is drawn anew in its place, over as many lines as the terminal needs for it, and below it a bar for a
    stage that tells its steps."""

    def __init__(self, console: Console):
        columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[unit]}"))
        self._bar = Bar(*columns, console=console, auto_refresh=False)
        self._task = self._bar.add_task("", total=None, unit="")
        self._live = Live(Group(Text("starting"), self._bar), console=console, refresh_per_second=4, transient=True)

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        self._live.stop()

    def update(self, text: str, told: StageProgress | None) -> None:
        total, done, unit = (told.total, told.done, told.unit) if told else (None, 0, "")
        self._bar.update(self._task, total=total, completed=done, unit=unit)
        self._live.update(Group(Text(printable(text)), self._bar), refresh=True)


def _share(state: RunState, config: Config) -> float:
    """How much of a run is done, by its stages."""
    planned = planned_stages(config, state.judged)
    return sum(name in state.finished for name in planned) / len(planned)


def describe(state: RunState, left: Left, told: StageProgress | None = None) -> str:
    """One line: stage, its steps, loss, training samples, calls, tokens, money, time left."""
    total = spent(state.usage)
    usd = [u.usd for u in state.usage if u.usd is not None and not u.shared]
    samples = state.counts.get(f"iteration-{state.iteration}", {}).get("training_samples")
    parts = [
        state.stage,
        f"{told.done:,} of {told.total:,} {told.unit}" if told else "",
        f"loss {told.loss:.3f}" if told and told.loss is not None else "",
        f"{samples:,} training samples" if samples else "",
        f"{total.calls:,} calls, {total.tokens:,} tokens" if total.calls else "",
        f"USD {sum(usd):,.2f}" if usd else "",
        _tell(left),
    ]
    return " | ".join(part for part in parts if part)


def pace_of(told: StageProgress | None) -> Pace | None:
    """What a stage's progress says of its end."""
    return Pace(told.total - told.done, told.per_second) if told and told.per_second else None


def _tell(left: Left) -> str:
    if left.run is not None:
        return f"about {clock(left.run)} left"
    return "" if left.stage is None else f"about {clock(left.stage)} left in this stage"


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
