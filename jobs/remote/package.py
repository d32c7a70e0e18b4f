"""What travels with a job: the folder that it is submitted from, without what Ray leaves out.

`python -m jobs.remote.package [FOLDER]` prints how much that is, for those who type `ray job submit` themselves."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console

from jobs.command import main
from pada_ray.errors import ConfigError

LIMIT = 20 * 10**6
"""Bytes. Every node downloads the package before it can work, and Ray holds it in the head's memory."""
EXCLUDES = ["/runs/"]
"""Left out in addition to .gitignore, .rayignore and Ray's own list (.git, .venv, venv, __pycache__)."""
_ENOUGH = 50 * LIMIT  # counting stops here: the folder was probably given by mistake


class _Enough(Exception):
    """The folder is so large that counting can stop."""


class Package(NamedTuple):
    """The files that travel: path in `folder` -> bytes. Ray does not compress them."""

    folder: Path
    files: dict[str, int]

    @property
    def size(self) -> int:
        return sum(self.files.values())

    def holds(self, path: str) -> bool:
        """Whether a file travels, or any file of a folder. `path` is relative to `folder`."""
        inside = os.path.relpath(self.folder / path, self.folder)
        return inside in self.files or any(file.startswith(f"{inside}/") for file in self.files)

    def describe(self) -> str:
        return f"{megabytes(self.size)} in {len(self.files):,} files of {self.folder}"


def read_package(folder: str = ".") -> Package:
    """What Ray would send of `folder`, by Ray's own code. Raises ConfigError above LIMIT, naming the largest files."""
    from ray._private.ray_constants import get_runtime_env_default_excludes
    from ray._private.runtime_env.packaging import _dir_travel, _get_excludes

    root = Path(folder).absolute()
    package = Package(root, {})
    size = 0

    def take(path: Path) -> None:
        nonlocal size
        if path.is_file():
            package.files[str(path.relative_to(root))] = path.stat().st_size
            size += path.stat().st_size
        if size > _ENOUGH:
            raise _Enough

    quiet = logging.getLogger(f"{__name__}.ray")
    quiet.disabled = True
    excludes = [_get_excludes(root, [*get_runtime_env_default_excludes(), *EXCLUDES])]
    with contextlib.suppress(_Enough):
        _dir_travel(root, excludes, take, include_gitignore=True, logger=quiet)
    if size > LIMIT:
        named = ", ".join(f"{name} ({megabytes(of)})" for name, of in largest(package, 3))
        raise ConfigError(
            f"{root}: {'more than ' if size > _ENOUGH else ''}{megabytes(size)} would travel with the job, and the "
            f"limit is {megabytes(LIMIT)}; the largest: {named}; list what the job does not need in .rayignore, and "
            "keep models and large data where the cluster's nodes can read them"
        )
    return package


def largest(package: Package, count: int) -> list[tuple[str, int]]:
    """The largest files and their sizes."""
    return sorted(package.files.items(), key=lambda item: -item[1])[:count]


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def package(folder: Annotated[str, typer.Argument(metavar="[FOLDER]")] = ".") -> None:
    """Show what would travel with a job submitted from FOLDER, and fail above 20 MB. Sends nothing."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    found = read_package(folder)
    console.print(found.describe())
    for name, size in largest(found, 5):
        console.print(f"  {megabytes(size):>9}  {name}")


if __name__ == "__main__":
    main(package)
