"""Run a command as a job on a Ray cluster, and follow it: `pada run --address http://HEAD:8265 CONFIG`."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from jobs.remote.following import follow
from jobs.remote.package import EXCLUDES, Package
from pada_ray.errors import ConfigError, PadaError, one_line

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="Run as a job on the Ray cluster whose dashboard is there, such as http://HEAD:8265.",
    ),
]
_PATIENCE_S = 60.0  # for the head of a cluster that has just been started


class ClusterError(PadaError, ConnectionError):
    """A cluster that cannot be reached, refuses the token, or does not take the job."""


def options(set_: list[str] | None, *, only: list[str] | None = None, verbose: bool) -> list[str]:
    """A command's options, as the job is to get them."""
    given = [part for override in set_ or [] for part in ("--set", override)]
    given += [part for place in only or [] for part in ("--only", place)]
    return given + (["--verbose"] if verbose else [])


def run_as_job(address: str, name: str, arguments: Sequence[str], package: Package) -> int:
    """Submits `python -m jobs.NAME ARGUMENTS` with the working folder, follows it to its end, and returns its exit
    code. Raises ClusterError before there is a job."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with reaching(address) as client:
        console.print(f"sending {package.describe()}", markup=False)
        job = _submit(client, name, arguments)
        console.print(f"job: {job}", markup=False)
        return follow(client, job, address, console)


@contextlib.contextmanager
def reaching(address: str) -> Iterator[JobSubmissionClient]:
    """A client of the cluster at `address`. What goes wrong between them leaves the block as a ClusterError."""
    if not address.startswith(("http://", "https://")):
        raise ConfigError(f"--address {address}: write it as http://HOST:8265, where the cluster's dashboard is")
    # As Ray does for its own drivers; its job client sends no token unless it is told to.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    # Ray would take these instead of the address that was given.
    for variable in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        os.environ.pop(variable, None)
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for chatty in ("ray.dashboard", "ray._private.runtime_env"):
        for known in [chatty, *(n for n in logging.root.manager.loggerDict if n.startswith(f"{chatty}."))]:
            logging.getLogger(known).setLevel(logging.ERROR)
    try:
        yield JobSubmissionClient(address)
    except AuthenticationError:
        raise ClusterError(
            f"{address} refuses the token: put the cluster's own, which `ray get-auth-token` prints on its head, into "
            "~/.ray/auth_token or RAY_AUTH_TOKEN"
        ) from None
    except OSError as e:
        if isinstance(e, PadaError):
            raise
        raise ClusterError(f"{address}: no Ray cluster answers there ({one_line(e)})") from None
    except RuntimeError as e:
        if isinstance(e, PadaError):
            raise
        raise ClusterError(f"{address}: {one_line(e)}") from None


def _submit(client: JobSubmissionClient, name: str, arguments: Sequence[str]) -> str:
    entrypoint = shlex.join(["python", "-m", f"jobs.{name}", *arguments])
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            submitted: str = client.submit_job(
                entrypoint=entrypoint,
                submission_id=f"pada-{name}-{uuid.uuid4().hex[:8]}",
                # No env_vars: whoever asks Ray about a job is shown them.
                runtime_env={"working_dir": ".", "excludes": EXCLUDES},
            )
            return submitted
        except RuntimeError as e:
            if "No available agent" not in str(e) or time.monotonic() > give_up:
                raise
            time.sleep(1)
