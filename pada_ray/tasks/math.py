"""Word problems with a number as the answer, as in GSM8K.

Misha picks out 4 blouses from the 30% off rack. The regular price for each blouse is $20. ...
Reply: Total regular price for the blouses is $20 x 4 = $80. ... Misha paid $80 - $24 = $56.
#### 56
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pada_ray.errors import DataError
from pada_ray.records import Message, Mistake, Sample
from pada_ray.tasks.base import NOTHING, Check, Task, one_answer
from pada_ray.tasks.equations import equations
from pada_ray.tasks.final_number import final_number, split_answer
from pada_ray.tasks.numerals import number, show


class Math(Task):
    name = "math"
    max_new_tokens = 512

    def read(self, reply: str) -> str | None:
        value = final_number(reply)
        return None if value is None else show(value)

    def fails(self, reply: str, sample: Sample) -> bool:
        expected = number(one_answer(sample))
        if expected is None:
            raise DataError(f"sample {sample.id}: answer {sample.answer!r} is not a number")
        return final_number(reply) != expected

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        """The two numbers, and the first equation of the reply that does not hold."""
        false = next((e for e in equations(split_answer(reply)[0]) if e.holds is False), None)
        facts = {"expected": one_answer(sample), "given": self.read(reply) or NOTHING}
        return facts | ({"does not hold": false.text} if false else {})

    def mistakes(self, sample: Sample, facts: Mapping[str, str]) -> list[Mistake]:
        """Whether an equation is wrong, or only what is calculated."""
        if "does not hold" in facts:
            return [Mistake(text="an equation of the reply does not hold")]
        return [Mistake(text="no number in the reply" if facts["given"] == NOTHING else "another number is calculated")]

    def answer_of(self, messages: Sequence[Message]) -> str | None:
        return self.read(messages[-1].content)

    def check(self, sample: Sample) -> Check:
        final = final_number(sample.reference)
        if final is None:
            return Check("wrong", "the reply gives no number")
        found = list(equations(split_answer(sample.reference)[0]))
        for equation in found:
            if equation.holds is False:
                return Check("wrong", f"{equation.text} does not hold")
        if not found:
            return Check("unknown", "there is no equation to compute")
        last = found[-1]
        # With words in between, the answer may be rounded or in another unit.
        if last.right is not None and not re.search(r"\w", last.rest) and last.right != final:
            return Check("wrong", f"the reasoning ends in {show(last.right)}, the answer is {show(final)}")
        if any(equation.holds is None for equation in found):
            return Check("unknown", "not every equation could be computed")
        return Check("right", f"{len(found)} equations hold")
