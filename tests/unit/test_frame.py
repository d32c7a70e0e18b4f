"""What all questions share, and what is left of a question without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import samples_in

from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.data.frame import Frame, find_frame
from pada_ray.records import Message, Sample

MESSAGES = [f"{word} is the matter" for word in ["Ana", "Bo", "Cem", "Dag", "Eve", "Fay", "Gil", "Hal", "Ida", "Jon"]]


def asked(*questions, system=()):
    return [
        Sample(
            id=f"s{i}",
            messages=[
                *(Message(role="system", content=text) for text in system),
                Message(role="user", content=question),
                Message(role="assistant", content="x"),
            ],
            task="exact",
            answer="x",
        )
        for i, question in enumerate(questions)
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Which intent is it? One word.\n\nMessage: ", ""),
        ("", "\n\nAnswer with one word only."),
        ("Read this.\n\n", "\n\nBe brief."),
        ("Read this. ", " Be brief."),
        ("Frage：\n", ""),
        ("", "\n"),
        ("\n", ""),
        ("\n\n", "\n \n"),
        ("", ""),
    ],
)
def test_what_all_questions_share_is_found_taken_off_and_put_back(before, after):
    questions = [f"{before}{message}{'.' if after.startswith(' ') else ''}{after}" for message in MESSAGES]
    frame = find_frame(asked(*questions))
    assert (frame.before, frame.after) == (before, after)
    assert [frame.put_on(frame.taken_off(question)) for question in questions] == questions


def test_words_that_messages_begin_or_end_with_by_chance_are_no_frame():
    frame = find_frame(asked(*(f"Say it.\n\nMessage: My {message}, please" for message in MESSAGES)))
    assert (frame.before, frame.after) == ("Say it.\n\nMessage: ", "")


@pytest.mark.parametrize(
    "questions",
    [
        [f"Say it.\n{message}" for message in MESSAGES[:9]],  # too few to tell
        [*(f"Say it.\n{message}" for message in MESSAGES), "Something else"],
        [*(f"Say it.\n{message}" for message in MESSAGES), "Say it.\n"],  # nothing would be left
        ["Say it.\nNow."] * 12,
    ],
)
def test_there_is_none_where_not_all_share_it_or_nothing_would_be_left(questions):
    assert not find_frame(asked(*questions))


def test_a_system_message_belongs_to_it_where_all_have_the_same():
    assert find_frame(asked(*MESSAGES, system=["Be kind."])).system == "Be kind."
    mixed = [*asked(*MESSAGES, system=["Be kind."]), *asked("x", system=["Be brief."])]
    assert find_frame(mixed).system is None
    assert not find_frame(mixed).is_single_turn(mixed[0].messages)
    assert find_frame(mixed[:-1]).is_single_turn(mixed[0].messages)


def test_what_is_not_in_the_frame_stays_whole():
    frame = Frame(before="Say it.\n", after="\nNow.")
    assert frame.taken_off("Tell me.\nx\nNow.") == "Tell me.\nx\nNow."
    assert frame.taken_off("Say it.\n\nNow.") == "Say it.\n\nNow."
    assert frame.put_on("  ") == ""
    assert frame.around("...") == "Say it. ... Now."


def test_the_real_data_sets():
    folder = Path(__file__).parents[2] / "examples/data"
    frames = {
        name: find_frame(samples_in(str(folder / name / "train_1000.jsonl"))[:300]) for name in ("banking77", "snips")
    }
    assert frames == {
        "banking77": Frame(
            before="Which intent does this message to a bank have? Reply with the intent's name only.\n\nMessage: "
        ),
        "snips": Frame(before="Turn this request into a function call, as JSON.\n\nRequest: "),
    }


def test_the_leak_guard_does_not_count_the_words_of_the_frame():
    frame = Frame(before="Say which it is.\n\nMessage: ")
    held_out = asked(f"{frame.before}Why was my card declined?")
    with_frame, without = LeakGuard(held_out, [], frame=frame), LeakGuard(held_out, [])
    again = asked("Yes: why was my card declined?")[0]
    assert with_frame.leaks(again) and not without.leaks(again)
    other = asked(f"{frame.before}Why was it so?")[0]
    assert not with_frame.leaks(other)
