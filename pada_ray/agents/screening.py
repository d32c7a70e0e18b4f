"""What can be told of a candidate without a judge: its form, leaks, copies of training data, wrong answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pada_ray.agents.brief import Brief
from pada_ray.agents.known_questions import conversation_overlap
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.config import QualityControlConfig
from pada_ray.data.samples import question_key
from pada_ray.data.white_space import trimmed
from pada_ray.records import Batch, Candidate, Message, Reason, Sample
from pada_ray.tasks import Knowledge, get_task
from pada_ray.tasks.code import Code

# What chat templates use to mark turns. In a text they would pass for the template's own.
_CONTROL_TOKENS = re.compile(
    r"<[|｜][^|｜<>]{1,40}[|｜]>|</?s>|<(?:bos|eos|pad|start_of_turn|end_of_turn)>|\[/?INST\]|<</?SYS>>"
)


class Screen:
    """Knows the held-out samples by `guard`, the training samples, which new ones must not repeat, and the task by its
    `brief`."""

    def __init__(
        self,
        settings: QualityControlConfig,
        train: Iterable[Sample],
        guard: LeakGuard,
        brief: Brief | None = None,
    ):
        train = list(train)
        self._verifies = settings.computes
        self._max_overlap = settings.max_overlap
        self._known_questions = {question_key(s) for s in train}
        self._guard = guard
        self.brief = brief or Brief()
        self.runs_code = self._verifies and any(s.task == Code.name for s in train)
        """Whether screening executes what a model wrote, which needs a sandbox."""

    def screen(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates in order, with `rejected` and `feedback` where one is turned down."""
        seeds = {seed.sample.id: seed.sample for seed in batch.seeds}
        return [self._screen(c, seeds[c.seed_id], verify=self._verifies and batch.reviewed) for c in candidates]

    def _screen(self, candidate: Candidate, seed: Sample, verify: bool) -> Candidate:
        try:
            sample = as_sample(candidate, seed, self.brief.knowledge)
        except ValueError as e:
            return turned_down(candidate, "malformed", str(e))
        candidate = candidate.model_copy(update={"sample": sample})
        if self._guard.leaks(sample):
            # The feedback goes back to the generator, so it must not name the words that were found.
            return turned_down(
                candidate, "leak", "Too close to a text that must not be used; choose another situation."
            )
        if question_key(sample) in self._known_questions:
            return turned_down(candidate, "duplicate", "This question stands in the training set; write a new one.")
        if self._overlap(sample, seed) > self._max_overlap:
            return turned_down(
                candidate, "duplicate", "This question repeats its example; write of another situation in other words."
            )
        return checked(candidate, sample, self.brief.knowledge) if verify else candidate

    def _overlap(self, sample: Sample, seed: Sample) -> float:
        varying = self.brief.frame.varying
        return conversation_overlap(varying(sample.messages), varying(seed.messages))


def as_sample(candidate: Candidate, seed: Sample, knowledge: Knowledge | None = None) -> Sample:
    """The training sample that a candidate holds. Raises ValueError when it has not the form of its seed. Where the
    seed's reply is its answer and nothing else, so is the new one, without a label or a fence around it."""
    roles = [m.role for m in candidate.messages]
    expected = [m.role for m in seed.messages]
    if roles != expected:
        raise ValueError(f"The messages' roles must be {expected}, not {roles}.")
    if not all(m.content.strip() for m in candidate.messages):
        raise ValueError("A message is empty.")
    if any(_CONTROL_TOKENS.search(m.content) for m in candidate.messages):
        raise ValueError("A message holds control tokens of a chat template.")
    messages = [
        Message(role=seed_message.role, content=trimmed(m.content))
        for seed_message, m in zip(seed.messages, candidate.messages, strict=True)
    ]
    task = get_task(seed.task, knowledge)
    answer = task.answer_of(messages) or candidate.answer
    if not answer:
        raise ValueError("No answer can be read from the reply, or the tests are missing.")
    bare = seed.reference == seed.answer or (
        task.is_bare(seed.reference) and not task.is_bare(messages[-1].content)  # a bare one keeps its spaces
    )
    if bare and isinstance(answer, str):
        messages[-1] = Message(role="assistant", content=answer)
    meta = {"seed": candidate.seed_id, "strategy": candidate.strategy_name}
    return Sample(id=candidate.id, messages=messages, task=seed.task, answer=answer, meta=meta)


def checked(candidate: Candidate, sample: Sample, knowledge: Knowledge) -> Candidate:
    """The candidate, turned down if its sample's reply is provably wrong."""
    check = get_task(sample.task, knowledge).check(sample)
    if check.verdict == "wrong":
        return turned_down(candidate, "wrong", f"The reply is wrong: {check.reason}")
    return candidate


def turned_down(candidate: Candidate, reason: Reason, feedback: str) -> Candidate:
    return candidate.model_copy(update={"rejected": reason, "feedback": feedback})
