"""Task `json`: the schema, given or learned, spans, and what a synthetic sample must have."""

from __future__ import annotations

import json

import pytest
from builders import batch, candidate, sample, small_config
from hypothesis import given as given_value
from hypothesis import strategies as st

from pada_ray.agents.brief import brief_on
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.agents.screening import Screen, as_sample
from pada_ray.config import QualityControlConfig
from pada_ray.data.given import given_knowledge
from pada_ray.data.splits import load_splits
from pada_ray.errors import ConfigError, DataError
from pada_ray.records import Candidate, Sample, Seed
from pada_ray.tasks import Knowledge, get_task, learn
from pada_ray.tasks.json_schema import check_schema, learned, of_tools, outline, problem
from pada_ray.tasks.json_value import canonical, json_in, same


def call(name: str, **arguments) -> dict:
    return {"name": name, "arguments": arguments}


def json_sample(value, question: str = "?", name: str = "s") -> Sample:
    text = value if isinstance(value, str) else json.dumps(value)
    return sample("json", question, text, text, name)


TRAIN = [
    *(json_sample(call("Play", artist=a, service="Rado"), f"Play {a} on Rado") for a in "abcdefghij"),
    *(json_sample(call("Rate", stars=n, book=f"b{n}"), f"Give {n} to b{n}") for n in range(1, 6)),
]


# --- reading

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given_value(st.dictionaries(st.text(), VALUES, min_size=1))
def test_a_value_is_read_alone_in_fences_and_in_a_sentence(value):
    text, fenced = json.dumps(value), f"```json\n{json.dumps(value, indent=2)}\n```"
    assert get_task("json").read(text) == canonical(value)
    for reply in (fenced, f"Here it is: {text}", f"<think>{{</think>{text}") if "think>" not in text else ():
        assert same(json_in(reply), value, str)


@given_value(st.text(alphabet='{}[]",:1ae- \n`\\'))
def test_no_reply_breaks_the_reading(text):
    try:
        json_in(text)
    except ValueError as err:
        assert str(err)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested too deeply"),
        ('{"a": "\\ud800"}', "half of a character"),
        ('{"a": 1, "a": 2}', "a key stands twice"),
        ('{"a": NaN}', "NaN is no JSON"),
        ('{"a": 1}}', "a brace is left over"),
        ('{"a": 1} {"a": 2}', "2 different JSON values"),
        ("I cannot.", "no JSON"),
    ],
)
def test_why_a_reply_is_no_value(reply, why):
    with pytest.raises(ValueError, match=why):
        json_in(reply)


# --- the learned schema


@pytest.mark.parametrize(
    ("values", "fits", "breaks"),
    [
        ([1, 2], [3, 4.0], [3.5, "3", None, True]),
        ([1, 2.5], [3, 3.5], ["3", True]),
        (["a", None], ["b", None], [1]),
        ([True], [False], [0, "true"]),
        ([[1], []], [[2, 3], []], [["a"], 1, {}]),
        ([[]], [[], ["a"]], [1]),
        ([{"a": 1}], [{"a": 2}, {}], [{"a": "x"}, {"b": 1}, []]),
        ([{"a": {"b": [{"c": 1}]}}], [{"a": {"b": [{"c": 2}, {}]}}], [{"a": {"b": [{"d": 1}]}}, {"a": {"b": {}}}]),
        ([{"a": 1}] * 10, [{"a": 2}], [{}]),
        ([{"a": 1}] * 9 + [{}], [{}], [{"b": 1}]),
        ([call("f", x=1), call("g", y="a")], [call("f", x=2), call("f"), call("g")], [call("f", y="a"), call("h")]),
        ([call("f", x=1)], [], [{"name": "f"}, {"arguments": {}}, call("f") | {"id": 1}, call("f") | {"name": 1}]),
        ([{"name": "f", "parameters": {"x": 1}}], [{"name": "f", "parameters": {}}], [call("f", x=1)]),
        ([[call("f", x=1)], [call("g")]], [[call("g"), call("f")], []], [[call("g", x=1)], call("f", x=1)]),
    ],
)  # fmt: skip
def test_what_a_learned_schema_lets_through(values, fits, breaks):
    schema = learned(values)
    assert [value for value in [*values, *fits] if problem(schema, value)] == []
    assert [value for value in breaks if not problem(schema, value)] == []


