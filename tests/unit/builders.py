"""Small records, configs and runs for tests, and stubs that record what they were asked."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pada_ray.agents.asking import Asking
from pada_ray.config import FineTuneConfig, StudentConfig, check_config
from pada_ray.data.samples import read_file
from pada_ray.demo.domain import splits
from pada_ray.llm.chat import ChatReply, ChatRequest
from pada_ray.records import Attempt, Batch, Candidate, Message, Sample, Seed, Strategy, WrittenMessage
from pada_ray.runs import run_files
from pada_ray.storage import Folder
from pada_ray.student.fine_tune import FineTuneJob

ASKING = Asking(prompts=None, max_reasks=1, seed=0)


def samples_in(path: str, task: str | None = None) -> list[Sample]:
    return [line.sample for line in read_file(path, task)]


def sample(task: str, question: str, reply: str, answer: str | list[str] = "", name: str = "s1", **meta) -> Sample:
    messages = [Message(role="user", content=question), Message(role="assistant", content=reply)]
    return Sample(id=name, messages=messages, task=task, answer=answer, meta=meta)


def math_sample(name: str, question: str = "", a: int = 2, b: int = 3) -> Sample:
    question = question or f"{name} has {a} apples and gets {b} more. How many now?"
    return sample("math", question, f"{a} + {b} = {a + b}. Answer: {a + b}", str(a + b), name)


def conversation(name: str, *turns: str) -> Sample:
    """What user and assistant say, one after the other, and the reply to the last turn."""
    asked = [Message(role=("user", "assistant")[i % 2], content=turn) for i, turn in enumerate(turns)]
    return Sample(id=name, messages=[*asked, Message(role="assistant", content="Answer: 5")], task="math", answer="5")


def math_run(path: object, train: int = 8, val: int = 4, test: int = 4) -> Folder:
    """The folder of a run with so many samples of each split. Their ids begin with t, v and x."""
    folder = Folder(str(path))
    for split, letter, size in (("train", "t", train), ("val", "v", val), ("test", "x", test)):
        if size:
            folder.write_records(run_files.split(split), [math_sample(f"{letter}{i}") for i in range(size)])
    return folder


def write_demo(folder: Folder, train: int, held_out: int) -> Folder:
    """Gives a run's folder so many samples of the demo for train, and for each of val and test."""
    for split, drawn in splits(seed=0, train_size=train, eval_size=held_out).items():
        folder.write_records(run_files.split(split), [Sample.model_validate(s) for s in drawn])
    return folder


def fine_tune_job(run: Folder, student: StudentConfig, name: str, **settings) -> FineTuneJob:
    """Trains on the run's training samples, two epochs unless told otherwise, into the folder `name` of the run."""
    return FineTuneJob(
        run=run.url,
        training_set=run_files.split("train"),
        adapter=name,
        previous_adapter=None,
        name=name,
        student=student,
        settings=FineTuneConfig.model_validate({"epochs": 2, "learning_rate": 4e-3} | settings),
        seed=0,
    )


def strategy(cluster: int = 0) -> Strategy:
    return Strategy(
        cluster=cluster,
        category_name=f"category {cluster}",
        strategy_name=f"strategy {cluster}",
        generation_approach="Write sums about fruit.",
        key_elements=["two numbers"],
    )


def batch(size: int = 2, of: Strategy | None = None, name: str = "batch") -> Batch:
    return Batch(
        id=name,
        group=f"cluster-{of.cluster}" if of else "errors",
        instruction="pattern_generation" if of else "error_generation",
        strategy=of,
        attempts=[
            Attempt(
                draft=f"{name}-{i}",
                seed=Seed(sample=math_sample(f"train-{i}"), wrong_reply=None if of else "2 + 3 = 6. Answer: 6"),
            )
            for i in range(size)
        ],
    )


def candidate(of: Batch, index: int = 0, question: str = "", reply: str = "4 + 5 = 9. Answer: 9", attempt: int = 0):
    tried = of.attempts[index]
    attempt = attempt or tried.number
    return Candidate(
        id=f"{tried.draft}-{attempt}",
        draft=tried.draft,
        batch=of.id,
        group=of.group,
        strategy_name=of.strategy.strategy_name if of.strategy else None,
        seed_id=tried.seed.sample.id,
        attempt=attempt,
        messages=[
            WrittenMessage(role="user", content=question or f"Zoe {of.id} {index} finds 4 nuts, then 5. Together?"),
            WrittenMessage(role="assistant", content=reply),
        ],
        answer=None,
    )


def chat_request(text: str = "hi", **fields) -> ChatRequest:
    """A request with one message, no schema and temperature 0; `fields` are others of its fields."""
    common = {"reply_schema": None, "temperature": 0.0, "seed": None, "purpose": "test"}
    return ChatRequest(messages=[Message(role="user", content=text)], **common | fields)


class ScriptedLlm:
    """Answers with the next of `replies` (a JSON value, a text, a ChatReply, or a function of the request), the last
    for ever."""

    def __init__(self, *replies: object):
        self.replies = list(replies)
        self.requests: list[ChatRequest] = []

    async def chat(self, request: ChatRequest) -> ChatReply:
        reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
        self.requests.append(request)
        if isinstance(reply, Callable):
            reply = reply(request)
        if isinstance(reply, ChatReply):
            return reply
        return ChatReply(text=reply if isinstance(reply, str) else json.dumps(reply), cut_off=False)


RAW = {
    "name": "a-run",
    "iterations": 2,
    "data": {"demo": {}},
    "pattern_analysis": {"embedding": "tfidf"},
    "llm": {"teacher": {"base_url": "offline", "model": "a"}, "judge": {"base_url": "offline", "model": "b"}},
}
"""A config of two iterations, as a file would hold it."""


def small_config(**keys):
    """A config of the demo that needs no network, no key and no weights; `keys` replace whole sections."""
    endpoint = {"base_url": "offline", "model": "a"}
    raw = {
        "data": {"demo": {}, "regime": 20, "eval_samples": 5},
        "student": {"model": "demo"},
        "pattern_analysis": {"embedding": "tfidf"},
        "llm": {"teacher": endpoint, "judge": endpoint},
    }
    return check_config(raw | keys, "test")


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """While a file has room for `size` bytes, as on a full disk: what is written beyond them fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
