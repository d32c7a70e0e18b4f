"""What happened in a run and when, in one file of JSON lines.

The state says where a run stands, this how it came there. The file is written whole with every event, since an object
store cannot append; a run has some dozens of events.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import Field

from pada_ray.records import Record
from pada_ray.storage import Folder

FILE = "events.jsonl"

EventName = Literal[
    "run began",
    "run resumed",
    "run paused",
    "run waits for review",
    "run stopped",
    "run failed",
    "run ended",
    "stage began",
    "stage ended",
    "model evaluated",
    "shortfall",
    "warning",
    "not analysed",
    "collapse",
    "calls waiting",
]


class Event(Record):
    time: datetime  # in UTC
    event: EventName
    stage: str  # the run's at this moment
    figures: dict[str, Any] = Field(default_factory=dict)


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
        self._events.append(Event(time=datetime.now(timezone.utc), event=event, stage=stage, figures=figures))
        self._folder.write_records(FILE, self._events)
        self._notice(self._events[-1])


def read_events(folder: Folder) -> list[Event]:
    """In the order in which they happened; none for a run that has not begun."""
    return folder.read_records(FILE, Event) if folder.exists(FILE) else []
