"""The teacher's log: a JSON line for every chat request, written after its reply went out (or failed to).

    {"time": 1730000000.1, "content": "9f2c...", "attempt": 1, "prompt": "error_analysis", "status": 200,
     "fault": null, "sent": true, "seconds": 0.004, "prompt_tokens": 812, "completion_tokens": 240}

`content` is the hash of what the reply depends on (model, messages, temperature, seed). Equal values are
repeated calls, which `attempt` counts since the server's start. `prompt` is null if none of the project's
prompts was recognised. `sent` is false if the client had gone before the last byte was handed to the system,
as far as the server can tell.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO


@dataclass
class Access:
    time: float
    content: str
    attempt: int
    prompt: str | None = None
    status: int = 200
    fault: str | None = None
    sent: bool = False
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class AccessLog:
    """Appends to `path`; without a path it does nothing."""

    def __init__(self, path: str | None):
        self._file: TextIO | None = None
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - open as long as the server runs

    def write(self, access: Access) -> None:
        if self._file:
            self._file.write(json.dumps(asdict(access)) + "\n")
            self._file.flush()


def read_access_log(path: str | Path) -> list[Access]:
    """The complete lines of a log that may still be growing; [] if there is no file yet."""
    if not Path(path).exists():
        return []
    text = Path(path).read_text(encoding="utf-8")
    return [Access(**json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]
