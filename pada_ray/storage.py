"""Files under one folder, local or any fsspec URL, written whole or not at all."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import yaml

from pada_ray.records import Record

R = TypeVar("R", bound=Record)


class Folder:
    """A folder named by a local path or an fsspec URL (`s3://bucket/runs`). Paths inside it use `/`."""

    def __init__(self, url: str):
        self._fs, self._root = fsspec.core.url_to_fs(url)
        self.url = self._root if self.is_local else url.rstrip("/")

    @property
    def is_local(self) -> bool:
        return isinstance(self._fs.protocol, tuple | list) and "file" in self._fs.protocol

    def at(self, path: str) -> str:
        """The full path or URL of a file inside."""
        return f"{self.url}/{path}"

    def exists(self, path: str = "") -> bool:
        return self._fs.exists(f"{self._root}/{path}")

    def write_bytes(self, path: str, data: bytes) -> None:
        """Writes a file so that a reader, or a run that comes back, sees all of it or nothing."""
        target = f"{self._root}/{path}"
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        if not self.is_local:
            self._fs.pipe_file(target, data)  # an object store shows an object when its upload is complete
            return
        temporary = Path(f"{target}.{uuid.uuid4().hex}.tmp")
        temporary.write_bytes(data)
        temporary.replace(target)

    def read_bytes(self, path: str) -> bytes:
        return self._fs.cat_file(f"{self._root}/{path}")

    def remove(self, path: str) -> None:
        """Removes a file or a folder with all that is in it; fine if it is not there."""
        target = f"{self._root}/{path}"
        if self._fs.exists(target):
            self._fs.rm(target, recursive=True)

    def copy_to(self, path: str, other: Folder, as_path: str) -> None:
        """Copies a file, or a folder with the files directly in it, into another folder."""
        source = f"{self._root}/{path}"
        if self._fs.isdir(source):
            for name in Folder(self.at(path)).names():
                self.copy_to(f"{path}/{name}", other, f"{as_path}/{name}")
        else:
            other.write_bytes(as_path, self._fs.cat_file(source))

    @contextlib.contextmanager
    def local_copy(self, path: str | None) -> Iterator[str | None]:
        """A local path of a folder inside, for libraries that know no URLs; None for None."""
        if path is None or self.is_local:
            yield None if path is None else self.at(path)
            return
        with tempfile.TemporaryDirectory() as copy:
            self._fs.get(f"{self._root}/{path}/", copy, recursive=True)
            yield copy

    def modified(self, path: str) -> float:
        """When a file was last written, in seconds since the epoch."""
        return float(self._fs.modified(f"{self._root}/{path}").timestamp())

    def names(self) -> list[str]:
        """Names of what stands directly inside, sorted; none if the folder does not exist."""
        if not self._fs.exists(self._root):
            return []
        return sorted(str(p).rstrip("/").rpartition("/")[2] for p in self._fs.ls(self._root, detail=False))

    def write_text(self, path: str, text: str) -> None:
        self.write_bytes(path, text.encode())

    def read_text(self, path: str) -> str:
        return self.read_bytes(path).decode()

    def write_yaml(self, path: str, value: Any) -> None:
        self.write_text(path, yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110))

    def read_yaml(self, path: str) -> Any:
        return yaml.safe_load(self.read_text(path))

    def write_records(self, path: str, records: Iterable[Record]) -> None:
        """One JSON object a line."""
        self.write_text(path, "".join(r.model_dump_json() + "\n" for r in records))

    def read_records(self, path: str, kind: type[R]) -> list[R]:
        return list(_parse_lines(self.read_text(path), kind))


def _parse_lines(text: str, kind: type[R]) -> Iterator[R]:
    # Not splitlines(): a reply may hold a line separator that JSON leaves unescaped.
    return (kind.model_validate_json(line) for line in text.split("\n") if line)
