"""The Data Generation Agent (section 2.3, appendix A.3): Generate(x_i, strategy_k, feedback_i) and
Generate(e_i, feedback_i), and what the other methods ask of the same generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pada_ray.config import DataGenerationConfig
from pada_ray.llm.ask import ask_each, tokens_of
from pada_ray.llm.chat import Llm
from pada_ray.llm.reply_schemas import SampleReply, SampleWithAnswerReply
from pada_ray.prompts import Prompts
from pada_ray.randomness import number_for
from pada_ray.records import Attempt, Batch, Candidate, Seed, WrittenMessage
from pada_ray.tasks import get_task

_WRAPPING_TOKENS = 60  # of the JSON round one new sample


class DataGenerationAgent:
    """Writes synthetic samples from training samples: along a strategy, against a training error, or as another
    method's instruction says."""

    def __init__(self, llm: Llm, settings: DataGenerationConfig, prompts: str | None, max_reasks: int, seed: int):
        self._llm = llm
        self._settings = settings
        self._prompts = Prompts(prompts, seed)
        self._max_reasks = max_reasks
        self._seed = seed

    async def generate(self, batch: Batch) -> list[Candidate]:
        """At most one candidate per attempt of the batch, in their order; none for those that stay unreadable."""
        named = {f"example-{i}": attempt for i, attempt in enumerate(batch.attempts, start=1)}
        shown = {name: self._show(name, attempt.seed) for name, attempt in named.items()}
        shows_answer = any("answer" in entry for entry in shown.values())

        def prompt(names: Sequence[str]) -> str:
            feedback = {name: named[name].feedback for name in names}
            remarks = [{"sample_id": name, "feedback": said} for name, said in feedback.items() if said is not None]
            return self._prompts.render(
                batch.instruction,
                strategy=batch.strategy.told if batch.strategy else None,
                seeds=[shown[name] for name in names],
                feedback=remarks or None,
                shows_answer=shows_answer,
            )

        written = await ask_each(
            self._llm,
            {name: _expected_tokens(entry) for name, entry in shown.items()},
            prompt,
            SampleWithAnswerReply if shows_answer else SampleReply,
            purpose=batch.instruction,
            max_reasks=self._max_reasks,
            temperature=self._settings.temperature,
            seed=number_for(self._seed, batch.id) % 2**31,
        )
        return [self._candidate(batch, named[name], sample) for name, sample in written.items()]

    def _show(self, name: str, seed: Seed) -> dict[str, Any]:
        """A seed as the prompt shows it. An answer that cannot be read from the reply (test code) is shown too."""
        sample = seed.sample
        entry: dict[str, Any] = {
            "sample_id": name,
            "messages": [m.model_dump() for m in sample.messages],
        }
        if seed.wrong_reply is not None:
            entry["wrong_reply"] = seed.wrong_reply
        if seed.answered_correctly:
            entry["answered_correctly"] = [[m.model_dump() for m in s.messages] for s in seed.answered_correctly]
        if get_task(sample.task).answer_of(sample.messages) is None:
            entry["answer"] = sample.answer
        return entry

    @staticmethod
    def _candidate(batch: Batch, attempt: Attempt, written: SampleReply) -> Candidate:
        original = attempt.seed.sample
        messages = [WrittenMessage(role=m.role, content=m.content) for m in written.messages]
        answer = written.answer if isinstance(written, SampleWithAnswerReply) else None
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


def _expected_tokens(shown: dict[str, Any]) -> int:
    """Of a new sample, which is about as long as its example."""
    texts = [m["content"] for m in shown["messages"]] + [str(shown.get("answer") or "")]
    return _WRAPPING_TOKENS + sum(map(tokens_of, texts))
