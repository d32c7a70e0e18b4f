from __future__ import annotations

import json
import random
import re
import string
import time
import unicodedata

import builders
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pada_ray.agents import leak_guard, words
from pada_ray.agents.leak_guard import Hit, LeakGuard
from pada_ray.records import Message, Sample

TEMPLATE = "Solve the problem step by step and end your reply with a number."
STORY = "Misha picks out 4 blouses from the 30% off rack at the market. Each one costs $20."


def sample(name: str, question: str, reply: str = "#### 4", system: str = "") -> Sample:
    messages = [Message(role="system", content=system)] if system else []
    messages += [Message(role="user", content=question), Message(role="assistant", content=reply)]
    return Sample(id=name, messages=messages, task="math", answer="4")


def test_a_copied_run_of_words_is_a_hit_whatever_its_punctuation():
    guard = LeakGuard([sample("v1", STORY)], [])
    assert guard.hits("And so MISHA picks out\n4 blouses, from the 30% rack") == [
        Hit("v1", "misha picks out 4 blouses from the 30")
    ]
    assert guard.hits("Misha picks out 5 blouses from the 30% off rack") == []
    assert guard.hits("") == []


def test_overlapping_runs_are_one_hit_and_samples_are_told_apart():
    other = "The quick brown fox jumps over the lazy dog"
    guard = LeakGuard([sample("v1", STORY), sample("t1", other)], [])
    assert [hit.sample_id for hit in guard.hits(STORY + " " + other)] == ["v1", "t1"]


def test_replies_are_protected_and_system_messages_are_not():
    nine = "one two three four five six seven eight nine"
    guard = LeakGuard([sample("v1", STORY, reply=nine, system=TEMPLATE)], [])
    assert guard.hits(nine) and not guard.hits(TEMPLATE)


def test_what_stands_in_train_is_public_and_does_not_join_with_an_items_words():
    guard = LeakGuard([sample("v1", f"{STORY}\n\n{TEMPLATE}")], [sample("a", f"Another story.\n\n{TEMPLATE}")])
    assert guard.hits(f"Something at cost 20.\n\n{TEMPLATE}") == []
    assert guard.hits(f"Each one costs $20.\n\n{TEMPLATE}") == []
    assert guard.hits(STORY)


def test_a_short_question_is_protected_as_a_whole_unless_it_is_public():
    guard = LeakGuard([sample("v1", "Who won the cup in 1998?"), sample("v2", "How many cups?")], [])
    assert guard.hits("Tell me: who won the cup in 1998, then?") == [Hit("v1", "who won the cup in 1998")]
    assert guard.hits("Who won the cup in 1999?") == []
    assert guard.hits("How many cups?") == [Hit("v2", "how many cups")]
    assert guard.hits("Say how many cups there are") == []
    assert not LeakGuard([sample("v1", "How many cups?")], [sample("a", "How many cups?")]).hits("How many cups?")


@pytest.mark.parametrize(
    ("held_out", "other"),
    [
        ("What is C?", "What is C#?"),
        ("What is C#?", "What is C?"),
        ("C", "C#"),
        ("Is p & q true?", "Is p | q true?"),
        ("What does [] give?", "What does {} give?"),
        ("Plot -x", "Plot x"),
        ("What is 12 + 7?", "What is 12 - 7?"),
        ("What does 😀 mean?", "What does 😢 mean?"),
        ("😀", "😢"),
    ],
)
def test_short_questions_that_differ_in_signs_are_two_questions(held_out, other):
    guard = LeakGuard([sample("v1", held_out)], [])
    assert guard.leaks(sample("s", other)) == []
    assert {hit.sample_id for hit in guard.leaks(sample("s", held_out))} == {"v1"}
    released = LeakGuard([sample("v1", held_out)], [sample("a", other)])
    assert {hit.sample_id for hit in released.leaks(sample("s", held_out))} == {"v1"}


@pytest.mark.parametrize("quoted", ['"{}"', "({})", "**{}**", "`{}`", "- {}", "see: {}", "*{}* and so on"])
def test_a_short_question_is_found_however_it_is_set_off(quoted):
    text = quoted.format("Is it true that p & q?")
    assert [hit.sample_id for hit in LeakGuard([sample("v1", "Is it true that p & q?")], []).hits(text)] == ["v1"]


