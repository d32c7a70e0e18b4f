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
        help="Run as a job on the Ray cluster with this dashboard, such as http://HEAD:8265.",
    ),
]
_PATIENCE_S = 60.0  # a head that has just started takes no jobs yet


class ClusterError(PadaError, ConnectionError):
    """The cluster cannot be reached, refuses the token, or does not take the job."""


def options(
    set_: list[str] | None,
    *,
    only: list[str] | None = None,
    rehearse: bool = False,
    no_probe: bool = False,
    new: bool = False,
    verbose: bool,
) -> list[str]:
    """The options to pass on to the job's command."""
    given = [part for override in set_ or [] for part in ("--set", override)]
    given += [part for place in only or [] for part in ("--only", place)]
    given += ["--rehearse"] if rehearse else []
    given += ["--no-probe"] if no_probe else []
    given += ["--new"] if new else []
    return given + (["--verbose"] if verbose else [])


def run_as_job(address: str, name: str, arguments: Sequence[str], package: Package) -> int:
    """Submits `python -m jobs.NAME ARGUMENTS` with the working folder, follows the job to its end, and returns its exit
    code. Raises ClusterError or LostCluster."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with reaching(address) as client:
        console.print(f"sending {package.describe()}")
        job = _submit(client, name, arguments)
        console.print(f"job: {job}")
        return follow(client, job, address, console)


@contextlib.contextmanager
def reaching(address: str) -> Iterator[JobSubmissionClient]:
    """A client of the cluster at `address`. Connection errors in the block become ClusterError."""
    if not address.startswith(("http://", "https://")):
        raise ConfigError(f"--address {address}: write the URL of the cluster's dashboard, as http://HOST:8265")
    # Unlike Ray's drivers, its job client sends no token by default.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    # Ray would use these instead of `address`.
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
            f"{address} refuses the token: put the one that `ray get-auth-token` prints on the cluster's head into "
            "~/.ray/auth_token or RAY_AUTH_TOKEN"
        ) from None
    except OSError as e:
        if isinstance(e, PadaError):
            raise
        raise ClusterError(f"{address}: no Ray cluster answers there ({one_line(e)}); check the URL") from None
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
                # No env_vars: Ray shows them to anyone who asks about the job.
                runtime_env={"working_dir": ".", "excludes": EXCLUDES},
            )
            return submitted
        except RuntimeError as e:
            if "No available agent" not in str(e) or time.monotonic() > give_up:
                raise
            time.sleep(1)
