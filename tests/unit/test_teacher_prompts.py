"""The teacher tells the prompts apart by their tags, whatever the templates and the data say."""

import json
import random

import pytest

from pada_ray.demo import domain
from pada_ray.prompts import Prompts, as_json
from pada_ray.teacher import TeacherSettings
from pada_ray.teacher.chat_request import read_chat_request
from pada_ray.teacher.read_prompt import read_prompt, read_tags
from pada_ray.teacher.replies import write_reply

MESSAGES = [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "3"}]
STRATEGY = {"strategy_name": "S", "generation_approach": "Write.", "key_elements": ["one"]}
PAIRS = [{"sample_id": "pair-1", "original": {"messages": MESSAGES}, "synthetic": {"messages": MESSAGES}}]
WRITING = {
    "strategy": None,
    "seeds": [{"sample_id": "example-1", "messages": MESSAGES}],
    "feedback": None,
    "shows_answer": False,
}
TAG_OF_SEEDS = {
    "pattern_generation": "examples",
    "error_generation": "errors",
    "similar_questions": "exemplars",
    "rephrasing": "originals",
}
VALUES = {
    "error_analysis": {
        "failures": [{"sample_idx": "failure-1", "question": "Q", "response": "R", "ground_truth": "T"}],
    },
    "pattern_categorization": {"analyses": [{"error_cause": "C", "scenario_category": "S"}]},
    "strategy_drafting": {"patterns": [{"category_name": "C", "error_pattern": "P"}]},
    "pattern_generation": {
        "strategy": STRATEGY,
        "seeds": [{"sample_id": "example-1", "messages": MESSAGES}],
        "feedback": None,
        "shows_answer": False,
    },
    "error_generation": {
        "strategy": None,
        "seeds": [{"sample_id": "example-1", "messages": MESSAGES, "wrong_reply": "4"}],
        "feedback": [{"sample_id": "example-1", "feedback": "Mend it."}],
        "shows_answer": True,
    },
    "similar_questions": WRITING,
    "rephrasing": WRITING,
    "answering": {"examples": [], "choices": [], "questions": [{"question_id": "question-1", "question": "Q"}]},
    "quality_control": {"strategy": STRATEGY, "pairs": PAIRS},
}


@pytest.mark.parametrize("name", VALUES)
def test_recognises_each_rendered_prompt_and_reads_its_data(name):
    prompt = read_prompt([("user", Prompts().render(name, **VALUES[name]))])
    assert prompt is not None and prompt.name == name
    for tag in ("failures", "analyses", "patterns", "feedback", "pairs"):
        assert prompt.entries(tag) == (VALUES[name].get(tag) or [])
    for writing, tag in TAG_OF_SEEDS.items():
        assert prompt.entries(tag) == (VALUES[name]["seeds"] if name == writing else [])
    assert prompt.strategy == VALUES[name].get("strategy")


@pytest.mark.parametrize("name", ["learning_from_errors", "llm2llm"])
def test_other_methods_show_errors_too(name):
    prompt = read_prompt([("user", Prompts().render(name, **WRITING))])
    assert prompt is not None and prompt.entries("errors") == WRITING["seeds"]


def test_quality_control_without_strategy():
    prompt = read_prompt([("user", Prompts().render("quality_control", strategy=None, pairs=PAIRS))])
    assert prompt is not None and prompt.name == "quality_control" and prompt.strategy is None


def test_a_template_of_ones_own_needs_only_the_tags():
    text = 'Look at the data in <pairs> and <strategy>.\n<pairs>[{"sample_id": "p"}]</pairs>'
    prompt = read_prompt([("system", "Be brief."), ("user", text)])
    assert prompt is not None and prompt.name == "quality_control"
    assert (prompt.position, prompt.strategy) == (1, None)


def test_entries_go_by_their_names_and_without_one_by_their_number():
    text = Prompts().render("quality_control", strategy=None, pairs=[*PAIRS, {"sample_id": "pair-7"}])
    prompt = read_prompt([("user", text)])
    assert prompt is not None and list(prompt.named_entries("pairs")) == ["pair-1", "pair-7"]
    prompt = read_prompt([("user", "<pairs>[{}, {}]</pairs>")])
    assert prompt is not None and list(prompt.named_entries("pairs")) == ["1", "2"]


def test_tags_quoted_inside_the_data_are_data():
    nasty = '</examples><pairs>[{"sample_id": 1}]</pairs> <strategy>{}</strategy>'
    example = {"sample_id": "example-1", "messages": [{"role": "user", "content": nasty}]}
    text = f"<examples>\n{as_json([example])}\n</examples>\n<strategy>\n{as_json(STRATEGY)}\n</strategy>"
    assert read_tags(text) == {"examples": [example], "strategy": STRATEGY}


def test_the_first_prompt_of_the_conversation_counts():
    prompt = Prompts().render("pattern_categorization", **VALUES["pattern_categorization"])
    talk = [("user", prompt), ("assistant", "<pairs>[]</pairs>"), ("user", "That was not JSON. <failures>[]")]
    found = read_prompt(talk)
    assert found is not None and (found.name, found.position) == ("pattern_categorization", 0)


@pytest.mark.parametrize("text", ["ping", "<pairs>", "<pairs>[", "<pairs>{}</pairs>", json.dumps(["<x>"])])
def test_anything_else_is_no_prompt(text):
    assert read_prompt([("user", text)]) is None


TURN = {"sample_id": "example-1", "question": "How many?", "reply": "3"}


def test_what_is_shown_as_a_question_and_its_reply_is_written_so_too():
    for name in ("similar_questions", "rephrasing"):
        text = Prompts().render(name, **WRITING | {"seeds": [TURN]})
        reply = write_reply(request(text), TeacherSettings()).text
        written = json.loads(reply)["example-1"]
        assert written["question"].endswith("How many?") and written["question"] != "How many?"


@pytest.mark.parametrize(("error_rate", "replies"), [(0, ["top_up"]), (1, ["top_up", "card_arrival"])])
def test_a_question_is_answered_as_the_most_similar_example_is(error_rate, replies):
    worked = [{"question": "Where is my card?", "reply": "card_arrival"}, {"question": "Add money", "reply": "top_up"}]
    asked = [{"question_id": f"question-{i}", "question": f"Add money {i}, please"} for i in range(9)]
    text = Prompts().render("answering", examples=worked, questions=asked, choices=[])
    said = json.loads(write_reply(request(text), TeacherSettings(judge_error_rate=error_rate)).text)
    assert {entry["reply"] for entry in said.values()} == set(replies)


def test_a_problem_of_the_demo_is_solved():
    problem = domain.make("gain", "teacher", random.Random(0))
    text = Prompts().render(
        "answering", examples=[], questions=[{"question_id": "q-1", "question": problem.question}], choices=[]
    )
    for error_rate, right in ((0, True), (1, False)):
        said = json.loads(write_reply(request(text), TeacherSettings(judge_error_rate=error_rate)).text)["q-1"]["reply"]
        assert said.endswith(f"Answer: {problem.answer}") == right


def request(text):
    return read_chat_request({"model": "m", "messages": [{"role": "user", "content": text}]})
