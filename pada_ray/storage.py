"""Files under one folder, local or at any fsspec URL, written completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import yaml
from pydantic import ValidationError

from pada_ray.config.plain_file import what_instead
from pada_ray.errors import ConfigError, DamagedFile, DiskFull, PadaError, StorageError, one_line
from pada_ray.records import Record

R = TypeVar("R", bound=Record)

# In C where PyYAML has it, ten times as fast: a report reads many files of many runs.
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_IN_WORDS = (
    "No space left on device",
    "os error 28",
    "database or disk is full",
    "No usable temporary directory found",
)
_OTHER_LIMITS = {
    errno.EDQUOT: "a quota is used up",
    errno.EFBIG: "files may not be as large (`ulimit -f`)",
    errno.ENOENT: "none of them has room, or can be written to",  # of tempfile
}
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}  # of this package, by the URL's protocol


class Folder:
    """A folder named by a local path or an fsspec URL (`s3://bucket/runs`). Paths inside it use `/`.

    Raises ConfigError for a URL that cannot be used here. If a store cannot be reached or refuses, the methods raise
    StorageError with the file's URL.
    """

    def __init__(self, url: str):
        protocol = url.partition("://")[0] if "://" in url else "file"
        self._is_object_store = protocol in _OBJECT_STORES
        self._fs, self._root = _open(url, protocol, self._is_object_store)
        self.url = self._root if self.is_local else url.rstrip("/")

    @property
    def is_local(self) -> bool:
        return isinstance(self._fs.protocol, tuple | list) and "file" in self._fs.protocol

    def at(self, path: str) -> str:
        """The full path or URL of a file inside."""
        return f"{self.url}/{path}"

    def exists(self, path: str = "") -> bool:
        with self._explained(path):
            return self._fs.exists(f"{self._root}/{path}".rstrip("/"))

    def write_bytes(self, path: str, data: bytes) -> None:
        """Writes a file so that a reader, or a resumed run, sees all of it or nothing."""
        target = f"{self._root}/{path}"
        with self._explained(path):
            if self._is_object_store:
                # It has no folders: `makedirs` would create the bucket. An object appears when its upload is complete.
                self._fs.pipe_file(target, data)
                return
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            if not self.is_local:
                self._fs.pipe_file(target, data)
                return
            temporary = Path(f"{target}.{uuid.uuid4().hex}.tmp")
            try:
                temporary.write_bytes(data)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)

    def read_bytes(self, path: str, most: int | None = None) -> bytes:
        """All of a file, or its first `most` bytes. Raises StorageError at once for what has no end, such as a FIFO."""
        if self.is_local and (other := what_instead(self.at(path))) is not None:
            raise StorageError(f"{self.at(path)}: this is {other}; a file is needed")
        with self._explained(path):
            return self._fs.cat_file(f"{self._root}/{path}", end=most)

    def remove(self, path: str) -> None:
        """Removes a file, or a folder with its content. Does nothing if there is none."""
        target = f"{self._root}/{path}".rstrip("/")
        with self._explained(path):
            if self._fs.exists(target):
                self._fs.rm(target, recursive=True)

    def copy_to(self, path: str, other: Folder, as_path: str) -> None:
        """Copies a file or a folder into another folder."""
        with self._explained(path):
            is_folder = self._fs.isdir(f"{self._root}/{path}")
        if is_folder:
            for name in Folder(self.at(path)).names():
                self.copy_to(f"{path}/{name}", other, f"{as_path}/{name}")
        else:
            other.write_bytes(as_path, self.read_bytes(path))

    @contextlib.contextmanager
    def local_copy(self, path: str | None) -> Iterator[str | None]:
        """A local path of a folder inside, for libraries that accept no URLs; None for None."""
        if path is None or self.is_local:
            yield None if path is None else self.at(path)
            return
        with tempfile.TemporaryDirectory() as copy:
            with self._explained(path):
                self._fs.get(f"{self._root}/{path}/", copy, recursive=True)
            yield copy

    def for_arrow(self, path: str) -> tuple[str, Any]:
        """A folder inside as Ray takes it: its path and its pyarrow file system (None if local), with the same
        credentials."""
        if self.is_local:
            return self.at(path), None
        import pyarrow.fs

        return f"{self._root}/{path}", pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(self._fs))

    def modified(self, path: str) -> float:
        """When a file was last written, in seconds since the epoch."""
        with self._explained(path):
            return float(self._fs.modified(f"{self._root}/{path}").timestamp())

    def names(self) -> list[str]:
        """The sorted names of what is directly inside; [] if the folder does not exist."""
        with self._explained():
            if not self._fs.exists(self._root):
                return []
            inside = [str(p).rstrip("/") for p in self._fs.ls(self._root, detail=False)]
        # A store's console marks an empty folder by an object that is listed as its content.
        return sorted(p.rpartition("/")[2] for p in inside if p != self._root.rstrip("/"))

    def files(self, path: str) -> list[str]:
        """The sorted paths of all files in a folder inside, however deep; [] if it does not exist."""
        root = self._root.rstrip("/")
        with self._explained(path):
            found = self._fs.find(f"{root}/{path}".rstrip("/"))
        # A writer that was killed leaves its temporary file.
        return sorted(str(p).removeprefix(f"{root}/") for p in found if not str(p).endswith(".tmp"))

    def write_text(self, path: str, text: str) -> None:
        self.write_bytes(path, text.encode())

    def read_text(self, path: str) -> str:
        return self.read_bytes(path).decode()

    def write_yaml(self, path: str, value: Any) -> None:
        self.write_text(path, yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110))

    def read_yaml(self, path: str) -> Any:
        """Raises DamagedFile for what is no YAML."""
        try:
            return yaml.load(self.read_text(path), _YAML_LOADER)
        except (yaml.YAMLError, ValueError, RecursionError) as e:
            raise DamagedFile(f"{self.at(path)}: damaged: not YAML: {one_line(e, most=200)}") from None

    def write_records(self, path: str, records: Iterable[Record]) -> None:
        self.write_text(path, as_lines(records))

    def read_records(self, path: str, kind: type[R]) -> list[R]:
        """Raises DamagedFile, with the line, for what is no record of this kind."""
        data = self.read_bytes(path)
        return list(_parse_lines(data, kind, self.at(path)))

    @contextlib.contextmanager
    def _explained(self, path: str = "") -> Iterator[None]:
        """Turns the various errors of stores into StorageError. FileNotFoundError of a local disk passes unchanged."""
        try:
            yield
        except Exception as e:
            where = self.at(path).rstrip("/")
            if self.is_local:
                if not isinstance(e, OSError) or isinstance(e, FileNotFoundError):
                    raise
                if is_disk_full(e):
                    raise disk_full(where, e=e) from None
                raise StorageError(f"{where}: {e.strerror or one_line(e)}") from None
            if isinstance(e, FileNotFoundError):
                raise StorageError(f"{where}: no such file, or no such bucket") from None
            raise StorageError(
                f"{where}: {type(e).__name__}: {one_line(e)}; check that the store exists and that this machine has "
                "access"
            ) from None


def as_lines(records: Iterable[Record]) -> str:
    """One JSON object a line."""
    return "".join(record.model_dump_json() + "\n" for record in records)


def _open(url: str, protocol: str, is_object_store: bool) -> tuple[Any, str]:
    """The file system of a URL and the path on it."""
    if re.search("://[^/@]*:[^/]*@", url):
        raise ConfigError(f"{protocol}://...: a URL is written to files; set the password in the environment instead")
    # A cached listing would hide files that another process has written since.
    options = {"use_listings_cache": False} if is_object_store else {}
    try:
        fs, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as e:
        extra = f"pip install 'pada-ray[{_EXTRAS[protocol]}]'" if protocol in _EXTRAS else str(e)
        raise ConfigError(f"{url}: the file system of {protocol}:// is not installed here; {extra}") from None
    except ValueError as e:
        raise ConfigError(f"{url}: {' '.join(str(e).split())}; see docs/storage.md") from None
    return fs, root


def is_disk_full(e: BaseException) -> bool:
    """Whether an error says that a disk, or a quota, has no room. Libraries wrap the system's in their own, or tell it
    in words: safetensors, torch, SQLite and tempfile."""
    if isinstance(e, OSError) and e.errno in _FULL:
        return True
    return any(words in str(e) for words in _FULL_IN_WORDS)


def disk_full(path: str, needed: int | None = None, e: BaseException | None = None) -> DiskFull:
    """The error of a disk, or a quota, on which a file does not fit. `needed`: bytes, where that is known. `e`: what
    was raised. Where it names a file, that is where room is needed, which may be on another disk than `path`."""
    told, reason = os.strerror(errno.ENOSPC), None
    if isinstance(e, OSError) and e.strerror:
        told, reason = e.strerror, _OTHER_LIMITS.get(e.errno or 0)
        if isinstance(e.filename, str):
            path = re.sub(r"\.[0-9a-f]{32}\.tmp$", "", e.filename)  # of `write_bytes`
    wanted = "" if needed is None else f", and {needed / 1e6:,.1f} MB are needed"
    return DiskFull(
        f"{path}: {told}: {reason or f'{free_bytes(path) / 1e6:,.1f} MB are free on its disk'}{wanted}; make room there"
    )


def check_free(path: str, needed: int) -> None:
    """Raises DiskFull unless the disk of a local path has room for as many bytes. Of a store nobody knows."""
    if free_bytes(path) < needed and Folder(path).is_local:  # a Folder takes ten times as long
        raise disk_full(path, needed)


def free_bytes(path: str) -> int:
    """Bytes free on the disk where a local path is, or will be."""
    here = Path(os.path.expanduser(path)).absolute()
    return shutil.disk_usage(next(p for p in (here, *here.parents) if p.exists())).free


@contextlib.contextmanager
def telling_a_full_disk(*folders: str) -> Iterator[None]:
    """What a library raises in the block because a disk is full becomes DiskFull. If it names no file, it is on the
    fullest disk of these folders."""
    try:
        yield
    except Exception as e:
        if isinstance(e, PadaError) or not is_disk_full(e):
            raise
        raise disk_full(min((f for f in folders if Folder(f).is_local), key=free_bytes), e=e) from None


def _parse_lines(data: bytes, kind: type[R], where: str) -> Iterator[R]:
    # Not splitlines(): a reply may hold a line separator that JSON leaves unescaped.
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line:
            continue
        try:
            yield kind.model_validate_json(line)
        except ValidationError as e:
            raise DamagedFile(f"{where}:{number}: damaged: no {kind.__name__}: {e.errors()[0]['msg']}") from None
