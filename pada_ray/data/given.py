"""What the config says of a run's task, and with it what the training samples show."""

from __future__ import annotations

import json
from collections.abc import Sequence

import fsspec

from pada_ray.config import DataConfig
from pada_ray.config.plain_file import what_instead
from pada_ray.data.paper_sets import labels_file
from pada_ray.errors import DataError
from pada_ray.records import Sample
from pada_ray.tasks import Knowledge, learn
from pada_ray.tasks.json_schema import check_schema, of_tools

_MOST = 2**24  # characters of a file with labels or a schema


def given_knowledge(data: DataConfig) -> Knowledge:
    """The labels, schema and normalisation that the config gives, or the dataset has. Raises DataError."""
    schema = None if data.value_schema is None else _schema(data.value_schema)
    return Knowledge(
        labels=_labels(data),
        value_schema=schema,
        schema_given=schema is not None,
        normalisation=data.normalisation,
    )


def knowledge_of(data: DataConfig, train: Sequence[Sample]) -> Knowledge:
    """What a run knows of its task: what the config gives, and what its training samples show beyond it. Raises
    DataError."""
    return learn(train, given_knowledge(data))


def _labels(data: DataConfig) -> list[str]:
    if isinstance(data.labels, tuple):
        where, labels = "data.labels", [label.strip() for label in data.labels]
    else:
        beside = labels_file(data.dataset, data.folder) if data.dataset else None
        where = data.labels or beside or ""
        if not where:
            return []
        labels = [line.strip() for line in _text(where, "data.labels").splitlines() if line.strip()]
    if not labels or not all(labels):
        raise DataError(f"{where}: {'a label is empty' if labels else 'no labels in it'}; write one label on each line")
    twice = [label for i, label in enumerate(labels) if label in labels[:i]]
    if twice:
        raise DataError(f"{where}: label {twice[0]!r} stands there twice; leave one out")
    return labels


def _schema(path: str) -> dict[str, object]:
    try:
        found = json.loads(_text(path, "data.schema"))
        schema: dict[str, object] = of_tools(found) if isinstance(found, list) else found
        check_schema(schema)
    except DataError:
        raise
    except (ValueError, RecursionError) as err:
        raise DataError(f"{path}: neither a JSON Schema nor a list of tools: {err}; mend it") from err
    return schema


def _text(path: str, key: str) -> str:
    if (other := what_instead(path)) is not None:
        raise DataError(f"{path}: this is {other}; check {key} in the config")
    try:
        with fsspec.open(path, "rt", encoding="utf-8-sig") as file:
            text: str = file.read(_MOST)
    except FileNotFoundError as err:
        raise DataError(f"{path}: no such file; check {key} in the config") from err
    except UnicodeDecodeError as err:
        raise DataError(f"{path}: not UTF-8 ({err.reason} at byte {err.start}); save it as UTF-8") from err
    except Exception as err:  # each fsspec file system has its own errors
        raise DataError(f"{path}: cannot be read ({type(err).__name__}: {err}); check {key} in the config") from err
    if len(text) == _MOST:
        raise DataError(f"{path}: longer than {_MOST:,} characters; check {key} in the config")
    return text
