"""Where a fine-tuning stands: the checkpoint of its last epoch, in the run's folder.

Ray Train keeps those of its workers there by itself. In its local mode it keeps none, so `OwnCheckpoints` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pada_ray.errors import DamagedFile
from pada_ray.runs.checksums import sha256
from pada_ray.storage import Folder

CHECKPOINTS = "checkpoints"  # folder in the run's folder
BYTES_OF_A_WEIGHT = 4  # of an adapter, in float32
BYTES_IN_A_CHECKPOINT = (
    3 * BYTES_OF_A_WEIGHT
)  # of each trained weight: itself, and the two moments that AdamW keeps of it
_LAST = "last.yaml"  # names the checkpoint that is whole, with its figures


class OwnCheckpoints:
    """The last checkpoint of the fine-tuning `name`, as transformers' Trainer writes it."""

    def __init__(self, run: Folder, name: str):
        self._run = run
        self._place = f"{CHECKPOINTS}/{name}"

    def keep(self, checkpoint: Path, figures: dict[str, Any]) -> None:
        """Keeps the folder `checkpoint` instead of the one before."""
        before = self._last()
        Folder(str(checkpoint.parent)).copy_to(checkpoint.name, self._run, f"{self._place}/{checkpoint.name}")
        checksums = self._checksums(checkpoint.name)
        last = {"checkpoint": checkpoint.name, "figures": figures, "checksums": checksums}
        self._run.write_yaml(f"{self._place}/{_LAST}", last)
        if before and before["checkpoint"] != checkpoint.name:
            self._run.remove(f"{self._place}/{before['checkpoint']}")

    @contextmanager
    def folder(self) -> Iterator[str | None]:
        """A local path of what was kept last; None before anything was."""
        last = self._last()
        with self._run.local_copy(last and f"{self._place}/{last['checkpoint']}") as folder:
            yield folder

    def figures(self) -> dict[str, Any] | None:
        """The figures of what was kept last."""
        last = self._last()
        return last and last["figures"]

    def _last(self) -> Any:
        """None also for a checkpoint that is not what was written: training then begins anew, which costs no calls."""
        file = f"{self._place}/{_LAST}"
        try:
            last = self._run.read_yaml(file) if self._run.exists(file) else None
            whole = last and last.get("checksums") in (None, self._checksums(last["checkpoint"]))
        except (DamagedFile, KeyError, AttributeError):
            return None
        return last if whole else None

    def _checksums(self, checkpoint: str) -> dict[str, str]:
        place = f"{self._place}/{checkpoint}"
        return {path: sha256(self._run.read_bytes(path)) for path in self._run.files(place)}
