"""A review as a page edits it: the entries of the person's file, some of which are written anew."""

from __future__ import annotations

import bisect
import hashlib
import json
import re
from typing import Any

from pada_ray.config import Reviewed
from pada_ray.config.yaml_text import line_of
from pada_ray.errors import ConfigError, DataError, PadaError, ReviewDue
from pada_ray.printable import visible
from pada_ray.records import Record
from pada_ray.review import strategies
from pada_ray.review.entries import entries_in, read_text
from pada_ray.review.reviews import ReviewAt, check_edits, original_of, review_due
from pada_ray.storage import Folder

Entry = dict[str, Any]


class Review(Record):
    """What a run waits for."""

    stage: str
    what: Reviewed
    file: str
    resume: str  # the command that goes on
    tag: str  # of the file as it stands: who writes names it, so that no other's edit is lost
    entries: list[Entry]
    originals: list[Entry]  # as the run wrote them; the first of `entries`, unless a person has moved them
    hidden: list[int]  # the entries with marks in their texts that a reader does not see


class Change(Record):
    at: int  # the index of an entry, or the number of all for a new one
    entry: Entry | None  # None: the list ends before it


class Changes(Record):
    tag: str
    changes: list[Change]


class Saved(Record):
    tag: str
    problem: str | None  # what does not hold, so that `pada resume` would refuse it
    at: int | None  # the entry that it is about


class EditedElsewhere(PadaError):
    """The file is no longer the one that was read."""


def read_review(folder: Folder) -> Review:
    """The review that the run in `folder` waits for. Raises ConfigError where it waits for none, and DataError or
    ConfigError where the person's file cannot be read."""
    at = _due(folder)
    text, original = read_text(folder, at.file), original_of(at.file)
    entries = entries_in(text, at.what, folder.at(at.file))
    return Review(
        stage=at.stage,
        what=at.what,
        file=folder.at(at.file),
        resume=f"pada resume {folder.url}",
        tag=_tag(text),
        entries=entries,
        originals=entries_in(read_text(folder, original), at.what, folder.at(original)),
        hidden=[i for i, entry in enumerate(entries) if _hides(entry)],
    )


def write_review(folder: Folder, given: Changes) -> Saved:
    """Writes the changed entries into the person's file, and checks all of it as `pada resume` will.

    Raises ConfigError where the run waits for no review, or a change has no place; EditedElsewhere where the file is
    not the one that `given` names; DataError where it cannot be read.
    """
    at = _due(folder)
    text, file = read_text(folder, at.file), folder.at(at.file)
    if _tag(text) != given.tag:
        raise EditedElsewhere(
            f"{file} was edited elsewhere meanwhile; what you change here is not saved any more: copy what you need, "
            "then reload the page to see the file as it is"
        )
    entries = entries_in(text, at.what, file)
    for change in sorted(given.changes, key=lambda change: change.at):
        _apply(change, entries)
    text = _text(entries, at.what, folder.url)
    folder.write_text(at.file, text)
    problem = _problem(folder, at)
    return Saved(tag=_tag(text), problem=problem, at=_entry_at(problem or "", text, at.what, file))


def _due(folder: Folder) -> ReviewAt:
    at = review_due(folder)
    if at is None:
        raise ConfigError(f"{folder.url}: this run waits for no review")
    return at


def _text(entries: list[Entry], what: Reviewed, run: str) -> str:
    if what == "strategies":
        return strategies.text_of(entries, run)
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)


def _apply(change: Change, entries: list[Entry]) -> None:
    if change.at < 0 or (change.entry is not None and change.at > len(entries)):
        raise ConfigError(f"there is no entry {change.at} among {len(entries)}")
    if change.entry is None:
        del entries[change.at :]
    else:
        entries[change.at : change.at + 1] = [change.entry]


def _problem(folder: Folder, at: ReviewAt) -> str | None:
    try:
        check_edits(folder, at)
    except (DataError, ConfigError, ReviewDue) as e:
        return str(e)
    return None


def _entry_at(problem: str, text: str, what: Reviewed, file: str) -> int | None:
    named = re.match(re.escape(file) + r":(\d+)", problem)
    if named is None:
        return None
    line = int(named[1])
    if what == "samples":
        return line - 1
    count = len(entries_in(text, what, file))
    return bisect.bisect_right([line_of(text, (i,)) or 0 for i in range(count)], line) - 1


def _hides(entry: Entry) -> bool:
    text = json.dumps(entry, ensure_ascii=False)
    return visible(text) != text


def _tag(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
