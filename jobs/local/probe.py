"""Asks the endpoints of a run for one real reply of a few tokens, before anything else is spent."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.console import Console

from jobs.local.run_folder import cache_file
from pada_ray.config import Config, EndpointConfig
from pada_ray.errors import ConfigError, EndpointError
from pada_ray.llm.gateway import LlmGateway, Probed
from pada_ray.printable import printable
from pada_ray.runs import run_files
from pada_ray.runs.configs import with_own_prompts
from pada_ray.runs.expected import Expected, check_budget, expected_calls
from pada_ray.runs.state import FILE, RunState, read_state
from pada_ray.storage import Folder

WITHIN_S = 25.0
_STARTED_WITH_THE_RUN = ("offline", "vllm", "none")


class Question(NamedTuple):
    """An endpoint to be asked, what a run is expected to ask later, also in `role`, and who pays: `run`, in the file
    `cache`."""

    endpoint: EndpointConfig
    role: str
    expected: Sequence[Expected]
    run: str = ""
    cache: str | None = None

    @property
    def longest(self) -> Expected:
        """The longest call, which the context of the model must hold."""
        return max((e for e in self.expected if e.role == self.role), key=lambda e: e.tokens_per_call)

    @property
    def way_on(self) -> str:
        return f"; fix it, then continue with `pada resume {self.run} --set llm...=...`" if self.run else ""


def probe_runs(
    configs: Mapping[str, Config], console: Console, *, probing: bool, states: Mapping[str, RunState] | None = None
) -> None:
    """Looks at each run's budget, and asks each endpoint that the runs (by folder) are yet to ask; `probing` false
    leaves that out. `states` are those of runs that are about to be taken back. Raises ConfigError or EndpointError."""
    questions: dict[str, Question] = {}
    for run, config in configs.items():
        state = states[run] if states else _state(run)
        if state is not None and state.status == "done":
            continue
        samples = run_files.read_samples(Folder(run), config.data.task)
        expected = expected_calls(with_own_prompts(config, Folder(run)), samples, state.finished if state else ())
        check_budget(config, expected, state, run)
        for role, endpoint in endpoints_asked(config, expected).items() if probing else ():
            question = Question(endpoint, role, expected, run, cache_file(config, run))
            key = endpoint.model_dump_json()
            questions[key] = max(questions.get(key, question), question, key=lambda q: q.longest.tokens_per_call)
    for question, probed in zip(questions.values(), probe(list(questions.values())), strict=True):
        if probed.how != "answers":
            told = f"{question.role}: {question.endpoint.base_url} {probed.how}"
            console.print(printable(told), highlight=False, soft_wrap=True, markup=False)


def _state(run: str) -> RunState | None:
    folder = Folder(run)
    return read_state(folder) if folder.exists(FILE) else None


def endpoints_asked(config: Config, expected: Sequence[Expected]) -> dict[str, EndpointConfig]:
    """By role: the endpoints that are asked, but for those that start with the run."""
    roles = dict.fromkeys(e.role for e in expected)
    endpoints = {role: getattr(config.llm, role) for role in roles}
    return {role: e for role, e in endpoints.items() if e.base_url not in _STARTED_WITH_THE_RUN}


def probe(questions: Sequence[Question]) -> list[Probed]:
    """One real reply of each endpoint. Raises EndpointError if one gives none, and ConfigError if the context of a
    model does not hold the calls that are expected."""

    async def ask_all(folder: str) -> list[Probed]:
        asking = (_ask(question, f"{folder}/{i}-{run_files.REPLIES}") for i, question in enumerate(questions))
        return await asyncio.gather(*asking)

    with tempfile.TemporaryDirectory() as folder:
        answers = asyncio.run(ask_all(folder))
    for question, probed in zip(questions, answers, strict=True):
        _check_context(question, probed)
    return answers


async def _ask(question: Question, own_file: str) -> Probed:
    gateway = LlmGateway(question.endpoint, question.cache or own_file)
    try:
        return await asyncio.wait_for(gateway.probe(question.run, question.role), WITHIN_S)
    except asyncio.TimeoutError:  # slow is not dead
        return Probed(None, f"has not answered within {WITHIN_S:g} s; it may be slow to start", 0)
    except EndpointError as e:
        raise EndpointError(f"llm.{question.role}: {e}{question.way_on}") from None
    finally:
        await gateway.close()


def _check_context(question: Question, probed: Probed) -> None:
    endpoint, longest = question.endpoint, question.longest
    if probed.context is not None and longest.tokens_per_call > probed.context:
        raise ConfigError(
            f"llm.{question.role}: {endpoint.model} at {endpoint.base_url} has a context of {probed.context:,} tokens, "
            f"and a call of {longest.purpose} is expected to take {longest.tokens_per_call:,}; lower its batch_size, "
            f"or take a model with a longer context{question.way_on}"
        )
