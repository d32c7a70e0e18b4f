"""The files of a run's reviews: what a person is to edit, and what the person has made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pada_ray.agents.brief import brief_on
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.agents.quotas import Augmentation, AugmentationFiles
from pada_ray.agents.screening import Screen
from pada_ray.config import Config, Reviewed
from pada_ray.errors import ConfigError, DataError, ReviewDue
from pada_ray.methods import METHODS
from pada_ray.records import Candidate, Sample, Split, Strategy
from pada_ray.review import samples, strategies
from pada_ray.review.entries import entries_in, read_text
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config
from pada_ray.runs.event_log import read_events
from pada_ray.runs.stage_names import Kind, parts_of, stage_name
from pada_ray.runs.stages import Records
from pada_ray.runs.state import FILE, read_state
from pada_ray.storage import Folder

_KINDS: dict[Reviewed, Kind] = {"strategies": "review of strategies", "samples": "review of samples"}


class ReviewAt(NamedTuple):
    """A review that a run of this config waits for."""

    config: Config
    iteration: int
    what: Reviewed

    @property
    def stage(self) -> str:
        return stage_of(self.iteration, self.what)

    @property
    def file(self) -> str:
        return file_of(self.iteration, self.what)


def stage_of(iteration: int, what: Reviewed) -> str:
    return stage_name(run_files.model(iteration), _KINDS[what])


def file_of(iteration: int, what: Reviewed) -> str:
    """The file that a person edits."""
    return f"review/{run_files.model(iteration)}/{what}{'.yaml' if what == 'strategies' else '.jsonl'}"


def original_of(file: str) -> str:
    """The same as the run wrote it, which stays beside it."""
    return _beside(file, "original")


def _beside(file: str, kind: str) -> str:
    stem, _, ending = file.rpartition(".")
    return f"{stem}.{kind}.{ending}"


class Reviews:
    """Of the run in `folder`, whose samples are `data`."""

    def __init__(
        self, folder: Folder, config: Config, data: Mapping[Split, list[Sample]], screen: Screen, guard: LeakGuard
    ):
        self._folder = folder
        self._config = config
        self._seeds = {sample.id: sample for sample in data[METHODS[config.method].seeds]}
        self._screen = screen
        self._guard = guard

    def strategies(self, iteration: int) -> list[Strategy]:
        """The strategies of an iteration as a person leaves them. Raises ReviewDue until then, DataError for what does
        not hold."""
        drafted = Records(self._folder, run_files.strategies(iteration), Strategy).load()
        at = ReviewAt(self._config, iteration, "strategies")
        text = self._edited(at, strategies.to_edit(drafted, self._folder.url))
        first_own = self._config.pattern_analysis.max_clusters
        return strategies.edited(text, self._folder.at(at.file), drafted, self._guard, first_own)

    def samples(self, iteration: int) -> Augmentation:
        """The synthetic samples of an iteration likewise."""
        made = AugmentationFiles(self._folder, iteration).load()
        at = ReviewAt(self._config, iteration, "samples")
        text = self._edited(at, samples.to_edit(made))
        earlier = [
            candidate.sample
            for i in range(1, iteration)
            for candidate in self._folder.read_records(self._in_force(run_files.accepted(i)), Candidate)
            if candidate.sample
        ]
        review = samples.SampleReview(iteration, self._screen, self._guard, self._seeds, earlier)
        return review.edited(text, self._folder.at(at.file), made)

    def _in_force(self, path: str) -> str:
        return run_files.in_force(self._folder, path)

    def _edited(self, at: ReviewAt, text: str) -> str:
        """The person's file. It is written first, with `text`, if there is none, or one of other entries, which a run
        that was taken back to an earlier stage leaves."""
        files = (at.file, original_of(at.file))
        current = all(map(self._folder.exists, files)) and self._has_written(text, at)
        kept = None if current else self._write_anew(at.file, text)
        if not current or not self._has_waited(at.stage):
            raise ReviewDue(
                f"review: edit {self._folder.at(at.file)}, or the page of `pada ui {self._folder.url}`; then "
                f"`pada resume {self._folder.url}` checks it and goes on"
                + (f"; what you had made of an earlier one is in {self._folder.at(kept)}" if kept else "")
            )
        return read_text(self._folder, at.file)

    def _has_written(self, text: str, at: ReviewAt) -> bool:
        """Whether the file that a person was given has the entries of `text`. What stands above them may differ: it
        names the run as it was reached then."""
        original = original_of(at.file)
        try:
            there = read_text(self._folder, original)
            return there == text or entries_in(there, at.what, original) == entries_in(text, at.what, at.file)
        except (DataError, ConfigError):
            return False

    def _write_anew(self, file: str, text: str) -> str | None:
        """Writes the file that a person edits. The one before is kept if a person had edited it; gives the copy."""
        original, before = original_of(file), _beside(file, "before")
        there, given = (self._folder.read_bytes(f) if self._folder.exists(f) else None for f in (file, original))
        edited = there not in (None, given, text.encode())
        if edited:
            self._folder.copy_to(file, self._folder, before)
        self._folder.write_text(file, text)
        self._folder.write_text(original, text)
        return before if edited else None

    def _has_waited(self, stage: str) -> bool:
        return any(e.event == "run waits for review" and e.stage == stage for e in read_events(self._folder))


def review_due(folder: Folder) -> ReviewAt | None:
    """The review that the run in `folder` waits for, if it waits for one."""
    if not folder.exists(FILE):
        return None
    config, state = read_config(folder), read_state(folder)
    model, kind = parts_of(state.stage)
    what = next((what for what in config.review if _KINDS[what] == kind), None)
    if state.status != "waiting for review" or what is None:
        return None
    return ReviewAt(config, int(model.rpartition("-")[2]), what)


def check_review(folder: Folder) -> None:
    """Checks what a person has edited in a run that waits for it, before anything else is started. Raises DataError,
    naming file, line and key."""
    at = review_due(folder)
    if at is not None:
        check_edits(folder, at)


def check_edits(folder: Folder, at: ReviewAt) -> None:
    """The same for the review that the run waits for. Raises ReviewDue too, where it has to ask once more."""
    config = at.config
    data = run_files.read_samples(folder, config.data.task)
    brief = brief_on(data["train"], run_files.read_knowledge(folder))
    guard = LeakGuard(run_files.held_out(data), data["train"], config.leak_guard.words, brief.frame)
    screen = Screen(config.quality_control, data["train"], guard, brief)
    reviews = Reviews(folder, config, data, screen, guard)
    if at.what == "strategies":
        reviews.strategies(at.iteration)
    else:
        reviews.samples(at.iteration)


def check_reviewable(config: Config, source: str) -> None:
    """Raises ConfigError, naming `source` and the key, for a review of what the method does not make."""
    method = METHODS[config.method]
    drafts = (method.finds_patterns and config.pattern_analysis.enabled) or method.drafts_blindly
    if "strategies" in config.review and not drafts:
        raise ConfigError(f"{source}: review: this run of method {config.method} drafts no strategies; leave them out")
    if "samples" in config.review and not method.instructions:
        raise ConfigError(f"{source}: review: method {config.method} has no samples written; leave them out")