@pytest.mark.parametrize("around", ["{}", "Hello! {} Then ask for help.", "Hello. {}\nYes.", "---\n{}", "Hm:\n===\n{}"])
@pytest.mark.parametrize("end", ["", ".", "!", "?", "?!", "!!", "...", '!"'])
@pytest.mark.parametrize("held_out", ["I lost my card yesterday!", "When will my card arrive?", "Card lost?"])
def test_a_short_question_is_found_whatever_ends_it_and_stands_in_front(held_out, end, around):
    text = around.format(held_out[:-1] + end)
    guard = LeakGuard([sample("v1", held_out)], [])
    if around == "{}" or len(held_out.split()) > 3:
        assert [hit.sample_id for hit in guard.hits(text)] == ["v1"]
        assert guard.hits(guard.redact(text)[0]) == []
    assert guard.leaks(sample("s", held_out[:-1] + end))


def test_many_signs_round_many_short_questions_take_no_long():
    guard = LeakGuard([sample("v1", "I lost my card yesterday!")], [])
    text = f"{'.' * 20_000} I lost my card yesterday. " * 50
    started = time.perf_counter()
    assert len(guard.hits(text)) == 50
    assert time.perf_counter() - started < 10


def test_short_replies_are_not_protected():
    assert LeakGuard([sample("v1", STORY, reply="the big red one")], []).hits("the big red one") == []


def test_a_sample_is_looked_at_in_all_of_its_messages():
    guard = LeakGuard([sample("v1", STORY), sample("v2", "38 + 46"), sample("v3", f"{TEMPLATE}\n\nHow many?")], [])
    assert guard.leaks(sample("s", "Misha has 4 blouses.")) == []
    assert [hit.sample_id for hit in guard.leaks(sample("s", "Go on.", system=STORY))] == ["v1"]
    talk = [Message(role=r, content=c) for r, c in (("user", STORY), ("assistant", "4"), ("user", "And then?"))]
    later = sample("s", "?").model_copy(update={"messages": [*talk, Message(role="assistant", content="5")]})
    assert [hit.sample_id for hit in guard.leaks(later)] == ["v1"]
    assert {hit.sample_id for hit in guard.leaks(sample("s", "38 + 46", reply="It is 84."))} == {"v2"}
    assert [hit.sample_id for hit in guard.leaks(sample("s", "Now:\n\nHow many?", reply="Two."))] == ["v3"]
    assert guard.leaks(sample("s", "38 + 47", reply="It is 85.")) == []


def test_scripts_without_spaces_or_with_marks_are_read_by_their_words():
    apples = "小明有三个苹果，又买了五个，一共有几个？"
    guard = LeakGuard([sample("v1", apples)], [])
    text, hits = guard.redact(f"学生常常算错。例如：{apples}应该先相加。")
    assert (text, [hit.sample_id for hit in hits]) == ("学生常常算错。应该先相加。", ["v1"])
    assert guard.hits("小明有三个苹果，又买了六个，一共有几个？") == []
    hindi = "राम के पास तीन सेब हैं और वह दो और खरीदता है"  # eleven words
    assert [hit.words for hit in LeakGuard([sample("v1", hindi)], []).hits(hindi)] == [hindi]
    assert LeakGuard([sample("v1", hindi)], []).hits("राम के पास तीन सेब हैं और") == []


FRENCH = "Où se trouve le café préféré de Hélène près de la rivière gelée"
VIETNAMESE = "Viết một đoạn văn ngắn về chuyến đi đầu tiên của bạn"
KOREAN = "민지는 사과 세 개를 사고 배 두 개를 더 샀습니다"
HYPHENATED = (
    "The co\u00adoperation agree\u00adment be\u00adtween the two govern\u00adments was signed in Novem\u00adber"
)


@pytest.mark.parametrize("text", [FRENCH, VIETNAMESE, KOREAN, HYPHENATED])
@pytest.mark.parametrize("held_out", ["NFC", "NFD"])
@pytest.mark.parametrize("copied", ["NFC", "NFD"])
def test_a_copy_is_found_in_another_encoding(text, held_out, copied):
    held_out, copied = unicodedata.normalize(held_out, text), unicodedata.normalize(copied, text)
    for unseen in ("", "\u00ad", "\u200b", "\u200d", "\u2060", "\ufeff"):
        other = copied.replace("\u00ad", "") if not unseen else unseen.join(copied)
        (hit,) = LeakGuard([sample("v1", held_out)], []).hits(f"Bonjour. {other}. Merci.")
        assert hit == Hit("v1", unicodedata.normalize("NFC", text.replace("\u00ad", "")).lower())
        assert LeakGuard([sample("v1", held_out)], [sample("a", other)]).hits(held_out) == []


def test_so_is_a_short_question():
    other = sample("s", unicodedata.normalize("NFD", "Café où?"))
    assert {hit.sample_id for hit in LeakGuard([sample("v1", "Café où?")], []).leaks(other)} == {"v1"}


