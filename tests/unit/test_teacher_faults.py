"""Faults strike at their stated rates, afresh for every attempt, and spoil a reply as they say."""

import json
import random
from collections import Counter

import pytest
from pydantic import ValidationError

from pada_ray.config.teacher import FAULT_NAMES, TeacherSettings
from pada_ray.teacher.chat_request import content_hash, read_chat_request
from pada_ray.teacher.faults import draw_fault, spoil
from pada_ray.teacher.replies import write_reply

REPLY = json.dumps({f"failure-{i}": {"error_cause": "x" * 20} for i in range(5)})
ALL = TeacherSettings(faults=dict.fromkeys(FAULT_NAMES, 0.1))


def test_all_faults_together_at_ten_percent_each():
    counts = Counter(draw_fault(ALL, content_hash(i), 1) for i in range(4000))
    for name in FAULT_NAMES:
        assert 320 < counts[name] < 480
    assert 690 < counts[None] < 910


def test_a_draw_is_determined_and_every_attempt_has_its_own():
    drawn = [[draw_fault(ALL, content_hash(i), attempt) for attempt in (1, 2, 3)] for i in range(200)]
    assert drawn == [[draw_fault(ALL, content_hash(i), attempt) for attempt in (1, 2, 3)] for i in range(200)]
    other_seed = ALL.model_copy(update={"seed": 1})
    assert drawn != [[draw_fault(other_seed, content_hash(i), a) for a in (1, 2, 3)] for i in range(200)]
    recovered = sum(first is not None and (second is None or third is None) for first, second, third in drawn)
    assert recovered > 20


def test_faults_leave_no_trace_in_what_a_patient_client_gets():
    """A client that sends again after a failed call, and asks again after an unreadable reply."""
    prompt = "<analyses>" + json.dumps([{"error_cause": "C", "scenario_category": "S"}] * 3) + "</analyses>"
    for i in range(50):
        talk = [{"role": "user", "content": f"{i} {prompt}"}]
        first = read_chat_request({"model": "m", "messages": talk})
        unharmed = write_reply(first, TeacherSettings()).text
        attempts: Counter[str] = Counter()
        reply = ""
        for _ in range(200):
            request = read_chat_request({"model": "m", "messages": talk})
            attempts[request.content] += 1
            fault = draw_fault(ALL, request.content, attempts[request.content])
            if fault in ("rate_limit", "server_error", "hang"):
                continue
            reply = write_reply(request, ALL, fault).text
            if fault in (None, "wrong_count"):
                break
            talk += [{"role": "assistant", "content": reply}, {"role": "user", "content": "Not JSON."}]
        assert reply == unharmed


def test_without_faults_nothing_strikes():
    assert draw_fault(TeacherSettings(), "content", 1) is None


@pytest.mark.parametrize("seed", range(20))
def test_spoilt_replies(seed):
    rng = random.Random(seed)
    with pytest.raises(json.JSONDecodeError):
        json.loads(spoil(REPLY, "cut_off", rng))
    assert REPLY in spoil(REPLY, "prose", rng) != REPLY
    assert f"```json\n{REPLY}\n```" in spoil(REPLY, "fenced_prose", rng)
    assert len(json.loads(spoil(REPLY, "wrong_count", rng))) in (4, 6)
    assert spoil(REPLY, "empty", rng) == ""
    for harmless in ("rate_limit", "server_error", "hang", None):
        assert spoil(REPLY, harmless, rng) == REPLY


@pytest.mark.parametrize("reply", ["Hello!", '{"category_name": "C", "representative_samples": ["s"]}'])
def test_a_reply_without_entries_has_no_wrong_count(reply):
    assert spoil(reply, "wrong_count", random.Random(0)) == reply


@pytest.mark.parametrize(
    "values",
    [
        {"faults": {"typo": 0.1}},
        {"faults": {"hang": 1.1}},
        {"faults": {"hang": 0.6, "empty": 0.6}},
        {"wrong_rate": -0.1},
        {"wrongrate": 0.1},
    ],
)
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        TeacherSettings(**values)