def test_what_is_learned_and_told():
    known = learn(TRAIN, Knowledge())
    assert known.composed_fields == ["name"]
    assert get_task("json", known).describe() == (
        "The reply is one JSON value that fits this:\n"
        "Play(artist, service)\n"
        "Rate(book?, stars?: integer)\n"
        "All values but those of name are copied from the question."
    )
    assert get_task("json").describe() == ""
    assert known.reply_limit == 64


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        ('{"a": 1}', 64),
        ("[" + "1" * 98 + "]", 256),
        ('{"a": "' + "x" * 220 + '"}', 256),
        ('{"a": "' + "ก" * 60 + '"}', 512),
    ],
)
def test_a_reply_has_room_for_more_than_the_longest_answer(answer, limit):
    assert learn([json_sample(answer)], Knowledge()).reply_limit == limit


def case(name: object = "f", **then: object) -> dict:
    return {"if": {"properties": {"name": {"const": name}}}, "then": then}


@pytest.mark.parametrize(
    "part",
    [
        {"required": ["a"]},
        True,
        {"if": {"properties": {"kind": {"const": "a"}}}, "then": {"required": ["x"]}},
        {"if": {"properties": {"name": {"enum": ["a"]}}}, "then": {"properties": {"arguments": {}}}},
        {"if": {"properties": {"name": True}}, "then": {"properties": {"arguments": {}}}},
        {"if": {"required": ["name"]}, "then": {"properties": {"arguments": {}}}},
        {"if": True, "then": {"properties": {"arguments": {}}}},
        {"if": {"properties": {"name": {"const": "f"}}}},
        {"if": {"properties": {"name": {"const": "f"}}}, "then": False},
        case(),
        case(required=["x"]),
        case(properties={}),
        case(properties={"arguments": True}),
        case(properties={"arguments": {}, "id": {}}),
    ],
)
def test_a_schema_that_is_no_calls_is_told_as_json(part):
    for parts in ([part], [case(properties={"arguments": {}}), part]):
        schema = {"type": "object", "properties": {"a": {"type": "string"}}, "allOf": parts}
        check_schema(schema)
        assert json.loads(outline(schema)) == schema


def test_calls_are_told_by_their_signatures_whatever_else_is_said_of_them():
    schema = of_tools([{"name": "f", "parameters": {"properties": {"x": True, "y": {}}, "required": ["x"]}}])
    schema["allOf"][0]["if"]["required"] = schema["allOf"][0]["then"]["required"] = ["name"]
    assert outline(schema) == "f(x, y?)"


# --- a given schema


def data_config(**data):
    return small_config(data=data).data


def given(tmp_path, schema) -> Knowledge:
    (tmp_path / "schema.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return given_knowledge(data_config(train="a", val="b", schema=str(tmp_path / "schema.json")))


def test_a_list_of_tools_is_a_schema(tmp_path):
    parameters = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}, {"name": "g"}]
    known = given(tmp_path, tools)
    assert known.schema_given and outline(known.value_schema) == "f(x: integer)\ng()"
    assert not problem(known.value_schema, call("f", x=1)) and problem(known.value_schema, call("f"))


