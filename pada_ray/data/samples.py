"""Reads a file of samples, one JSON object per line, and checks each; finds equal questions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import fsspec
from pydantic import ValidationError

from pada_ray.config.plain_file import what_instead
from pada_ray.data.text_key import text_key
from pada_ray.errors import ConfigError, DataError
from pada_ray.records import Sample
from pada_ray.tasks import Knowledge, check_named_by_data, get_task

MOST_OF_LINE = 2**24  # characters of a line


class Line(NamedTuple):
    where: str  # FILE:LINE
    sample: Sample


def _json_lines(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(FILE:LINE, object) of each line that is not blank."""
    if (other := what_instead(path)) is not None:
        raise DataError(f"{path}: cannot be read: this is {other}; give a file with one JSON object on each line")
    try:
        with fsspec.open(path, "rt", encoding="utf-8-sig") as file:
            # A file without an end of line would be read to its end.
            for number, line in enumerate(iter(lambda: file.readline(MOST_OF_LINE), ""), start=1):
                if not line.strip():
                    continue
                where = f"{path}:{number}"
                if len(line) == MOST_OF_LINE:
                    raise DataError(f"{where}: longer than {MOST_OF_LINE:,} characters; write one JSON object a line")
                try:
                    found = json.loads(line)
                except (ValueError, RecursionError) as err:
                    raise DataError(f"{where}: not JSON ({err}); write one JSON object on each line") from err
                try:
                    json.dumps(found, ensure_ascii=False).encode()
                except UnicodeEncodeError as err:
                    half = json.dumps(err.object[err.start])
                    raise DataError(f"{where}: {half} is half of a character; write it whole, or leave it out") from err
                if not isinstance(found, dict):
                    raise DataError(f"{where}: not a JSON object; write one JSON object on each line")
                yield where, found
    except FileNotFoundError as err:
        raise DataError(f"{path}: no such file; check the path in the config") from err
    except UnicodeDecodeError as err:
        raise DataError(f"{path}: not UTF-8 ({err.reason} at byte {err.start}); save it as UTF-8") from err
    except DataError:
        raise
    except Exception as err:  # each fsspec file system has its own errors
        raise DataError(f"{path}: cannot be read ({type(err).__name__}: {err}); check path and access") from err


def _sample(where: str, fields: dict[str, Any], default_task: str | None, knowledge: Knowledge | None) -> Sample:
    if "task" not in fields:
        if default_task is None:
            raise DataError(f"{where}: `task` is missing; add it to the line or to the config")
        fields = {**fields, "task": default_task}
    try:
        # The placeholder lets the messages be checked before the answer is read from them.
        sample = Sample.model_validate({"answer": "", **fields})
    except ValidationError as err:
        raise DataError(f"{where}: {problem_of(err)}; a line has id, messages, task, answer, meta") from err
    roles = [message.role for message in sample.messages]
    if roles[-1] != "assistant":
        raise DataError(f"{where}: the last message is from the {roles[-1]}; end with the assistant's reply")
    if roles[-2] != "user":
        raise DataError(f"{where}: the message before the reply is from the {roles[-2]}; make it the user's")
    if not sample.question.strip():
        raise DataError(f"{where}: the question, the user's last message, is empty; write it, or take the line out")
    try:
        check_named_by_data(sample.task, default_task)
        task = get_task(sample.task, knowledge)
    except ConfigError as err:
        raise DataError(f"{where}: {err}") from err
    if "answer" not in fields:
        try:
            answer = task.answer_of(sample.messages)
        except ValueError as err:
            raise DataError(f"{where}: `answer` is missing and cannot be read from the reply: {err}") from err
        if answer is None:
            raise DataError(f"{where}: `answer` is missing and cannot be read from the reply; add it")
        sample = sample.model_copy(update={"answer": answer})
    return sample


def problem_of(err: ValidationError) -> str:
    """The first wrong field of a sample, and what is wrong with it."""
    first = err.errors(include_url=False)[0]
    return f"`{'.'.join(map(str, first['loc']))}`: {first['msg'].lower()}"


def _check_references(lines: Sequence[Line], knowledge: Knowledge | None) -> None:
    """Raises DataError for the first line whose reference reply fails its task."""
    for name in dict.fromkeys(line.sample.task for line in lines):
        task, group = get_task(name, knowledge), [line for line in lines if line.sample.task == name]
        samples = [line.sample for line in group]
        try:
            failed = task.fails_many([sample.reference for sample in samples], samples)
        except DataError as err:
            where = {line.sample.id: line.where for line in group}
            at = next((where[i] for i in where if f"sample {i}:" in str(err)), group[0].where)
            raise DataError(f"{at}: {err}") from err
        for line, fails in zip(group, failed, strict=True):
            if fails:
                raise DataError(
                    f"{line.where}: the reference reply does not satisfy `answer` (task {name}); correct one of them"
                )


def read_file(path: str, default_task: str | None = None, knowledge: Knowledge | None = None) -> list[Line]:
    """The samples of a file, each with its reference reply checked.

    Args:
        path: local path or fsspec URL.
        default_task: the task of lines that name none. Lines may also name built-in tasks, but no other: that would
            import what a file says.
        knowledge: what the run knows of its task.

    Raises:
        DataError: anything wrong, as one line `FILE:LINE: what is wrong; what to do`.
    """
    return read_lines(path, _json_lines(path), default_task, knowledge)


def read_lines(
    path: str, rows: Iterable[tuple[str, dict[str, Any]]], default_task: str | None, knowledge: Knowledge | None
) -> list[Line]:
    """The same of (place, fields) of each sample, which stand in `path` in some way."""
    lines = [Line(where, _sample(where, fields, default_task, knowledge)) for where, fields in rows]
    if not lines:
        raise DataError(f"{path}: no samples in it; write one JSON object on each line")
    seen: dict[str, str] = {}
    for where, sample in lines:
        if sample.id in seen:
            raise DataError(f"{where}: id {sample.id!r} is also at {seen[sample.id]}; make ids unique")
        seen[sample.id] = where
    _check_references(lines, knowledge)
    return lines


def question_key(sample: Sample) -> str:
    """The `text_key` of the user's messages. Equal questions have equal keys."""
    return text_key(" ".join(message.content for message in sample.prompt if message.role == "user"))


def by_question(samples: Iterable[Sample]) -> list[list[Sample]]:
    """The samples in groups with equal questions, in order of first appearance."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(question_key(sample), []).append(sample)
    return list(groups.values())