def test_redaction_leaves_what_it_keeps_as_it_is():
    """In its own encoding, and with the signs that say nothing."""
    guard = LeakGuard([sample("v1", FRENCH)], [])
    kept = unicodedata.normalize("NFD", "Il se trompe d'été, ❤\ufe0f co\u00adopération.")
    for quoted in (unicodedata.normalize("NFD", FRENCH), "\u00ad".join(FRENCH)):
        redacted, hits = guard.redact(f"{kept} {quoted}. {kept}")
        assert (redacted, [hit.sample_id for hit in hits]) == (f"{kept} {kept}", ["v1"])


def test_redaction_drops_the_sentences_that_hold_a_hit():
    guard = LeakGuard([sample("v1", STORY)], [])
    text = f"The model misreads percents. For example: {STORY}\nIt should divide by 100 first."
    redacted, hits = guard.redact(text)
    assert redacted == "The model misreads percents. It should divide by 100 first."
    assert [hit.sample_id for hit in hits] == ["v1"]
    assert guard.redact("Nothing here.") == ("Nothing here.", [])


def test_redaction_looks_again_at_what_it_joined():
    guard = LeakGuard([sample("v1", "one two three four five six seven eight. x1 x2 x3 x4 x5 x6 x7 x8")], [])
    redacted, hits = guard.redact("One two three four. X1 x2 x3 x4 x5 x6 x7 x8. Five six seven eight.")
    assert (redacted, len(hits)) == ("", 2)


@given(st.lists(st.sampled_from(["a", "b", "c", "A.", "b!", "\n", "c?"]), max_size=60).map(" ".join))
def test_what_redaction_returns_has_no_hit(text):
    guard = LeakGuard([sample("v1", "a b c a b a c"), sample("v2", "b b a c")], [sample("p", "c a b")], words=4)
    redacted, hits = guard.redact(text)
    assert guard.hits(redacted) == []
    assert bool(hits) == bool(guard.hits(text))


SCRIPTS = string.printable + "éßİıΣς٣५¾½²_\u00a0\u2028ﬁ" + "राम के" + "小明三。か\u3099" + "ไทย" + "e\u0301ก\u0e31"
SCRIPTS += "\u1112\u1161\u11ab각क\u093c\u0958" + "\u00ad\u200b\u200d\u200f\u2060\ufe0f\ufeff"
A_WORD = re.compile(rf"[{words._UNSPACED}][{words._MARKS}]*|(?:[^\W_{words._UNSPACED}][{words._MARKS}]*)+")


@given(st.one_of(st.text(string.printable), st.text(SCRIPTS), st.text()))
@example("".join(map(chr, range(128))))
def test_the_table_for_ascii_and_the_pattern_read_the_words_of_the_definition(text):
    seen = unicodedata.normalize("NFC", re.sub(f"[{words._UNSEEN}]", "", text))
    plain = [word.lower() for word in A_WORD.findall(seen)]
    assert words.words_of(text) == plain
    assert len(words.WORD.findall(text)) == len(plain)  # so that each word has its place in the text


def protected(held_out, public, words):
    """The runs by the definition: those of each paragraph, less those of any message that is public."""
    owners = {}
    for one in held_out:
        for message in one.messages:
            for found in map(str.split, message.content.split("\n\n")):
                if len(found) >= words or message.role == "user":
                    for run in runs_of(found, min(len(found), words)):
                        owners.setdefault(run, one.id)
    for one in public:
        for message in one.messages:
            for length in range(1, words + 1):
                for run in runs_of(message.content.split(), length):
                    owners.pop(run, None)
    return owners


def runs_of(found, length):
    return [tuple(found[i : i + length]) for i in range(len(found) - length + 1)]


@pytest.mark.parametrize("few", [-1, 10_000])
def test_the_runs_are_those_of_the_definition_be_they_few_or_many(monkeypatch, few):
    monkeypatch.setattr(leak_guard, "_FEW", few)
    chance = random.Random(0)

    def text(longest):
        return " ".join(chance.choices("abcdefgh", k=chance.randint(1, longest)))

    held_out = [sample(f"v{i}", f"{text(9)}\n\n{text(4)}", reply=text(9)) for i in range(40)]
    public = [sample(f"p{i}", text(12), reply=text(12)) for i in range(20)]
    guard = LeakGuard(held_out, public, words=5)
    expected = protected(held_out, public, 5)
    assert expected == {run: owner for owners in guard._owners.values() for run, owner in owners.items()}
    assert {len(run) for run in expected} >= {3, 4, 5}