@pytest.mark.parametrize(
    "schema",
    ["", "{", "3", '{"type": 3}', '{"type": "text"}', "[1]", '[{"name": 1}]', '{"$ref": "https://example.com/x.json"}',
     '{"properties": {"a": {"pattern": "("}}}', '{"$ref": "#/$defs/missing"}',
     '{"properties": {"a": {"$ref": "https://example.com/x.json"}}}', '{"items": {"$ref": "x.json#/a"}}',
     '{"properties": {"a": {"$ref": "#/$defs/missing"}}}', '{"items": {"anyOf": [{"$dynamicRef": "#missing"}]}}',
     '{"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"$ref": "file:///x.json"}}}'],
)  # fmt: skip
def test_a_schema_that_will_not_do(tmp_path, schema):
    with pytest.raises(DataError, match=r"schema\.json: neither a JSON Schema nor a list of tools: ") as e:
        given(tmp_path, schema)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string"}}},
        {"$id": "x:y", "properties": {"a": {"$ref": "x:b"}}, "$defs": {"b": {"$id": "x:b", "type": "string"}}},
        {"properties": {"a": {"type": "string"}, "b": {"$ref": "http://json-schema.org/draft-07/schema#"}}},
        {"properties": {"a": {"$ref": "#b"}}, "$defs": {"b": {"$anchor": "b", "type": "string"}}},
        {"properties": {"a": {"type": "string"}, "$ref": {"const": {"$ref": "https://example.com/x.json"}}}},
    ],
)  # fmt: skip
def test_a_schema_may_refer_to_itself_and_name_a_field_as_it_likes(tmp_path, schema):
    found = given(tmp_path, schema).value_schema
    assert problem(found, {"a": "x"}) is None and "is not of type 'string'" in problem(found, {"a": 1})


def test_no_file_of_a_schema(tmp_path):
    with pytest.raises(DataError, match=r"no such file; check data\.schema"):
        given_knowledge(data_config(train="a", val="b", schema=str(tmp_path / "none.json")))


def test_the_config_calls_it_schema_alone():
    assert data_config(train="a", val="b", schema="s.json").model_dump(mode="json")["schema"] == "s.json"
    with pytest.raises(ConfigError, match=r"data\.value_schema: unknown key; allowed here: .*\bschema, normalisation"):
        data_config(train="a", val="b", value_schema="s.json")


def written(tmp_path, **splits: list) -> dict[str, str]:
    for split, values in splits.items():
        rows = [json_sample(v, f"{split} {i}", f"{split}{i}").model_dump_json() for i, v in enumerate(values)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(rows))
    return {split: str(tmp_path / f"{split}.jsonl") for split in splits}


def test_held_out_answers_may_go_beyond_what_was_learned_and_not_beyond_what_is_given(tmp_path):
    paths = written(tmp_path, train=[call("f", x=1)], val=[call("f", x=1), call("g", y=2)])
    assert len(load_splits(**paths)["val"]) == 2
    known = given(tmp_path, [{"name": "f"}])
    with pytest.raises(DataError, match=r"val\.jsonl:2: .*does not fit data\.schema: \$\.name: 'g' is not one of"):
        load_splits(**paths, given=known)


def test_an_answer_that_is_no_json_is_refused_with_its_line(tmp_path):
    paths = written(tmp_path, train=[call("f", x=1)], val=[call("f", x=1), '{"name": "f",}'])
    with pytest.raises(DataError, match=r"val\.jsonl:2: .*task json needs `answer` to be one JSON value as a text: "):
        load_splits(**paths)


# --- synthetic samples


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (call("Play", artist="Zoe", service="Rado"), None),
        (call("Rate", stars=4), None),
        (call("Play", artist="Zoe"), "'service' is a required property"),
        (call("Play", artist="Bo", service="Rado"), "not copied from the question: the value of arguments.artist"),
        (call("Play", artist="zoe", service="Rado"), "not copied from the question: the value of arguments.artist"),
        (call("Play", artist="Zoe", service="Rado", mood="calm"), "'mood' was unexpected"),
        (call("Plays", artist="Zoe", service="Rado"), "'Plays' is not one of"),
        (call("Rate", stars="4"), "'4' is not of type 'integer'"),
        (call("Rate", stars=7), "not copied from the question: the value of arguments.stars"),
        ([call("Rate", stars=4)], "is not of type 'object'"),
    ],
)
def test_a_synthetic_sample_has_known_names_and_copies_its_values(reply, said):
    check = get_task("json", learn(TRAIN, Knowledge())).check(json_sample(reply, "Play Zoe on Rado, 4 times"))
    assert check.verdict == ("unknown" if said is None else "wrong")
    assert said is None or said in check.reason


