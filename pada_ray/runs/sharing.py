"""When two runs have a stage in common: one hash for all that the stage's result depends on.

The orchestrator shares stages by it, and a plan counts what is shared by it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pada_ray.config import Config
from pada_ray.records import Analysis, Sample
from pada_ray.storage import as_lines
from pada_ray.tasks import Knowledge


def fine_tuning_content(config: Config, training_set: Iterable[Sample], previous: str | None = None) -> str:
    """Of an adapter: student, settings, seed, training set, and with `restart: previous` the content of the adapter
    that it goes on from."""
    settings = config.fine_tune.model_dump_json()
    lines = (as_lines([sample]) for sample in training_set)
    return content_hash(_student_content(config), config.seed, settings, lines, previous)


def evaluation_content(
    config: Config, adapter: str | None, samples: Iterable[Sample], knowledge: Knowledge | None = None
) -> str:
    """Of the replies to `samples` of the model with an adapter of content `adapter`, or of the base model.

    They are the same for any number of workers.
    """
    settings = config.evaluation.model_dump_json(exclude={"workers", "cpus_per_worker", "gpus_per_worker"})
    known = knowledge.of_replies() if knowledge else ""
    texts = [*(s.model_dump_json() for s in samples), *([known] if known else [])]
    return content_hash(_student_content(config), adapter, settings, *texts)


def losses_content(config: Config, adapter: str, samples: Iterable[Sample]) -> str:
    """Of the losses on `samples` of the model with an adapter of content `adapter`."""
    return content_hash("losses", _student_content(config), adapter, *(s.model_dump_json() for s in samples))


def clustering_content(config: Config, analyses: Iterable[Analysis]) -> str:
    """Of the clusters of `analyses`."""
    settings = config.pattern_analysis.what_findings_depend_on()
    return content_hash(settings, config.seed, *(a.model_dump_json() for a in analyses))


def findings_content(config: Config, adapter: str) -> str:
    """Of what pattern analysis asks about the model with an adapter of content `adapter`."""
    return content_hash(adapter, config.pattern_analysis.what_findings_depend_on())


def grading_content(config: Config, adapter: str) -> str:
    """Of what the judge is asked about the replies of the model with an adapter of content `adapter`."""
    return content_hash(adapter, config.grading.model_dump_json())


def _student_content(config: Config) -> str:
    return content_hash(config.student.model_dump_json(), *model_files(config.student.model))


def content_hash(*parts: object) -> str:
    """The hash of the parts' texts. Lines of JSON from an iterator count as one text, which is never held whole."""
    hashed = hashlib.sha256()
    for i, part in enumerate(parts):
        hashed.update(b", " if i else b"[")
        for piece in _quoted(part) if isinstance(part, Iterator) else [repr(str(part))]:
            hashed.update(piece.encode())
    hashed.update(b"]")
    return hashed.hexdigest()[:32]


def _quoted(lines: Iterator[str]) -> Iterator[str]:
    """`repr` of the text of all lines, in pieces. It puts single quotes round a text that has double ones, as JSON
    has."""
    yield "'"
    for line in lines:
        yield repr('"' + line)[2:-1]
    yield "'"


def model_files(model: str) -> list[tuple[str, int, int]]:
    """Name, size in bytes and time of change in ns of each file of a model's folder, which tell one model of this path
    from another; nothing for what is no folder here, such as an id of the Hub."""
    folder = Path(os.path.expanduser(model))  # Path.expanduser raises for `~nobody`
    found = [(file, file.stat()) for file in sorted(folder.rglob("*")) if file.is_file()]
    return [(str(file.relative_to(folder)), stat.st_size, stat.st_mtime_ns) for file, stat in found]
