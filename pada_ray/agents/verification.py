"""Verification of answers that cannot be computed: another model answers a new question without seeing its answer, and
the sample passes only where the two agree. That model is the judge, or a classifier of the training samples."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pada_ray.agents.asking import Asking
from pada_ray.agents.injection import prompts_apart
from pada_ray.agents.screening import turned_down
from pada_ray.agents.training_samples import TrainingSamples
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
_OF_CLASSIFIER = (
    "Questions like this one have the reply {likeliest} in the training data. Write one to which only {own} can be the "
    "right reply."
)


def only_a_model_can_tell(sample: Sample, knowledge: Knowledge) -> bool:
    """Whether nothing computes a sample's answer, and it is no matter of taste either."""
    task = get_task(sample.task, knowledge)
    return not task.judged and task.name != Code.name and task.check(sample).verdict == "unknown"


class Verifier:
    """Has the questions of candidates answered: by the judge, `votes` times each, or by a classifier of `train`."""

    def __init__(
        self,
        llm: Llm,
        settings: QualityControlConfig,
        asking: Asking,
        prompts: Prompts,
        train: TrainingSamples | None = None,
    ):
        self._llm = llm
        self._settings = settings
        self._asking = asking
        self._brief = asking.brief
        self._prompts = prompts
        self._train = train

    async def verify(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates in order. One that is not confirmed is turned down. Computed answers, and those of a task that
        leaves them to a judge's taste, are not asked for."""
        screened = [(c, c.sample) for c in candidates if c.sample and c.rejected is None]
        open_ones = [(c, sample) for c, sample in screened if only_a_model_can_tell(sample, self._brief.knowledge)]
        if self._settings.verify == "classifier":
            refused = await self._refused_by_classifier(open_ones)
        else:
            agreed = await self._agreed_by_judge(batch, open_ones)
            refused = {c.id: _FEEDBACK for c, _ in open_ones if c.id not in agreed}
        return [turned_down(c, "not confirmed", refused[c.id]) if c.id in refused else c for c in candidates]

    async def _refused_by_classifier(self, open_ones: Sequence[tuple[Candidate, Sample]]) -> dict[str, str]:
        """The feedback to each candidate whose label or function the classifier does not give. What it has not learned,
        since no training sample has it, it lets pass."""
        refused: dict[str, str] = {}
        assert self._train is not None
        for name in {sample.task for _, sample in open_ones}:
            of_task = [(c, sample) for c, sample in open_ones if sample.task == name]
            told, known = await self._train.kinds(self._questions([s for _, s in of_task]), name, self._brief)
            for (candidate, sample), likeliest in zip(of_task, told, strict=bool(told)):
                own = self._task(sample).kind(sample)
                if own in known and own != likeliest:
                    refused[candidate.id] = _OF_CLASSIFIER.format(own=own, likeliest=likeliest)
        return refused

    async def _agreed_by_judge(self, batch: Batch, open_ones: Sequence[tuple[Candidate, Sample]]) -> set[str]:
        """The ids of the candidates that most votes confirm; none on which no vote could be read."""
        size = self._settings.batch_size
        parts = [open_ones[i : i + size] for i in range(0, len(open_ones), size)]
        groups = [group for part in parts for group in self._apart(batch, part)]
        names = [f"{batch.id} {i}" for i in range(len(groups))]
        return {one for part in await asyncio.gather(*map(self._agreed, names, groups)) for one in part}

    def _task(self, sample: Sample) -> Task:
        return get_task(sample.task, self._brief.knowledge)

    @staticmethod
    def _apart(batch: Batch, part: Sequence[tuple[Candidate, Sample]]) -> list[list[tuple[Candidate, Sample]]]:
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
        if self._train is None:
            return []
        return await self._train.nearest(self._questions(samples), self._settings.worked_examples, self._brief)

    def _questions(self, samples: Sequence[Sample]) -> list[str]:
        return [self._brief.frame.taken_off(s.question) for s in samples]

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
