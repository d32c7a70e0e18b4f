"""Checksums of a run's files: what is read is held against what was written."""

from __future__ import annotations

import hashlib
import re

from pydantic import BaseModel, ConfigDict

_HEADER = re.compile(rb"# sha256 of what follows: ([^\n]*)\n")


class StoredFile(BaseModel):
    """A file as a stage of the run left it."""

    model_config = ConfigDict(extra="forbid")

    size: int  # in bytes
    sha256: str
    stage: str  # that wrote it; `start` for what the run was laid out with


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def stored(data: bytes, stage: str) -> StoredFile:
    return StoredFile(size=len(data), sha256=sha256(data), stage=stage)


def difference(data: bytes | None, written: StoredFile) -> str | None:
    """What is wrong with a file that was `written` and now holds `data` (None: it is gone); None if nothing is."""
    if data is None:
        return "it is missing"
    if len(data) != written.size:
        return f"it has {len(data):,} bytes, and was written with {written.size:,}"
    return None if sha256(data) == written.sha256 else "its content is not what was written"


def with_header(text: str) -> str:
    """A YAML text under a comment with its checksum, for a file that may change and must not be damaged."""
    return f"# sha256 of what follows: {sha256(text.encode())}\n{text}"


def agrees_with_header(data: bytes) -> bool:
    """Whether a text is what its header says. One without a header, as of version 0.1, is taken as it is."""
    header = _HEADER.match(data)
    return header is None or header[1].decode(errors="replace") == sha256(data[header.end() :])