def test_values_that_train_composes_need_not_be_copied():
    train = [*TRAIN, json_sample(call("Play", artist="k", service="Rado"), "Play my favourite on Rado")]
    known = learn(train, Knowledge())
    assert known.composed_fields == ["arguments.artist", "name"]
    assert (
        get_task("json", known).check(json_sample(call("Play", artist="x", service="Rado"), "On Rado")).verdict
        != "wrong"
    )
    assert (
        get_task("json", known).check(json_sample(call("Play", artist="x", service="My"), "On Rado")).verdict == "wrong"
    )


def test_the_screen_knows_the_task():
    seed = TRAIN[0]
    attempt = batch(1).attempts[0].model_copy(update={"seed": Seed(sample=seed)})
    of = batch(1).model_copy(update={"attempts": [attempt]})
    screen = Screen(QualityControlConfig(), TRAIN, LeakGuard([], TRAIN), brief_on(TRAIN, learn(TRAIN, Knowledge())))

    def screened(question: str, reply: str) -> Candidate:
        return screen.screen(of, [candidate(of, question=question, reply=reply)])[0]

    good = screened(
        "Play Zoe on Rado now", '```json\n{"name": "Play", "arguments": {"artist": "Zoe", "service": "Rado"}}\n```'
    )
    assert good.rejected is None
    assert good.sample.reference == '{"name": "Play", "arguments": {"artist": "Zoe", "service": "Rado"}}'
    broken = screened("Play Zoe on Rado now", '{"name": "Play", "arguments": {"artist": "Zoe"')
    assert broken.rejected == "malformed" and "must be one JSON value" in broken.feedback
    unknown = screened("Play Zoe on Rado now", json.dumps(call("Play", artist="Zoe", service="Rado", mood="calm")))
    assert unknown.rejected == "wrong" and "mood" in unknown.feedback
    elsewhere = screened("Play Zoe on Rado now", json.dumps(call("Play", artist="Bo", service="Rado")))
    assert elsewhere.rejected == "wrong" and "copied" in elsewhere.feedback


SPACED = {"as json.dumps": {}, "compact": {"separators": (",", ":")}, "indented": {"indent": 2}}


@pytest.mark.parametrize("form", SPACED)
def test_a_new_sample_is_bare_json_as_its_seed_whatever_the_spaces_of_that(form):
    task, value, found = get_task("json"), call("find", n="0"), call("find", n="1")
    seed = json_sample(json.dumps(value, **SPACED[form]))
    seed = seed.model_copy(update={"answer": task.answer_of(seed.messages)})  # as in a file without answers
    bare = json.dumps(found, **SPACED[form])
    for reply in (bare, f"Here it is:\n```json\n{bare}\n```", f"```\n{bare}\n```"):
        made = as_sample(candidate(batch(1), question="Find 1", reply=reply), seed)
        assert made.reference == (bare if reply == bare else json.dumps(found))
        assert json.loads(made.reference) == json.loads(made.answer) == found
        assert not task.fails(made.reference, made)


def test_a_new_sample_keeps_what_its_seed_has_around_the_json():
    seed = sample("json", "Find 0", 'Here: {"n":"0"}', '{"n": "0"}')
    made = as_sample(candidate(batch(1), question="Find 1", reply='Here: {"n":"1"}'), seed)
    assert made.reference == 'Here: {"n":"1"}'


def test_tools_without_names_are_refused():
    with pytest.raises(ValueError, match="objects with `name`"):
        of_tools(["f"])
