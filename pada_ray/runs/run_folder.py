"""A run's folder as every command reads it: a file that is not what the run wrote is named, and never used."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping

from pada_ray.errors import DamagedFile
from pada_ray.runs.checksums import StoredFile, difference
from pada_ray.runs.event_log import FILE as EVENTS
from pada_ray.runs.state import FILE, START, damaged_state, read_state
from pada_ray.storage import Folder


class RunFolder(Folder):
    """Holds each file that it reads against its checksum in the run's state, or in `files`. A file without one is read
    as it is: what is not finished, and files of version 0.1.

    Raises DamagedFile, with the command that makes the file again.
    """

    def __init__(self, url: str, files: Mapping[str, StoredFile] | None = None):
        super().__init__(url)
        if files is not None:
            self.written = files

    @functools.cached_property
    def written(self) -> Mapping[str, StoredFile]:
        """The files of finished stages by their paths."""
        return read_state(Folder(self.url)).files if super().exists(FILE) else {}

    def exists(self, path: str = "") -> bool:
        """Whether a file is there, or ought to be: one that was lost must not pass for one that was never made."""
        return path in self.written or super().exists(path)

    def read_bytes(self, path: str, most: int | None = None) -> bytes:
        if path not in self.written:
            return super().read_bytes(path, most)
        data = self._content(path)
        self._hold(path, data)
        assert data is not None
        return data[:most]

    @contextlib.contextmanager
    def local_copy(self, path: str | None) -> Iterator[str | None]:
        with super().local_copy(path) as copy:
            if path is not None and copy is not None:
                for name in self._inside(path):
                    self._hold(name, _read(Folder(copy), name.removeprefix(f"{path}/")))
            yield copy

    def check(self, path: str = "", leave_out: str | None = None) -> None:
        """Reads every finished file under `path`, but those of folders called `leave_out`."""
        for name in self._inside(path):
            if leave_out not in name.split("/"):
                self._hold(name, self._content(name))

    def check_stage(self, stage: str) -> None:
        """Reads every file that a finished stage wrote."""
        for name, file in self.written.items():
            if file.stage == stage:
                self._hold(name, self._content(name))

    def _inside(self, path: str) -> list[str]:
        return [name for name in self.written if not path or name.startswith(f"{path}/")]

    def _content(self, path: str) -> bytes | None:
        return super().read_bytes(path) if super().exists(path) else None

    def _hold(self, path: str, data: bytes | None) -> None:
        file = self.written[path]
        wrong = difference(data, file)
        if wrong is not None:
            raise DamagedFile(f"{self.at(path)}: damaged: {wrong}; {_way_out(self.url, file.stage)}")


def check_run(url: str, leave_out: str | None = None) -> None:
    """Holds every finished file of a run against its checksum: its state, what it was laid out with, what its stages
    made. It reads at the speed of the disk; most of it are the adapters, which `leave_out` may name.

    Raises DamagedFile for the first that is not what the run wrote.
    """
    if has_begun(Folder(url)):
        RunFolder(url).check(leave_out=leave_out)


def has_begun(folder: Folder) -> bool:
    """Whether the run in `folder` has a state. Raises DamagedFile where it had one."""
    if not folder.exists(FILE) and folder.exists(EVENTS):
        raise damaged_state(folder, "it is missing, and the run has begun")
    return folder.exists(FILE)


def check_adapter(url: str) -> None:
    """Holds the files of an adapter's folder against the checksums of its run, if it lies in one's folder."""
    run, _, rest = url.rstrip("/").rpartition("/")[0].rpartition("/")
    if run and Folder(run).exists(FILE):
        RunFolder(run).check(f"{rest}/{url.rstrip('/').rpartition('/')[2]}")


def _way_out(run: str, stage: str) -> str:
    if stage == START:
        return "restore it, or begin a new run with `pada run`: a run cannot go on with other data"
    return f"`pada resume {run} --from '{stage}'` makes it again"


def _read(folder: Folder, path: str) -> bytes | None:
    return folder.read_bytes(path) if folder.exists(path) else None
