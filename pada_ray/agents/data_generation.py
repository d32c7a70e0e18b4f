"""The Data Generation Agent (section 2.3, appendix A.3): Generate(x_i, strategy_k, feedback_i) and
Generate(e_i, feedback_i), and what the other methods ask of the same generator."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pada_ray.agents.asking import Asking
from pada_ray.agents.collapse import has_collapsed, smaller
from pada_ray.config import DataGenerationConfig
from pada_ray.data.frame import Varying
from pada_ray.llm.ask import ask_each, tokens_of
from pada_ray.llm.chat import Llm
from pada_ray.llm.reply_schemas import (
    QuestionReply,
    SampleReply,
    SampleWithAnswerReply,
    TurnReply,
    TurnWithAnswerReply,
    with_choices,
)
from pada_ray.prompts import Prompts
from pada_ray.randomness import number_for
from pada_ray.records import Attempt, Batch, Candidate, Message, Sample, Seed, WrittenMessage
from pada_ray.tasks import choices_of, get_task

_WRAPPING_TOKENS = 60  # of the JSON round one new sample


class DataGenerationAgent:
    """Writes synthetic samples from training samples: along a strategy, against a training error, or as another
    method's instruction says."""

    def __init__(self, llm: Llm, settings: DataGenerationConfig, asking: Asking):
        self._llm = llm
        self._settings = settings
        self._asking = asking
        self._brief = asking.brief
        self._prompts = Prompts(asking.prompts, asking.seed)

    async def generate(self, batch: Batch) -> list[Candidate]:
        """At most one candidate per attempt of the batch, in their order; none for those that stay unreadable. Drafts
        that are alike for most of a call, or most of which copy their seed, are asked for again in smaller ones."""
        return await self._write(batch, batch.id)

    async def _write(self, batch: Batch, call: str) -> list[Candidate]:
        found = await self.in_one_call(batch, call)
        size = smaller(len(batch.attempts))
        if size is None or not self._has_collapsed(batch, found):
            return found
        parts = [batch.attempts[i : i + size] for i in range(0, len(batch.attempts), size)]
        calls = [
            self._write(batch.model_copy(update={"attempts": part}), f"{call}.{number}")
            for number, part in enumerate(parts, start=1)
        ]
        return [candidate for part in await asyncio.gather(*calls) for candidate in part]

    def _varying(self, messages: Sequence[Message | WrittenMessage]) -> Varying:
        return self._brief.frame.varying(messages) if len(messages) > 1 else Varying("", "")

    def _has_collapsed(self, batch: Batch, found: Sequence[Candidate]) -> bool:
        """Whether most drafts are one text, or the text of their seed."""
        if len(found) < 3:
            return False
        seeds = {seed.sample.id: self._varying(seed.sample.messages) for seed in batch.seeds}
        drafts = [self._varying(c.messages) for c in found]
        copies = sum(
            draft.conversation.split() == seeds[c.seed_id].conversation.split()
            for draft, c in zip(drafts, found, strict=True)
        )
        return copies > len(found) / 2 or all(has_collapsed(texts) for texts in zip(*drafts, strict=True))

    async def in_one_call(self, batch: Batch, call: str) -> list[Candidate]:
        """What one call gives, be it all alike. `call` tells it from others of the run."""
        named = {f"example-{i}": attempt for i, attempt in enumerate(batch.attempts, start=1)}
        # One form for all of a call.
        by_turn = all(self._brief.frame.is_single_turn(attempt.seed.sample.messages) for attempt in batch.attempts)
        shown = {name: self._shown(name, attempt.seed, by_turn) for name, attempt in named.items()}
        shows_answer = any("answer" in entry for entry in shown.values())

        def prompt(names: Sequence[str]) -> str:
            feedback = {name: named[name].feedback for name in names}
            remarks = [{"sample_id": name, "feedback": said} for name, said in feedback.items() if said is not None]
            return self._prompts.render(
                batch.instruction,
                task=self._brief.lines,
                strategy=batch.strategy.shown if batch.strategy else None,
                seeds=[shown[name] for name in names],
                feedback=remarks or None,
                shows_answer=shows_answer,
                keeps_reply=batch.keep_reply,
            )

        written = await ask_each(
            self._llm,
            {name: _expected_tokens(entry) for name, entry in shown.items()},
            prompt,
            self._reply_type(batch, by_turn, shows_answer),
            purpose=batch.instruction,
            max_reasks=self._asking.max_reasks,
            temperature=self._settings.temperature,
            seed=number_for(self._asking.seed, call) % 2**31,
        )
        return [self._candidate(batch, named[name], sample) for name, sample in written.items()]

    def _shown(self, name: str, seed: Seed, by_turn: bool) -> dict[str, Any]:
        """A seed as the prompt shows it. An answer that cannot be read from the reply (test code) is shown too."""
        sample = seed.sample
        entry: dict[str, Any] = {"sample_id": name}
        entry |= (
            self._brief.shown(sample.messages) if by_turn else {"messages": [m.model_dump() for m in sample.messages]}
        )
        if seed.wrong_reply is not None:
            entry["wrong_reply"] = seed.wrong_reply
        if seed.answered_correctly:
            entry["answered_correctly"] = [self._brief.shown(s.messages) for s in seed.answered_correctly]
        if seed.contrast is not None:
            entry["contrast"] = self._brief.shown(seed.contrast.messages)
        if get_task(sample.task).answer_of(sample.messages) is None:
            entry["answer"] = sample.answer
        return entry

    def _candidate(self, batch: Batch, attempt: Attempt, written: SampleReply | QuestionReply) -> Candidate:
        original = attempt.seed.sample
        messages = self._messages(original, written)
        answer = getattr(written, "answer", None)
        if batch.keep_reply:  # whatever the LLM made of it
            messages[-1:] = [WrittenMessage(role="assistant", content=original.reference)]
            answer = original.answer if isinstance(original.answer, str) else None
        return Candidate(
            id=f"{attempt.draft}-{attempt.number}",
            draft=attempt.draft,
            batch=batch.id,
            group=batch.group,
            strategy_name=batch.strategy.strategy_name if batch.strategy else None,
            seed_id=original.id,
            attempt=attempt.number,
            messages=messages,
            answer=answer,
        )

    def _messages(self, original: Sample, written: SampleReply | QuestionReply) -> list[WrittenMessage]:
        """The new conversation: what was written of it, in the frame of its original."""
        if isinstance(written, SampleReply):
            return [WrittenMessage(role=m.role, content=m.content) for m in written.messages]
        reply = written.reply if isinstance(written, TurnReply) else ""
        return [
            *(WrittenMessage(role=m.role, content=m.content) for m in original.messages[:-2]),
            WrittenMessage(role="user", content=self._brief.frame.put_on(written.question)),
            WrittenMessage(role="assistant", content=reply),
        ]

    def _reply_type(self, batch: Batch, by_turn: bool, with_answer: bool) -> type[SampleReply] | type[QuestionReply]:
        if by_turn and batch.keep_reply:
            return QuestionReply
        if by_turn:
            choices = choices_of((seed.sample for seed in batch.seeds), self._brief.knowledge)
            return with_choices(TurnWithAnswerReply if with_answer else TurnReply, choices)
        return SampleWithAnswerReply if with_answer else SampleReply


def _expected_tokens(shown: dict[str, Any]) -> int:
    """Of a new sample, which is about as long as its example."""
    turn = [shown.get("question", ""), shown.get("reply", ""), str(shown.get("answer") or "")]
    texts = [*turn, *(m["content"] for m in shown.get("messages", []))]
    return _WRAPPING_TOKENS + sum(map(tokens_of, texts))
