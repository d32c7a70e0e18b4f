"""Planted samples, right and wrong, tell what quality control is worth, and stop a run where they are to."""

from __future__ import annotations

import asyncio
import json

import pytest
from builders import RAW, math_sample, sample
from stub_workers import StubWorkers
from test_verification import SAID, TRAIN

from pada_ray.agents.planted import RIGHT, WRONG, Passed
from pada_ray.agents.quotas import Augmentation
from pada_ray.config import check_config
from pada_ray.errors import LoopStuck
from pada_ray.llm.chat import ChatReply, ChatRequest
from pada_ray.orchestrator import Orchestrator, Workers
from pada_ray.records import Candidate
from pada_ray.runs import run_files
from pada_ray.runs.state import read_state
from pada_ray.storage import Folder
from pada_ray.tasks import Knowledge

LABEL_OF = {text: label for label, texts in SAID.items() for text in texts}


class Judge:
    """Rates a pair by `passes(right)`, where it knows which samples are right."""

    def __init__(self, passes):
        self._passes = passes
        self.requests: list[ChatRequest] = []

    async def chat(self, request):
        self.requests.append(request)
        prompt = request.messages[0].content
        entries = {}
        for name in request.reply_schema["properties"]:
            synthetic = json.loads(
                prompt.split(f'"sample_id": "{name}"')[1].split('"synthetic": ')[1].split("}")[0] + "}"
            )
            score = 9 if self._passes(LABEL_OF.get(synthetic["question"]) == synthetic["reply"]) else 2
            entries[name] = {"utility": score, "relevance": score, "feedback": "None."}
        return ChatReply(text=json.dumps(entries), cut_off=False)


class World(StubWorkers):
    def __init__(self, judge):
        super().__init__()
        self._judge = judge

    def fails(self, sample, position, model):
        return position == 0

    def workers(self):
        return Workers(self, self, judge=self._judge, account=self)


def run_with(tmp_path, passes, samples=TRAIN, task="label", **config):
    folder = Folder(str(tmp_path))
    for split in ("train", "val", "test"):
        own = [s.model_copy(update={"id": f"{split}{s.id}"}) for s in samples]
        folder.write_records(run_files.split(split), own)
    raw = RAW | {"data": {"train": "t", "val": "v", "task": task}, "method": "similar", "iterations": 1}
    raw |= {"quality_control": {"canaries": 6}} | config
    world = World(Judge(passes))
    return folder, world, Orchestrator(check_config(raw, "test"), folder.url, world.workers()).run


@pytest.mark.parametrize("decide", ["sample", "batch"])
def test_they_are_assessed_before_anything_is_written(tmp_path, decide):
    control = {"canaries": 6, "decide": decide}
    folder, world, run = run_with(tmp_path, passes=lambda right: right, quality_control=control)
    asyncio.run(run())
    canaries = folder.read_records(run_files.canaries(1), Candidate)
    assert [c.batch for c in canaries] == [RIGHT, WRONG, RIGHT, WRONG, WRONG]
    assert [c.rejected for c in canaries] == [None, "low score", None, "low score", "low score"]
    assert len(world._judge.requests) == 1
    assert "iteration-1: cannot_tell" not in read_state(folder).warnings


@pytest.mark.parametrize("passes", [lambda right: True, lambda right: False, lambda right: not right])
def test_a_judge_that_cannot_tell_is_named(tmp_path, passes):
    folder, world, run = run_with(tmp_path, passes)
    asyncio.run(run())
    told = read_state(folder).warnings["iteration-1: cannot_tell"]
    assert told.startswith("quality control passes ") and told.endswith(" wrong ones that were planted")
    assert world.batches  # it is told, and the run goes on


def test_the_run_stops_there_where_the_config_says_so_and_goes_on_when_told(tmp_path):
    folder, world, run = run_with(tmp_path, lambda right: True, stop_if=["cannot_tell"])
    with pytest.raises(LoopStuck, match=r"cannot_tell: quality control passes 2 of 2 right samples and 3 of 3 wrong"):
        asyncio.run(run())
    assert world.batches == []
    assert read_state(folder).status == "paused"
    _, _, again = run_with(tmp_path, lambda right: True, stop_if=[])
    assert asyncio.run(again()).status == "done"


class Answers:
    """A judge that gives every question its sample's reply, or the one that it is told to."""

    def __init__(self, samples, always=None):
        self._replies = {s.question: s.reference for s in samples}
        self._always = always
        self.asked: list[str] = []

    async def chat(self, request):
        prompt = request.messages[0].content
        questions = {
            name: json.loads("{" + prompt.split(f'"question_id": "{name}",')[1].split("}")[0] + "}")["question"]
            for name in request.reply_schema["properties"]
        }
        self.asked += questions.values()
        entries = {name: {"reply": self._always or self._reply_to(asked)} for name, asked in questions.items()}
        return ChatReply(text=json.dumps(entries), cut_off=False)

    def _reply_to(self, asked):
        """What is asked is a question without its frame."""
        return next(reply for question, reply in self._replies.items() if asked in question)


