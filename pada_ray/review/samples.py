"""Synthetic samples as a person edits them: JSON lines, one for each that the judge passed or turned down."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from pada_ray.agents.known_questions import KnownQuestions
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.agents.quotas import Augmentation, GroupReport
from pada_ray.agents.screening import Screen
from pada_ray.data.samples import question_key
from pada_ray.errors import DataError
from pada_ray.records import Attempt, Batch, ByPerson, Candidate, Deed, Reason, Sample, Seed
from pada_ray.review.entries import SampleEntry, check_free_of_held_out, parsed

OWN = "person"  # the group of the samples that a person adds
_JUDGED: tuple[Reason, ...] = ("low score", "not confirmed")  # what a person may see otherwise


def to_edit(made: Augmentation) -> str:
    """The file that a person edits. What the judge said stands beside each sample and is not read back."""
    return "".join(json.dumps(_line(candidate), ensure_ascii=False) + "\n" for candidate in _shown(made))


def _shown(made: Augmentation) -> list[Candidate]:
    return [*made.accepted, *(candidate for candidate in made.rejected if candidate.rejected in _JUDGED)]


def _line(candidate: Candidate) -> dict[str, object]:
    decision = "drop" if candidate.rejected else "accept"
    rating = round(candidate.ratings.overall, 2) if candidate.ratings else None
    answer = {} if candidate.answer is None else {"answer": candidate.answer}
    return {
        "id": candidate.id,
        "decision": decision,
        "rating": None,
        "feedback": "",
        "messages": [message.model_dump() for message in candidate.messages],
        **answer,
        "judge": {"decision": decision, "rating": rating, "feedback": candidate.feedback},
        "group": candidate.group,
        "strategy": candidate.strategy_name,
        "seed_id": candidate.seed_id,
    }


class SampleReview:
    """Reads an iteration's file back. `seeds` are the samples that new ones are made from, by id; `earlier` were
    accepted in iterations before it."""

    def __init__(
        self, iteration: int, screen: Screen, guard: LeakGuard, seeds: Mapping[str, Sample], earlier: Sequence[Sample]
    ):
        self._iteration = iteration
        self._screen = screen
        self._guard = guard
        self._seeds = seeds
        self._earlier = earlier

    def edited(self, text: str, file: str, made: Augmentation) -> Augmentation:
        """The augmentation as a person leaves it. A text that the person wrote is screened as the generator's are.

        Raises DataError, naming file, line and key.
        """
        known = {candidate.id: candidate for candidate in _shown(made)}
        decided: dict[str, tuple[Candidate, str]] = {}
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                candidate = self._decided(line, f"{file}:{number}", known, taken=decided)
                decided[candidate.id] = candidate, f"{file}:{number}"
        self._check_questions(decided.values())
        candidates = [candidate for candidate, _ in decided.values()]
        deleted = [_dropped(c) for c in made.accepted if c.id not in decided]
        unseen = [c for c in made.rejected if c.id not in decided]
        accepted = [c for c in candidates if c.rejected is None]
        rejected = [*unseen, *deleted, *(c for c in candidates if c.rejected is not None)]
        return Augmentation(accepted=accepted, rejected=rejected, groups=_groups(made, accepted, rejected))

    def _decided(self, line: str, where: str, known: Mapping[str, Candidate], taken: Mapping[str, object]) -> Candidate:
        try:
            given = json.loads(line)
        except (ValueError, RecursionError) as e:
            raise DataError(f"{where}: not JSON ({e}); write one JSON object on each line") from None
        entry = parsed(SampleEntry, given, lambda key: where)
        if entry.id is not None and entry.id not in known:
            raise DataError(f"{where}: id: {entry.id!r} is no sample of this iteration; leave it out to add your own")
        if entry.id in taken:
            raise DataError(f"{where}: id: {entry.id} is there twice; leave one of the lines out")
        candidate = known[entry.id] if entry.id else self._own(entry, where, len(taken))
        deed = _deed(candidate, entry)
        return self._as_decided(candidate, entry, deed, where)

    def _own(self, entry: SampleEntry, where: str, number: int) -> Candidate:
        seed = entry.seed_id or next(iter(self._seeds))
        if seed not in self._seeds:
            raise DataError(f"{where}: seed_id: {seed!r} is no sample that new ones are made from; leave it out")
        name = f"iteration-{self._iteration}-{OWN}-{number}"
        return Candidate(
            id=name,
            draft=name,
            batch=OWN,
            group=OWN,
            strategy_name=None,
            seed_id=seed,
            attempt=0,
            messages=entry.messages,
            answer=entry.answer,
        )

    def _as_decided(self, candidate: Candidate, entry: SampleEntry, deed: Deed, where: str) -> Candidate:
        said = ByPerson(deed=deed, rating=entry.rating, feedback=entry.feedback)
        if entry.decision == "drop":
            reason = candidate.rejected or "dropped by a person"
            return candidate.model_copy(update={"rejected": reason, "person": said})
        if deed in ("edited by a person", "added by a person"):
            # The judge has not seen this text.
            text = {"messages": entry.messages, "answer": entry.answer, "ratings": None, "feedback": ""}
            candidate = self._screened(candidate.model_copy(update=text | {"rejected": None}), where)
        sample = candidate.sample
        if sample is not None and deed:
            sample = sample.model_copy(update={"meta": sample.meta | {"person": deed}})
        return candidate.model_copy(update={"rejected": None, "sample": sample, "person": said})

    def _screened(self, candidate: Candidate, where: str) -> Candidate:
        for message in candidate.messages:
            check_free_of_held_out(self._guard, message.content, where, "messages")
        seed = Seed(sample=self._seeds[candidate.seed_id])
        attempts = [Attempt(draft=candidate.draft, seed=seed)]
        batch = Batch(id=OWN, group=candidate.group, instruction=OWN, attempts=attempts)
        screened = self._screen.screen(batch, [candidate])[0]
        if screened.rejected is not None:
            reason = "it asks a question of val or test" if screened.rejected == "leak" else screened.feedback
            raise DataError(f"{where}: messages: {screened.rejected}: {reason} Mend it, or set decision to drop")
        return screened

    def _check_questions(self, decided: Iterable[tuple[Candidate, str]]) -> None:
        """Raises DataError where a person lets a question come twice."""
        accepted = [(c.sample, where) for c, where in decided if c.rejected is None and c.sample]
        by_key = {question_key(sample): f"sample {sample.id}" for sample in self._earlier}
        untouched = KnownQuestions(self._earlier)
        for sample, where in accepted:
            if not untouched.add(sample, 1.0):
                other = by_key.get(question_key(sample), "an earlier sample")
                raise DataError(f"{where}: messages: the question is that of {other}; edit or drop one of them")
            by_key[question_key(sample)] = where.rpartition("/")[2]


def _deed(candidate: Candidate, entry: SampleEntry) -> Deed:
    if entry.id is None:
        return "added by a person"
    if entry.decision == "drop":
        return "" if candidate.rejected else "dropped by a person"
    if (entry.messages, entry.answer) != (candidate.messages, candidate.answer):
        return "edited by a person"
    return "accepted by a person" if candidate.rejected else ""


def _dropped(candidate: Candidate) -> Candidate:
    said = ByPerson(deed="dropped by a person")
    return candidate.model_copy(update={"rejected": "dropped by a person", "person": said})


def _groups(made: Augmentation, accepted: Sequence[Candidate], rejected: Sequence[Candidate]) -> list[GroupReport]:
    """The groups with what is accepted and rejected now, and the group of the person's own samples."""
    own = [c for c in (*accepted, *rejected) if c.group == OWN]
    empty = GroupReport(
        group=OWN, strategy_name=None, quota=0, accepted=0, drafted=len(own), regenerated=0, rejected={}, unwritten=0
    )
    groups = [*made.groups, empty] if own else made.groups

    def counted(group: GroupReport) -> GroupReport:
        reasons = [c.rejected for c in rejected if c.group == group.group and c.rejected]
        return group.model_copy(
            update={
                "accepted": sum(c.group == group.group for c in accepted),
                "rejected": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
            }
        )

    return [counted(group) for group in groups]
