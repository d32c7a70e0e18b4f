"""Drive runs from wherever they stand to their ends: start Ray, create the actors, show progress, gather failures."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from jobs.local.capacity import check_room, needs_of
from jobs.local.endpoints import Addresses, addresses_of, offline_teachers, served_models
from jobs.local.lock import locked
from jobs.local.probe import probe_runs
from jobs.local.progress import Progress
from jobs.local.ray_session import Interrupt, connected, log_folder
from jobs.local.run_folder import cache_copy, cache_file
from jobs.local.shared_disk import check_shared_disk
from jobs.output import unfailing
from pada_ray.config import Config, StopCondition
from pada_ray.errors import DiskFull, LoopStuck, PadaError, lost_process, one_line, root_cause
from pada_ray.llm.stored_rows import check_replies
from pada_ray.report import print_ending
from pada_ray.runs.conditions import ASKED
from pada_ray.runs.configs import read_config
from pada_ray.runs.run_folder import RunFolder, check_run
from pada_ray.runs.state import FILE as STATE
from pada_ray.runs.state import RunState, read_state
from pada_ray.storage import Folder, disk_full, is_disk_full

if TYPE_CHECKING:
    from actors.cast import Cast

POLL_SECONDS = 1.0


class RunFailed(PadaError, RuntimeError):
    """A run that failed: why, where its logs are, how to continue."""

    exit_code = 1


class NotBegun(DiskFull):
    """A run whose turn came after the disk was full."""


def drive(run: str, verbose: bool, *, probing: bool = True) -> RunState:
    """Takes the run in folder `run` to its end and prints what came of it. Raises RunFailed, or the PadaError that
    stopped it."""
    console, folder = Console(file=unfailing(sys.stdout)), Folder(run)
    asked = _to_ask_about(read_config(folder)) if console.is_terminal and sys.stdin.isatty() else set()
    failures = drive_all([run], 1, verbose, console, probing=probing, asked=asked)
    while (stuck := _asked_about(failures.get(folder.url), asked)) and _goes_on(failures[folder.url]):
        asked.remove(stuck)
        failures = drive_all([run], 1, verbose, console, probing=False, asked=asked)
    if failures:
        raise failures[folder.url]
    folder = RunFolder(run)
    print_ending(folder, console)
    return read_state(folder)


def _to_ask_about(config: Config) -> set[StopCondition]:
    """The conditions at which a person at the terminal is asked; none in a rehearsal, whose numbers mean nothing."""
    return set() if config.rehearsal else set(ASKED) - set(config.stop_if)


def _asked_about(failure: PadaError | None, asked: Collection[StopCondition]) -> StopCondition | None:
    """The condition that the run has stopped at, if it did so to have a person at the terminal asked."""
    condition = str(failure).partition(":")[0] if isinstance(failure, LoopStuck) else None
    return next((name for name in asked if name == condition), None)


def _goes_on(stuck: PadaError) -> bool:
    return typer.confirm(f"{str(stuck).rpartition(';')[0]}. Go on, and spend more?", default=False)


def drive_all(
    runs: Sequence[str],
    parallel: int,
    verbose: bool,
    console: Console,
    *,
    probing: bool = True,
    asked: Collection[StopCondition] = (),
) -> dict[str, PadaError]:
    """Takes runs to their ends, `parallel` at a time. A run that fails is reported, and the others go on. They also
    stop at the conditions in `asked`, which a person is asked about. On a full disk no other run is begun.

    Returns what stopped those that failed, by their folders; NotBegun for those that were not begun.
    """
    configs = {Folder(run).url: _stopping_also(read_config(Folder(run)), asked) for run in runs}
    for run, config in configs.items():
        check_run(run)
        _check_replies(run, config)
    first, config = next(iter(configs.items()))
    log = str(Path(cache_file(config, first)).with_name("driver.log"))
    progress = Progress(console, configs)
    how = f"`pada resume {first}`" if len(configs) == 1 else "the same `pada sweep`"
    stopped = f"stopped; continue with {how}"
    try:
        with contextlib.ExitStack() as session:
            session.enter_context(locked(configs))
            probe_runs(configs, console, probing=probing)
            teachers = session.enter_context(offline_teachers(configs.values()))
            interrupt = session.enter_context(connected(verbose, log, stopped))
            check_shared_disk(configs)
            check_room(need for config in configs.values() for need in needs_of(config))
            with served_models(configs.values(), console) as models:
                return _conduct(configs, parallel, teachers | models, progress, interrupt)
    except KeyboardInterrupt:
        raise RunFailed(stopped) from None


def _check_replies(run: str, config: Config) -> None:
    """Raises DamagedFile if the run's replies are not what was stored. Where they have a copy, they may be missing."""
    folder = Folder(run)
    usage = read_state(folder).usage if folder.exists(STATE) else []
    paid = sum(u.calls for u in usage if not u.shared)
    check_replies(cache_file(config, run), run, 0 if cache_copy(config, run) else paid)