class NothingNew(World):
    async def augment(self, job, screen):
        return Augmentation(accepted=[], rejected=[], groups=[])


def samples_of(task):
    """Twelve, of which no one's reply could be another's but in a question of four options."""
    for i in range(12):
        options = "\n".join(f"{letter}. {letter * (i + 1)}" for letter in ("ABCD" if i % 2 else "AB"))
        question, reply = {
            "extractive_qa": (f"Passage: Alice{i} moved to City{i}.\nQuestion: Where did Alice{i} move?", f"City{i}"),
            "json": (f"Where did Alice{i} move from City{i}?", json.dumps({"who": f"Alice{i}", "from": f"City{i}"})),
            "multiple_choice": (f"Which one is {i}?\n{options}", "D" if i % 2 else "A"),
        }[task]
        yield sample(task, question, reply, [reply] if task == "extractive_qa" else reply, str(i))


def run_of(tmp_path, task, llm, **quality_control):
    folder, _, _ = run_with(tmp_path, None, samples=list(samples_of(task)))
    if task == "json":
        folder.write_text(run_files.KNOWLEDGE, Knowledge(composed_fields=[]).model_dump_json())
    world = NothingNew(llm)
    raw = RAW | {"method": "similar", "iterations": 1, "quality_control": {"canaries": 6} | quality_control}
    asyncio.run(Orchestrator(check_config(raw, "test"), folder.url, world.workers()).run())
    return folder


@pytest.mark.parametrize("task", ["extractive_qa", "json", "multiple_choice"])
def test_a_wrong_sample_that_the_screen_would_turn_down_is_turned_down(tmp_path, task):
    """The judge is not asked for its answer, so its answer says nothing of the judge."""
    llm = Answers(samples_of(task))
    folder = run_of(tmp_path, task, llm, verify="agreement", judge=False, worked_examples=0)
    canaries = folder.read_records(run_files.canaries(1), Candidate)
    assert {c.batch for c in canaries} == {RIGHT, WRONG}
    assert [c.rejected for c in canaries if c.batch == RIGHT] == [None] * 3
    assert {c.rejected for c in canaries if c.batch == WRONG} <= {"wrong", "not confirmed"}
    assert len(llm.asked) == sum(c.rejected != "wrong" for c in canaries) < len(canaries)
    assert "iteration-1: cannot_tell" not in read_state(folder).warnings
    # One that is always wrong is named all the same.
    folder = run_of(tmp_path / "poor", task, Answers([], always="[0]"), verify="agreement", judge=False)
    assert "passes 0 of 3 right samples" in read_state(folder).warnings["iteration-1: cannot_tell"]


def test_what_the_judge_rates_is_its_own_to_turn_down(tmp_path):
    """Else the screen would hide a judge that passes all."""
    folder = run_of(tmp_path, "extractive_qa", Judge(lambda right: True))
    told = read_state(folder).warnings["iteration-1: cannot_tell"]
    assert told.startswith("quality control passes 3 of 3 right samples and 3 of 3 wrong ones")


def nothing_planted(folder):
    return not folder.exists(run_files.canaries(1))


def test_none_are_planted_where_nothing_could_be_told(tmp_path):
    """A method without quality control, a judge that is not asked, none asked for, answers that are computed."""
    sums = [math_sample(f"s{i}") for i in range(12)]
    cases = [
        {"method": "auggpt"},
        {"quality_control": {"judge": False}},
        {"quality_control": {"canaries": 0}},
        {"samples": sums, "task": "math"},
    ]
    for i, case in enumerate(cases):
        folder, world, run = run_with(tmp_path / str(i), lambda right: True, **case)
        asyncio.run(run())
        assert nothing_planted(folder), case
        assert world.batches


def test_what_is_planted_is_train_alone_and_drawn_anew_in_each_iteration(tmp_path):
    folder, _, run = run_with(tmp_path, lambda right: right, iterations=2)
    asyncio.run(run())
    planted = [[c.id for c in folder.read_records(run_files.canaries(i), Candidate)] for i in (1, 2)]
    assert planted[0] != planted[1]
    assert all(name.startswith("train") for names in planted for name in names)


@pytest.mark.parametrize(("right", "wrong", "tells"), [(7, 3, True), (6, 2, True), (5, 1, True), (6, 3, False)])
def test_a_judge_tells_from_40_points_on(right, wrong, tells):
    assert Passed(right, 10, wrong, 10).tells == tells
