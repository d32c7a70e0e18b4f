"""Constrained decoding: the student says one of the choices, whatever it would have said."""

from __future__ import annotations

import builders
import pytest
import torch

from pada_ray.config import StudentConfig, check_config
from pada_ray.errors import ConfigError
from pada_ray.records import Message
from pada_ray.student.chat_encoder import IGNORED
from pada_ray.student.constrained import Choices
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.evaluation_transformers import EvaluationBatch, EvaluationReply, StudentWorker
from pada_ray.student.model import Student
from pada_ray.tasks import Knowledge

LABELS = ["card", "card arrival", "card linking", "top up", "The answer is 4"]
ENDPOINTS = {"teacher": {"base_url": "offline", "model": "a"}, "judge": {"base_url": "offline", "model": "b"}}
DEMO = {"data": {"demo": {}}, "llm": ENDPOINTS}
PROMPTS = [[Message(role="user", content=text)] for text in ("Where is it?", "Tom has 3 figs. How many?", "x" * 40)]


@pytest.fixture(scope="module")
def student():
    return Student(StudentConfig(model="demo", dtype="float32"))


def test_each_reply_is_a_choice_and_ends(student):
    free = student.replies(PROMPTS, 40, batch_size=3)
    assert not any(reply.text in LABELS for reply in free)
    for size in (1, 3):
        said = student.replies(PROMPTS, 40, batch_size=size, choices=LABELS)
        assert all(reply.text in LABELS and not reply.truncated for reply in said)


def test_a_reply_that_is_a_choice_stays(student):
    free = student.replies(PROMPTS, 40, batch_size=3)
    kept = [reply.text for reply in free if not reply.truncated and reply.text]
    assert kept
    said = student.replies(PROMPTS, 40, batch_size=3, choices=[*LABELS, *kept])
    assert [a for a, b in zip(said, free, strict=True) if b.text in kept] == [b for b in free if b.text in kept]


def test_of_two_choices_of_one_length_the_likelier_first_token_wins(student):
    tree = Choices(student.encoder, ["a", "b"])
    first = tree.after([])
    ids = torch.tensor([student.encoder.prompt(PROMPTS[0])])
    logits = student.model(input_ids=ids).logits[0, -1]
    likelier = max(first, key=lambda token: float(logits[token]))
    (said,) = student.replies(PROMPTS[:1], 40, batch_size=1, choices=["a", "b"])
    assert said.text == student.encoder.reply([likelier]).text


def test_a_choice_that_another_begins_with_can_be_said(student):
    tree = Choices(student.encoder, ["card", "card arrival"])
    encoded = student.encoder.conversation([*PROMPTS[0], Message(role="assistant", content="card")])
    said = [label for label in encoded.labels if label != IGNORED]
    assert set(tree.after(said[:-1])) > {said[-1]}
    assert tree.after(said) == []


@pytest.mark.parametrize("constrained", [False, True])
def test_an_evaluation_allows_the_labels_alone_where_the_config_says_so(tmp_path, constrained):
    raw = {"student": {"model": "demo", "dtype": "float32"}, "evaluation": {"constrained_decoding": constrained}}
    config = check_config(raw | DEMO, "c.yaml")
    job = EvaluationJob(
        run=str(tmp_path),
        splits={},
        adapter=None,
        student=config.student,
        settings=config.evaluation,
        knowledge=Knowledge(labels=LABELS),
    )
    samples = [builders.sample("label", prompt[0].content, "card", "card") for prompt in PROMPTS]
    answers = StudentWorker(job).reply(EvaluationBatch(positions=[0, 1, 2], samples=samples))
    assert [EvaluationReply.model_validate_json(a).text in LABELS for a in answers] == [constrained] * 3
    free = [builders.math_sample("m")]  # a task without a fixed set of replies
    assert StudentWorker(job).reply(EvaluationBatch(positions=[0], samples=free))


def test_vllm_is_refused_with_it():
    raw = {"evaluation": {"constrained_decoding": True, "backend": "vllm"}}
    with pytest.raises(ConfigError, match=r"evaluation: .*constrained_decoding: needs backend: transformers"):
        check_config(raw | DEMO, "c.yaml")
