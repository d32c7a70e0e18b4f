"""The calls that a run makes against the least that the method allows: real agents and the offline teacher's rules, in
one process, with stubs for the models."""

from collections import Counter

import pytest
from builders import RAW, write_demo
from stub_workers import StubWorkers, run

from pada_ray.agents.asking import Asking
from pada_ray.agents.brief import Brief
from pada_ray.agents.data_generation import DataGenerationAgent
from pada_ray.agents.pattern_analysis import PatternAnalysisAgent
from pada_ray.agents.quality_control import QualityControlAgent
from pada_ray.agents.quotas import fill_quotas
from pada_ray.config import TeacherSettings, check_config
from pada_ray.findings.ledger import least_calls
from pada_ray.llm.chat import ChatReply, Usage
from pada_ray.orchestrator import Workers
from pada_ray.storage import Folder
from pada_ray.teacher.chat_request import read_chat_request
from pada_ray.teacher.faults import draw_fault
from pada_ray.teacher.replies import write_reply


class Teacher:
    """Both LLMs. It counts the calls by purpose, and apart from them what is asked again about an unreadable reply."""

    def __init__(self, **settings):
        self._settings = TeacherSettings(**settings)
        self.calls: Counter[str] = Counter()
        self.asked_again = 0

    async def chat(self, request):
        if "could not be used" in request.messages[0].content:
            self.asked_again += 1
        else:
            self.calls[request.purpose] += 1
        body = {"model": "a", **request.model_dump(include={"messages", "temperature"})}
        chat = read_chat_request(body if request.seed is None else body | {"seed": request.seed})
        fault = draw_fault(self._settings, chat.content, attempt=1)
        return ChatReply(text=write_reply(chat, self._settings, fault).text, cut_off=False)


class World(StubWorkers):
    """Models that fail on a third of val and a tenth of train, whose failures real agents learn from."""

    def __init__(self, config, teacher):
        super().__init__()
        self._config = config
        self._teacher = teacher
        asking = Asking.of(config, Brief())
        self._analyst = PatternAnalysisAgent(teacher, config.pattern_analysis, asking)
        self._writer = DataGenerationAgent(teacher, config.data_generation, asking)
        self._judge = QualityControlAgent(teacher, config.quality_control, asking)

    def workers(self):
        return Workers(self._analyst, self, judge=self._teacher, account=self)

    def fails(self, sample, position, model):
        return position % (10 if sample.id.startswith("train") else 3) == 0

    async def augment(self, job, screen):
        async def write(batch):
            return screen.screen(batch, await self._writer.generate(batch))

        return await fill_quotas(job, write, self._judge.assess if self._config.quality_control.enabled else None)

    async def usage(self):
        none = {"prompt_tokens": 0, "completion_tokens": 0}
        return [Usage(role="teacher", purpose=p, calls=n, **none) for p, n in self._teacher.calls.items()]


def ran(folder, teacher, train=120, **changes):
    """The least that a run of stubs takes; it is in the folder."""
    config = check_config(RAW | changes, "test")
    write_demo(folder, train, 90)
    state = run(folder, World(config, teacher), **changes)
    assert state.status == "done"
    return least_calls(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seed": 1, "data_generation": {"batch_size": 4}},
        {"seed": 2, "quality_control": {"batch_size": 20, "threshold": 8.5}},
        {"seed": 3, "train": 300},
        {"method": "similar"},
        {"quality_control": {"enabled": False}},
    ],
)
def test_a_run_makes_hardly_more_calls_than_the_least(tmp_path, changes):
    teacher = Teacher()
    least = ran(Folder(str(tmp_path)), teacher, **changes)
    assert teacher.asked_again == 0
    assert teacher.calls.keys() == least.keys()
    assert all(least[purpose] <= calls for purpose, calls in teacher.calls.items())
    assert teacher.calls.total() <= 1.1 * sum(least.values())


def test_what_is_asked_again_about_unreadable_replies_comes_on_top(tmp_path):
    teacher = Teacher(faults={"cut_off": 0.1, "wrong_count": 0.1, "empty": 0.05, "prose": 0.1})
    least = ran(Folder(str(tmp_path)), teacher)
    assert teacher.asked_again > 5
    assert teacher.calls.total() <= 1.1 * sum(least.values())
