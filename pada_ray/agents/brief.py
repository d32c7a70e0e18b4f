"""What the agents are told of a run's task, beside what a call is about."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.data.frame import Frame, find_frame
from pada_ray.records import Message, Record, Sample
from pada_ray.runs import run_files
from pada_ray.storage import Folder
from pada_ray.tasks import Knowledge, get_task


class Brief(Record):
    """Made once for a run, from its training samples."""

    task: str = ""  # what the tasks say of themselves: labels, schema
    frame: Frame = Frame()
    knowledge: Knowledge = Knowledge()

    @property
    def lines(self) -> list[str]:
        """As prompts show it."""
        asked = [f"The model is asked: {self.frame.around('...')}"] if self.frame else []
        return [*asked, *self.task.splitlines()]

    def shown(self, messages: Sequence[Message]) -> dict[str, object]:
        """A conversation as prompts show it: what varies in the question, and the reply; all messages where there are
        more than these."""
        if not self.frame.is_single_turn(messages):
            return {"messages": [message.model_dump() for message in messages]}
        return {"question": self.frame.taken_off(messages[-2].content), "reply": messages[-1].content}

    def asked(self, messages: Sequence[Message]) -> dict[str, object]:
        """The same without the reply."""
        if not self.frame.is_single_turn(messages):
            return {"messages": [message.model_dump() for message in messages[:-1]]}
        return {"question": self.frame.taken_off(messages[-2].content)}


def brief_on(train: Sequence[Sample], knowledge: Knowledge) -> Brief:
    """What is to be told of these training samples and of what the run knows of its task."""
    told = (get_task(name, knowledge).describe() for name in dict.fromkeys(sample.task for sample in train))
    return Brief(task="\n".join(filter(None, told)), frame=find_frame(train), knowledge=knowledge)


def read_brief(run: Folder, task: str | None) -> Brief:
    """That of a run that is laid out in its folder; `task` is the one that its config names."""
    return brief_on(run_files.read_samples(run, task)["train"], run_files.read_knowledge(run))
