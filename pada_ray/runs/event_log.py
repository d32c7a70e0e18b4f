"""What happened in a run and when, in one file of JSON lines.

The state says where a run stands, this how it came there. The file is written whole with every event, since an object
store cannot append; a run has some dozens of events.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import Field

from pada_ray.errors import DamagedFile
from pada_ray.records import Record
from pada_ray.runs.checksums import sha256
from pada_ray.storage import Folder

FILE = "events.jsonl"
_WAY_OUT = "remove the file: the log begins anew, and no stage reads it"

EventName = Literal[
    "run began",
    "run resumed",
    "run paused",
    "run stopped",
    "run failed",
    "run ended",
    "stage began",
    "stage ended",
    "model evaluated",
    "shortfall",
    "not analysed",
    "collapse",
    "calls waiting",
]


class Event(Record):
    time: datetime  # in UTC
    event: EventName
    stage: str  # the run's at this moment
    figures: dict[str, Any] = Field(default_factory=dict)
    checksum: str = ""  # of the line, as it is without it; logs of version 0.1 have none

    def sealed(self) -> Event:
        return self.model_copy(update={"checksum": sha256(self._unsealed())[:16]})

    @property
    def is_whole(self) -> bool:
        return self.checksum in ("", sha256(self._unsealed())[:16])

    def _unsealed(self) -> bytes:
        return self.model_copy(update={"checksum": ""}).model_dump_json().encode()


class Notices:
    """Tells each of `notices` every event."""

    def __init__(self, *notices: Callable[[Event], None]):
        self._notices = notices

    def __call__(self, event: Event) -> None:
        for notice in self._notices:
            notice(event)


class EventLog:
    """The log of the run in `folder`, which may have one already. `notice` is told every new event."""

    def __init__(self, folder: Folder, notice: Callable[[Event], None] = lambda event: None):
        self._folder = folder
        self._notice = notice
        self._events = read_events(folder)

    def has(self, event: EventName, figures: dict[str, Any]) -> bool:
        """Whether the event is there with these figures."""
        return any(e.event == event and e.figures == figures for e in self._events)

    def add(self, event: EventName, stage: str, **figures: Any) -> None:
        new = Event(time=datetime.now(timezone.utc), event=event, stage=stage, figures=figures)
        self._events.append(new.sealed())
        self._folder.write_records(FILE, self._events)
        self._notice(self._events[-1])


def read_events(folder: Folder) -> list[Event]:
    """In the order in which they happened; none for a run that has not begun. Raises DamagedFile."""
    if not folder.exists(FILE):
        return []
    try:
        events = folder.read_records(FILE, Event)
    except DamagedFile as e:
        raise DamagedFile(f"{e}; {_WAY_OUT}") from None
    for number, event in enumerate(events, start=1):
        if not event.is_whole:
            raise DamagedFile(f"{folder.at(FILE)}:{number}: damaged: the line is not what was written; {_WAY_OUT}")
    return events
