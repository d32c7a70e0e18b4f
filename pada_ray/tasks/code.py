"""Python functions that are run against tests, as in HumanEval.

    Complete the following Python function. ... def add(x: int, y: int): ...
    Reply: a Python code block with the whole function
    Answer: def check(candidate): assert candidate(2, 3) == 5

`meta.entry_point` names the function to test (the reply's last one where it is not given); `meta.prompt` (optional)
goes in front of the reply's code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from pada_ray.errors import DataError
from pada_ray.records import Message, Sample
from pada_ray.sandbox import run_python, run_python_many
from pada_ray.tasks.base import Check, Task, one_answer

_FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)


class Code(Task):
    name = "code"
    metric = "pass@1"
    max_new_tokens = 1024

    def read(self, reply: str) -> str | None:
        """The last block fenced as Python; else the first fenced block; else the whole reply."""
        blocks = _FENCE.findall(reply)
        python = [code for language, code in blocks if language.lower() in ("python", "python3", "py")]
        code = python[-1] if python else blocks[0][1] if blocks else reply
        return code.rstrip() if code.strip() else None

    def program(self, reply: str, sample: Sample) -> str:
        """What is run: the prompt, the reply's code, the tests, and the call of `check`.

        Raises:
            DataError: the sample has no tests, or its `meta.entry_point` is no name.
        """
        tests, code = one_answer(sample), self.read(reply) or ""
        entry_point = sample.meta.get("entry_point") or _last_function(code)
        if not isinstance(entry_point, str) or not entry_point.isidentifier():
            raise DataError(f"sample {sample.id}: meta.entry_point {entry_point!r} is no function's name")
        if not re.search(r"^def check\(", tests, re.MULTILINE):
            raise DataError(f"sample {sample.id}: task code needs `answer` to define check(candidate)")
        return "\n".join([str(sample.meta.get("prompt", "")), code, tests, f"check({entry_point})"])

    def fails(self, reply: str, sample: Sample) -> bool:
        return not run_python(self.program(reply, sample)).passed

    def fails_many(self, replies: Sequence[str], samples: Sequence[Sample]) -> list[bool]:
        programs = [self.program(reply, sample) for reply, sample in zip(replies, samples, strict=True)]
        return [not result.passed for result in run_python_many(programs)]

    def answer_of(self, messages: Sequence[Message]) -> None:
        """None: a reply holds no tests."""

    def check(self, sample: Sample) -> Check:
        code = self.read(sample.reference)
        if code is None:
            return Check("wrong", "the reply holds no code")
        try:
            ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
            return Check("wrong", f"the code does not parse: {type(err).__name__}: {err}")
        if not sample.answer:
            return Check("unknown", "the code parses, there are no tests to run")
        try:
            result = run_python(self.program(sample.reference, sample))
        except DataError as err:
            return Check("wrong", str(err))
        return Check("right" if result.passed else "wrong", result.reason)


def _last_function(code: str) -> str:
    """The name of the last function at the top level; a name that stands for nothing where there is none."""
    names = re.findall(r"^(?:async )?def (\w+)", code, re.MULTILINE)
    return names[-1] if names else "missing_function"
