"""Python functions that are run against tests, as in HumanEval.

    Complete the following Python function. ... def add(x: int, y: int): ...
    Reply: a Python code block with the whole function
    Answer: def check(candidate): assert candidate(2, 3) == 5

`meta.entry_point` names the function to test (default: the reply's last one). `meta.prompt` (optional) goes before the
reply's code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pada_ray.errors import DataError
from pada_ray.llm.thoughts import final_part
from pada_ray.records import Message, Mistake, Sample
from pada_ray.sandbox import run_python, run_python_many
from pada_ray.tasks.base import Check, Task, one_answer
from pada_ray.tasks.code_blocks import blocks, syntax_error

_FUTURE = re.compile(r"^from __future__ import .*\n?", re.MULTILINE)


def code_of(reply: str, entry_point: str | None = None) -> str | None:
    """The code to run, None if there is none: the last block fenced as Python that defines `entry_point` (if that
    is None, any function or class); else the last such block of any fence; else the last block fenced as Python;
    else the first fenced block; else the whole reply. A block loses the indentation of its fence; the whole reply keeps
    its own, since it may be the body of the function."""
    reply = final_part(reply)
    found = blocks(reply)
    python = [code for language, code in found if language in ("python", "python3", "py")]
    fenced = [code for _, code in found]
    name = re.escape(entry_point) if entry_point else r"\w+"
    defines = re.compile(
        rf"^(?:(?:async )?def|class) {name}\b" + (rf"|^{name}\s*=" if entry_point else ""), re.MULTILINE
    )
    for group in (python, fenced):
        defining = [code for code in group if defines.search(code)]
        if defining:
            return defining[-1].rstrip()
    code = (python[-1:] or fenced[:1] or [reply])[0]
    return code.rstrip() if code.strip() else None


class Code(Task):
    name = "code"
    max_new_tokens = 1024

    def read(self, reply: str) -> str | None:
        """See `code_of`."""
        return code_of(reply)

    def program(self, reply: str, sample: Sample) -> tuple[str, str]:
        """The program to run (the prompt and the reply's code) and its tests.

        The tests use the prompt's own helpers, even if the reply redefines them.

        Raises:
            DataError: the sample has no tests, or its `meta.entry_point` is no identifier.
        """
        tests, entry_point = one_answer(sample), sample.meta.get("entry_point") or None
        if entry_point is not None and not (isinstance(entry_point, str) and entry_point.isidentifier()):
            raise DataError(f"sample {sample.id}: meta.entry_point {entry_point!r} is no function's name")
        if not re.search(r"^def check\(", tests, re.MULTILINE):
            raise DataError(f"sample {sample.id}: task code needs `answer` to define check(candidate)")
        code = code_of(reply, entry_point) or ""
        # Python requires these first, before the prompt too.
        future, code = "".join(_FUTURE.findall(code)), _FUTURE.sub("", code)
        prompt, entry_point = str(sample.meta.get("prompt", "")), entry_point or _last_function(code)
        helpers = prompt if syntax_error(prompt) is None else ""
        tested = f"{entry_point} = program.{entry_point}"
        return f"{future}{prompt}\n{code}", "\n".join([helpers, tested, tests, f"check({entry_point})"])

    def fails(self, reply: str, sample: Sample) -> bool:
        return not run_python(*self.program(reply, sample)).passed

    def fails_many(self, replies: Sequence[str], samples: Sequence[Sample]) -> list[bool]:
        pairs = [self.program(reply, sample) for reply, sample in zip(replies, samples, strict=True)]
        results = run_python_many([program for program, _ in pairs], [tests for _, tests in pairs])
        return [not result.passed for result in results]

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        """What ended the program or its tests, by running them once more."""
        if self.read(reply) is None:
            return {"failed": "the reply holds no code"}
        return {"failed": run_python(*self.program(reply, sample)).reason}

    def mistakes(self, sample: Sample, facts: Mapping[str, str]) -> list[Mistake]:
        """The type of the exception."""
        exception = re.match(r"[A-Z]\w*(?:Error|Exception)\b", facts["failed"])
        return [Mistake(text=exception[0] if exception else "the code does not run to its end")]

    def answer_of(self, messages: Sequence[Message]) -> None:
        """None: a reply holds no tests."""

    def check(self, sample: Sample) -> Check:
        code = self.read(sample.reference)
        if code is None:
            return Check("wrong", "the reply holds no code")
        error = syntax_error(code)
        if error is not None:
            return Check("wrong", f"the code does not parse: {type(error).__name__}: {error}")
        if not sample.answer:
            return Check("unknown", "the code parses, there are no tests to run")
        try:
            result = run_python(*self.program(sample.reference, sample))
        except DataError as err:
            return Check("wrong", str(err))
        return Check("right" if result.passed else "wrong", result.reason)


def _last_function(code: str) -> str:
    """The name of the last top-level function; an undefined name if there is none."""
    names = re.findall(r"^(?:async )?def (\w+)", code, re.MULTILINE)
    return names[-1] if names else "missing_function"
