"""Verification by agreement, for answers that cannot be computed: another model answers a new question without seeing
its answer, and the sample passes only where the two agree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pada_ray.agents.asking import Asking
from pada_ray.agents.brief import Brief
from pada_ray.agents.injection import prompts_apart
from pada_ray.agents.nearest import Nearest
from pada_ray.agents.screening import turned_down
from pada_ray.config import QualityControlConfig
from pada_ray.llm.ask import ask_each, tokens_of
from pada_ray.llm.chat import Llm
from pada_ray.llm.reply_schemas import AnswerReply, with_choices
from pada_ray.prompts import Prompts
from pada_ray.randomness import number_for
from pada_ray.records import Batch, Candidate, Sample
from pada_ray.tasks import Knowledge, Task, choices_of, get_task
from pada_ray.tasks.code import Code

_VOTING = 0.7  # the temperature of several votes, which would else be equal
_WRAPPING_TOKENS = 20  # of the JSON round one answer
_FEEDBACK = (
    "Another model, which saw the question alone, came to another reply. Make the question clear enough that only one "
    "reply can be right, and check that yours is."
)


class WorkedExamples:
    """The training samples that are most similar to a question."""

    def __init__(self, train: Sequence[Sample], nearest: Nearest):
        self._train = list(train)
        self._nearest = nearest

    async def nearest(self, questions: Sequence[str], k: int, brief: Brief) -> list[Sample]:
        """The `k` nearest of each question, each once, in the order of the training set. Raises ConfigError when the
        embedding model cannot be loaded."""
        if not k or not self._train:
            return []
        known = [brief.frame.taken_off(sample.question) for sample in self._train]
        found = await self._nearest(questions, known, k)
        return [self._train[i] for i in sorted({i for positions in found for i in positions})]


def only_a_model_can_tell(sample: Sample, knowledge: Knowledge) -> bool:
    """Whether nothing computes a sample's answer, and it is no matter of taste either."""
    task = get_task(sample.task, knowledge)
    return not task.judged and task.name != Code.name and task.check(sample).verdict == "unknown"


class Verifier:
    """Has the judge answer the questions of candidates, `votes` times each."""

    def __init__(
        self,
        llm: Llm,
        settings: QualityControlConfig,
        asking: Asking,
        prompts: Prompts,
        examples: WorkedExamples | None = None,
    ):
        self._llm = llm
        self._settings = settings
        self._asking = asking
        self._brief = asking.brief
        self._prompts = prompts
        self._examples = examples

    async def verify(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates in order. One that most votes do not confirm is `not confirmed`; so is one on which no vote
        could be read. Computed answers, and those of a task that leaves them to a judge's taste, are not asked for."""
        screened = [(c, c.sample) for c in candidates if c.sample and c.rejected is None]
        open_ones = [(c, sample) for c, sample in screened if only_a_model_can_tell(sample, self._brief.knowledge)]
        size = self._settings.batch_size
        parts = [open_ones[i : i + size] for i in range(0, len(open_ones), size)]
        groups = [group for part in parts for group in self._apart(batch, part)]
        names = [f"{batch.id} {i}" for i in range(len(groups))]
        agreed = {one for part in await asyncio.gather(*map(self._agreed, names, groups)) for one in part}
        refused = {c.id for c, _ in open_ones} - agreed
        return [turned_down(c, "not confirmed", _FEEDBACK) if c.id in refused else c for c in candidates]

    def _task(self, sample: Sample) -> Task:
        return get_task(sample.task, self._brief.knowledge)

    @staticmethod
    def _apart(batch: Batch, part: list[tuple[Candidate, Sample]]) -> list[list[tuple[Candidate, Sample]]]:
        """A question that speaks to the model is asked alone."""
        seeds = {seed.sample.id: seed.sample.question for seed in batch.seeds}
        return prompts_apart(part, [s.question for _, s in part], [seeds[c.seed_id] for c, _ in part])

    async def _agreed(self, name: str, group: Sequence[tuple[Candidate, Sample]]) -> list[str]:
        """The ids of the candidates that most of the votes confirm."""
        named = {f"question-{i}": sample for i, (_, sample) in enumerate(group, start=1)}
        examples = await self._nearest(list(named.values()))
        votes = await asyncio.gather(
            *(self._vote(f"{name} vote {i}", named, examples) for i in range(self._settings.votes))
        )
        ids = dict(zip(named, (c.id for c, _ in group), strict=True))
        replies = {key: [vote[key] for vote in votes if key in vote] for key in named}
        return [ids[key] for key, sample in named.items() if self._confirmed(sample, replies[key])]

    async def _nearest(self, samples: Sequence[Sample]) -> list[Sample]:
        if self._examples is None:
            return []
        questions = [self._brief.frame.taken_off(s.question) for s in samples]
        return await self._examples.nearest(questions, self._settings.worked_examples, self._brief)

    def _confirmed(self, sample: Sample, replies: Sequence[str]) -> bool:
        task = self._task(sample)
        return 2 * sum(not task.fails(reply, sample) for reply in replies) > len(replies)

    async def _vote(self, name: str, named: dict[str, Sample], examples: Sequence[Sample]) -> dict[str, str]:
        """A reply to each question, as far as they can be read."""
        choices = choices_of(named.values(), self._brief.knowledge)

        def prompt(names: Sequence[str]) -> str:
            return self._prompts.render(
                "answering",
                task=self._brief.lines,
                examples=[self._brief.shown(s.messages) for s in examples],
                questions=[{"question_id": key, **self._brief.asked(named[key].messages)} for key in names],
                choices=choices,
            )

        several = self._settings.votes > 1
        read = await ask_each(
            self._llm,
            {key: _WRAPPING_TOKENS + tokens_of(sample.reference) for key, sample in named.items()},
            prompt,
            with_choices(AnswerReply, choices),
            purpose="answering",
            max_reasks=self._asking.max_reasks,
            temperature=_VOTING if several else 0.0,
            seed=number_for(self._asking.seed, name) % 2**31 if several else None,
        )
        return {key: answer.reply for key, answer in read.items()}
