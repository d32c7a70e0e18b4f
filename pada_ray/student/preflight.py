"""Reads every sample as the student will, before anything is spent: rendered by its template, and encoded."""

from __future__ import annotations

import functools
import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress

from pada_ray.config import StudentConfig
from pada_ray.errors import ConfigError, PadaError
from pada_ray.records import Message, Sample, Split
from pada_ray.resources import cores
from pada_ray.student.chat_encoder import IGNORED, ChatEncoder, load_encoder

PARALLEL_FROM = 5000  # samples; fewer are read by this process sooner than others have started
_CHUNK = 250  # samples that a process is given at a time

_Task = tuple[tuple[Message, ...], bool]  # the messages, and whether they are trained on


class Reading(NamedTuple):
    """What the student makes of a sample: its tokens, of the prompt alone where it is not trained on."""

    tokens: int
    refused: PadaError | None = None


class Example(NamedTuple):
    """A training sample as the student sees it."""

    sample_id: str
    prompt: str
    learned: str
    prompt_tokens: int
    learned_tokens: int


class Preflight(NamedTuple):
    left_out: dict[Split, int]  # samples that are too long for student.max_length
    example: Example | None  # of those that are trained on


def read_all(settings: StudentConfig, samples: dict[Split, list[Sample]]) -> Preflight:
    """Renders and encodes each sample once: of train the whole conversation, of the other splits the prompt.

    Raises ConfigError if the student's template refuses a sample, if all of train is too long, or if no prompt of
    another split leaves room for a reply.
    """
    tasks = [(tuple(s.messages), split == "train") for split, members in samples.items() for s in members]
    readings = iter(_readings(settings, tasks))
    left_out: dict[Split, int] = {}
    fitting: Sample | None = None
    for split, members in samples.items():
        found = list(zip(members, islice(readings, len(members)), strict=True))
        _refuse(split, [(s, r.refused) for s, r in found if r.refused is not None])
        room = settings.max_length if split == "train" else settings.max_length - 1
        fit = [sample for sample, reading in found if reading.tokens <= room]
        if members and not fit:
            raise _all_too_long(split, settings, min(reading.tokens for _, reading in found))
        left_out[split] = len(members) - len(fit)
        fitting = fit[0] if split == "train" else fitting
    return Preflight(left_out, None if fitting is None else _example(settings, fitting))


def _refuse(split: Split, refused: Sequence[tuple[Sample, PadaError]]) -> None:
    if refused:
        (first, error), more = refused[0], len(refused) - 1
        others = f" (and {more} more like it)" if more else ""
        raise ConfigError(f"{split}: sample {first.id}{others}: {error}")


def _all_too_long(split: Split, settings: StudentConfig, shortest: int) -> ConfigError:
    what = "training sample" if split == "train" else f"prompt of {split}"
    return ConfigError(
        f"student.max_length: every {what} is longer than {settings.max_length} tokens, the shortest has {shortest}; "
        "raise it, or shorten them"
    )


def _example(settings: StudentConfig, sample: Sample) -> Example:
    encoder = _encoder(settings.model_dump_json())
    ids, labels = encoder.conversation(sample.messages)
    prompt = [token for token, label in zip(ids, labels, strict=True) if label == IGNORED]
    texts = [encoder.tokenizer.decode(part) for part in (prompt, ids[len(prompt) :])]
    return Example(sample.id, texts[0], texts[1], len(prompt), len(ids) - len(prompt))


def _readings(settings: StudentConfig, tasks: Sequence[_Task]) -> Iterable[Reading]:
    student = settings.model_dump_json()
    _encoder(student)  # which tells at once what is wrong with the student itself
    if len(tasks) < PARALLEL_FROM:
        return [_reading(student, *task) for task in tasks]
    return list(_by_many(student, tasks))


def _by_many(student: str, tasks: Sequence[_Task]) -> Iterator[Reading]:
    """As `_reading` of each, by as many processes as there are cores, with a bar that shows how far they are."""
    chunks = [tasks[start : start + _CHUNK] for start in range(0, len(tasks), _CHUNK)]
    # A forked process has the tokenizer already. It uses none of what forks badly: no threads, no GPU, no network.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(min(cores(), len(chunks)), context) as processes:
        read = processes.map(functools.partial(_chunk, student), chunks)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            shown = bar.add_task("reading the samples", total=len(tasks))
            for readings in read:
                bar.advance(shown, len(readings))
                yield from readings


def _chunk(student: str, tasks: Sequence[_Task]) -> list[Reading]:
    return [_reading(student, *task) for task in tasks]


@functools.lru_cache(maxsize=100_000)  # the runs of a sweep have most samples in common
def _reading(student: str, messages: tuple[Message, ...], trained_on: bool) -> Reading:
    encoder = _encoder(student)
    try:
        if trained_on:
            return Reading(len(encoder.conversation(messages).input_ids))
        return Reading(len(encoder.prompt(messages[:-1])))
    except ConfigError as e:
        return Reading(0, e)


@functools.lru_cache(maxsize=8)
def _encoder(student: str) -> ChatEncoder:
    return load_encoder(StudentConfig.model_validate_json(student))
