"""Open-ended questions. An LLM judge rates the replies by a rubric (section 2.1 of the paper allows this).

    A customer writes: My parcel arrived with a broken lid. Reply in one polite sentence.
    Reply: I am sorry about the broken lid, and we will send you a new one today.

The judge compares a reply with the reference reply. `meta.rubric` (optional) replaces the config's `grading.rubric` for
this sample.
"""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.errors import DataError
from pada_ray.llm.thoughts import final_part
from pada_ray.records import Message, Sample
from pada_ray.tasks.base import NOTHING, Check, Task


class Judged(Task):
    name = "judged"
    max_new_tokens = 512
    judged = True

    def read(self, reply: str) -> str | None:
        """The reply without its thoughts, as the judge sees it."""
        return final_part(reply).strip() or None

    def fails(self, reply: str, sample: Sample) -> bool:
        """Whether the reply has nothing that a judge could rate."""
        if not isinstance(sample.meta.get("rubric", ""), str):
            raise DataError(f"sample {sample.id}: meta.rubric is not a text; write what to rate the reply by")
        return self.read(reply) is None

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        """Nothing but whether the reply is empty: what is wrong with another, only a judge can tell."""
        return {} if self.read(reply) else {"given": NOTHING}

    def answer_of(self, messages: Sequence[Message]) -> str | None:
        return messages[-1].content.strip() or None

    def check(self, sample: Sample) -> Check:
        return Check("unknown", "only a judge can tell whether an open reply is good")