def _conduct(
    configs: dict[str, Config], parallel: int, started: Addresses, progress: Progress, interrupt: Interrupt
) -> dict[str, PadaError]:
    import ray

    from actors.cast import Cast
    from actors.stage_claims import hold_claims

    stores = {config.shared_stages for config in configs.values() if config.shared_stages}
    claims = [hold_claims(store) for store in sorted(stores)]
    gateways: list[Any] = []  # held until the last run has ended, since later runs use those that earlier ones made
    waiting = list(configs)
    casts: dict[str, Cast] = {}
    endings: dict[Any, str] = {}  # what is ready when a run has ended
    failures: dict[str, PadaError] = {}

    def end(run: str, e: BaseException | None) -> None:
        with contextlib.suppress(PadaError, OSError):  # the end of a run does not hang on its warnings
            progress.warn(run, read_state(Folder(run)))
        if e is not None:
            failures[run] = _explained(e, run)
        if isinstance(failures.get(run), DiskFull):
            failures.update({later: NotBegun(f"{later}: not begun, since the disk is full") for later in waiting})
            waiting.clear()
        casts.pop(run).close()
        progress.ended(run, failures.get(run))

    try:
        with progress:
            while waiting or endings:
                interrupt.check()
                while waiting and len(endings) < parallel:
                    run = waiting.pop(0)
                    config, replies = configs[run], cache_file(configs[run], run)
                    addresses, copy = addresses_of(config, started), cache_copy(config, run)
                    casts[run] = Cast(config, run, replies, addresses, copy, runs=min(parallel, len(configs)))
                    gateways.extend(casts[run].gateways)
                    try:
                        endings[casts[run].start()] = run
                    except ray.exceptions.RayError as e:
                        end(run, e)
                # The more runs, the less often each is asked, since its orchestrator and the gateway have work to do.
                pause = POLL_SECONDS * len(endings)
                for ending in ray.wait(list(endings), timeout=pause)[0] if endings else []:
                    run = endings.pop(ending)
                    try:
                        ray.get(ending)
                    except ray.exceptions.RayError as e:
                        end(run, e)
                    else:
                        end(run, None)
                for run, cast in casts.items():
                    with contextlib.suppress(ray.exceptions.RayActorError):  # it is coming back
                        progress.show(run, *ray.get(cast.orchestrator.status.remote()))
    except BaseException:
        stop(list(casts.values()), progress)
        raise
    finally:
        for holder in claims:
            ray.kill(holder)
    return failures


def _stopping_also(config: Config, conditions: Collection[StopCondition]) -> Config:
    return config.model_copy(update={"stop_if": (*config.stop_if, *conditions)})


def stop(casts: Sequence[Cast], progress: Progress) -> None:
    """Ends runs before their ends. Their calls at the endpoints are paid for, so they are waited for."""
    for cast in casts:
        cast.interrupt()
    progress.stopping(sum(cast.under_way() for cast in casts))
    for cast in casts:
        cast.close()


def _explained(e: BaseException, run: str) -> PadaError:
    """The PadaError at the root of what Ray raised, or a RunFailed that tells the root in a line. Each names the
    command to go on with."""
    root = root_cause(e)
    if is_disk_full(root) and not isinstance(root, PadaError):
        root = disk_full(run, e=root)
    if isinstance(root, PadaError):
        told = str(root)
        return root if "`pada resume " in told else type(root)(f"{told}; continue with `pada resume {run}`")
    told = lost_process(root) or f"{type(root).__name__}: {one_line(root)}"
    return RunFailed(f"the run stopped: {told}; logs in {log_folder()}; continue with `pada resume {run}`")
