"""Drive a run from wherever it stands to its end: start Ray, create the actors, show progress, print the tables."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from jobs.cluster import connected, log_folder
from jobs.preparation import cache_file, read_config
from jobs.progress import Progress
from pada_ray.config import Config
from pada_ray.errors import PadaError
from pada_ray.report import print_report
from pada_ray.state import RunState
from pada_ray.storage import Folder

POLL_SECONDS = 1.0


class RunFailed(PadaError, RuntimeError):
    """A run that ended before its end: what, where its logs are, and that it can be gone on with."""

    exit_code = 1


def drive(run: str, verbose: bool) -> RunState:
    """Takes the run in folder `run` to its end. Raises RunFailed, or the PadaError that stopped it."""
    config = read_config(run)
    folder = Folder(run)
    console = Console(file=sys.stdout)
    log = str(Path(cache_file(config, run)).with_name("driver.log"))
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with _offline_teacher(config) as address, connected(verbose, log):
        state = _watch(config, folder, address, Progress(console, config, folder.url))
    print_report(folder, console)
    return state


def _watch(config: Config, folder: Folder, offline: str | None, progress: Progress) -> RunState:
    import ray

    from actors.orchestrator import Cast

    cast = Cast(config, folder.url, cache_file(config, folder.url), offline)
    try:
        ray.get([gateway.check.remote() for gateway in cast.gateways])
        ending = cast.orchestrator.run.remote()
        with progress:
            while not ray.wait([ending], timeout=POLL_SECONDS)[0]:
                with contextlib.suppress(ray.exceptions.RayActorError):  # it is coming back
                    progress.show(*ray.get(cast.orchestrator.status.remote()))
        state: RunState = ray.get(ending)
        return state
    except KeyboardInterrupt:
        raise RunFailed(f"stopped; go on with `pada resume {folder.url}`") from None
    except ray.exceptions.RayError as e:
        raise _explained(e, folder.url) from None


def _explained(e: BaseException, run: str) -> PadaError:
    """The PadaError at the root of what Ray raised, or a RunFailed that tells the root in a line."""
    root = root_cause(e)
    if isinstance(root, PadaError):
        return root
    what = " ".join(str(root).split())[:600] or type(root).__name__
    return RunFailed(
        f"the run stopped: {type(root).__name__}: {what}; logs in {log_folder()}; go on with `pada resume {run}`"
    )


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


@contextlib.contextmanager
def _offline_teacher(config: Config) -> Iterator[str | None]:
    """The embedded teacher's address while the run lasts, if the config asks for it."""
    if "offline" not in (config.llm.teacher.base_url, config.llm.judge.base_url):
        yield None
        return
    from pada_ray.teacher.process import start_teacher

    with start_teacher(config.offline) as teacher:
        yield teacher.url