def test_of_a_json_reply_the_values_are_protected_and_no_names():
    def booked(name: str, question: str, **arguments: str) -> Sample:
        text = json.dumps({"name": "BookRestaurant", "arguments": arguments})
        return builders.sample("json", question, text, text, name)

    usual = {"sort": "best", "city": "Senj", "restaurant_type": "restaurant", "party_size_number": "two"}
    held_out = booked("v1", "a table for two in Senj, at the best", **usual, note=STORY)
    guard = LeakGuard([held_out], [])
    assert not guard.leaks(booked("s1", "We are two and want the best restaurant of the town of Senj", **usual))
    assert guard.leaks(booked("s2", "We are two, in Senj", **usual, note=STORY))
    assert guard.leaks(held_out)


def noted(name: str, note: str, written: str) -> Sample:
    """A sample whose reply holds a note, written in JSON in this way."""
    reply = f'{{"note": "{written}"}}'
    assert json.loads(reply) == {"note": note}
    return builders.sample("json", f"Write {name} down.", reply, json.dumps({"note": note}), name)


LINES = STORY.replace(" ", "\n")
WRITTEN = [
    (FRENCH, json.dumps(FRENCH)[1:-1]),
    (FRENCH, FRENCH),
    (LINES, json.dumps(LINES)[1:-1]),
    (STORY, "".join(f"\\u{ord(sign):04x}" for sign in STORY)),
]


@pytest.mark.parametrize(("note", "written"), WRITTEN)
def test_json_is_read_without_its_escapes(note, written):
    copy = noted("s", note, written)
    for held_out in (noted("v1", note, written), noted("v1", note, json.dumps(note)[1:-1]), sample("v1", note)):
        assert {hit.sample_id for hit in LeakGuard([held_out], []).leaks(copy)} == {"v1"}
        assert LeakGuard([held_out], [noted("a", note, written)]).leaks(copy) == []


def test_a_short_question_is_no_leak_as_a_value():
    assert LeakGuard([sample("v1", "play jazz")], []).leaks(noted("s", "play jazz", "play jazz")) == []


def film(name: str, title: str) -> Sample:
    reply = json.dumps({"name": "FindFilm", "arguments": {"title": title, "kind": "silent film", "seats": "two"}})
    return builders.sample("json", f"Two seats for the silent film {title}", reply, reply, name)


WHO = "Passage: Ada Lovelace wrote it. Question: Who?"
SHORT_ANSWERS = [
    (film("v1", "The Bride"), "the bride"),
    (builders.sample("extractive_qa", WHO, "Ada Lovelace", ["Ada Lovelace"], "v1"), "ada lovelace"),
    (builders.sample("exact", "Capital of Burkina?", "Ouaga dougou", "Ouaga dougou", "v1"), "ouaga dougou"),
]


@pytest.mark.parametrize(("held_out", "answer"), SHORT_ANSWERS)
def test_a_short_answer_is_masked_in_what_a_strategy_says(held_out, answer):
    guard = LeakGuard([held_out], [film("p", "Jaws")])
    text = f'Ask for silent film titles such as "{answer.title()}", for two seats. {answer} is short.'
    assert guard.redact(text) == (
        'Ask for silent film titles such as "…", for two seats. … is short.',
        [Hit("v1", answer)] * 2,
    )
    assert guard.redact(f"unlike {answer}s") == (f"unlike {answer}s", [])
    assert not guard.leaks(builders.sample("exact", f"What of {answer}?", answer, answer, "s"))  # by chance, no copy
    with_it = LeakGuard([held_out], [builders.sample("math", f"{answer} has 3 figs and eats 2.", "#### 1", "1", "p")])
    assert with_it.redact(text)[0].endswith(f"{answer} is short.")  # train has it too


def test_of_answers_within_each_other_the_longest_is_masked_and_none_comes_about_by_it():
    guard = LeakGuard(
        [film("v1", "The Bride of Moor"), film("v2", "The Bride"), film("v3", "Old Moor")], [film("p", "X")]
    )
    assert guard.redact("see the bride of Moor, old The bride moor") == (
        "see …, …",
        [Hit("v1", "the bride of moor"), Hit("v2", "the bride"), Hit("v3", "old moor")],
    )


def test_a_label_and_an_option_are_no_held_out_text():
    labels = builders.sample("label", "Where is it?", "card arrival", "card arrival", "v1")
    option = builders.sample("multiple_choice", "Which?\nA. blue whale\nB. an ox", "A. blue whale", "A", "v2")
    text = "Ask where it is: card arrival, blue whale."
    assert LeakGuard([labels, option], []).redact(text) == (text, [])
