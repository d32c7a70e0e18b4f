"""Every bad input ends in one line and exit code 2, at once and before anything is spent."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any, get_args

import pytest
import typer
import yaml
from bad_input_cases import CONFIG, CONFIGS, DATA, FILES, NODES, OVERRIDES, OWN_FILES, RIGHT, SCHEMAS
from pydantic import BaseModel

from jobs.command import command
from jobs.run import run
from pada_ray.config import Config, check_config
from pada_ray.errors import ConfigError
from pada_ray.storage import Folder

AT_ONCE = 20  # seconds, on a machine that has other work too


@pytest.fixture(autouse=True)
def at_once(tmp_path, monkeypatch):
    """In a folder of its own, and not for long: a FIFO that is opened would be waited for."""

    def too_long(*_):
        raise AssertionError(f"not refused within {AT_ONCE} s")

    monkeypatch.chdir(tmp_path)
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(AT_ONCE)
    yield
    signal.alarm(0)


@pytest.fixture
def told(tmp_path, capsys):
    """The one line of `pada run`, which has begun nothing."""

    def run_it(config="c.yaml", set_=None):
        before = set(tmp_path.rglob("*"))
        had_ray = "ray" in sys.modules
        with pytest.raises(typer.Exit) as end:
            command(run)(config, set_)
        out, said = capsys.readouterr()
        assert end.value.exit_code == 2
        assert said.startswith("error: ") and said.endswith("\n") and said.count("\n") == 1
        assert "Traceback" not in said and not out
        assert len(said) < 1500
        assert set(tmp_path.rglob("*")) == before, "something was begun"
        assert had_ray or "ray" not in sys.modules
        return said

    return run_it


def ids(cases):
    return [case[0] for case in cases]


def test_the_config_that_the_cases_change_is_right():
    check_config(yaml.safe_load(CONFIG), "c.yaml")
    assert len(CONFIGS) + len(FILES) + len(DATA) + len(OVERRIDES) >= 60


@pytest.mark.parametrize(("lines", "words"), [c[1:] for c in CONFIGS], ids=ids(CONFIGS))
def test_a_key(tmp_path, told, lines, words):
    (tmp_path / "c.yaml").write_text(f"{CONFIG}{lines}\n")
    assert words in told()


@pytest.mark.parametrize(("data", "words"), [c[1:] for c in FILES], ids=ids(FILES))
def test_a_config(tmp_path, told, data, words):
    (tmp_path / "c.yaml").write_bytes(data)
    assert words in told()


def test_a_byte_order_mark_is_no_mistake(tmp_path, told):
    (tmp_path / "c.yaml").write_bytes(b"\xef\xbb\xbf" + CONFIG.encode() + b"sed: 1\n")
    assert "c.yaml:6: sed: unknown key" in told()


@pytest.mark.parametrize(("data", "words"), [c[1:] for c in DATA], ids=ids(DATA))
def test_a_data_file(tmp_path, told, data, words):
    (tmp_path / "train.jsonl").write_bytes(data)
    (tmp_path / "val.jsonl").write_text(RIGHT)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("demo: {}, regime: 20", "train: train.jsonl, val: val.jsonl"))
    assert words in told()


@pytest.mark.parametrize(("file", "data", "words"), [c[1:] for c in OWN_FILES], ids=ids(OWN_FILES))
def test_a_file_of_ones_own(tmp_path, told, file, data, words):
    (tmp_path / file.partition(",")[0]).write_bytes(data)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("demo: {}, regime: 20", f"file: {file}"))
    assert words in told()


@pytest.mark.parametrize(("schema", "words"), [c[1:] for c in SCHEMAS], ids=ids(SCHEMAS))
def test_a_schema(tmp_path, told, schema, words):
    (tmp_path / "s.json").write_text(schema)
    (tmp_path / "train.jsonl").write_text(RIGHT)
    (tmp_path / "val.jsonl").write_text(RIGHT)
    files = "train: train.jsonl, val: val.jsonl, task: json, schema: s.json"
    (tmp_path / "c.yaml").write_text(CONFIG.replace("demo: {}, regime: 20", files))
    said = told()
    assert "s.json: neither a JSON Schema nor a list of tools: " in said and words in said


@pytest.mark.parametrize(("override", "words"), [c[1:] for c in OVERRIDES], ids=ids(OVERRIDES))
def test_an_override(tmp_path, told, override, words):
    (tmp_path / "c.yaml").write_text(f"{CONFIG}seed: 1\n")
    assert words in told(set_=[override])


def _socket(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path)


NO_FILES = {
    "a FIFO": lambda path: os.mkfifo(path),
    "a device": lambda path: os.symlink("/dev/zero", path),
    "a socket": _socket,
    "a folder": lambda path: os.mkdir(path),
}


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("name", ["x", "x.csv", "x.parquet", "x.json"])
def test_what_is_no_file_of_ones_own(tmp_path, told, name, kind):
    NO_FILES[kind](name)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("demo: {}, regime: 20", f"file: {name}"))
    said = told()
    assert f"this is {kind}" in said or (kind == "a folder" and "Is a directory" in said)


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("key", NODES)
def test_what_is_no_file(tmp_path, told, key, kind):
    if (key, kind) == ("prompts", "a folder"):
        pytest.skip("prompts is a folder")
    raw: dict[str, Any] = yaml.safe_load(CONFIG)
    raw["data"] = {"train": "train.jsonl", "val": "val.jsonl"}
    (tmp_path / "train.jsonl").write_text(RIGHT)
    (tmp_path / "val.jsonl").write_text(RIGHT.replace('"a"', '"b"').replace("1 + 1", "2 + 0"))
    name = "x.jsonl" if key in ("data.train", "data.val") else "x"
    NO_FILES[kind](name)
    if key == "prompts":
        (tmp_path / "templates").mkdir()
        (tmp_path / "x").rename(tmp_path / "templates" / "grading.jinja")
        raw["prompts"] = "templates"
    elif key != "config":
        section, part = key.split(".")
        raw.setdefault(section, {})[part] = name
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(raw))
    said = told("x" if key == "config" else "c.yaml")
    assert f"this is {kind}" in said


def test_a_file_of_a_run_that_is_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "state.json")
    with pytest.raises(OSError, match="this is a FIFO"):
        Folder(str(tmp_path)).read_text("state.json")


def keys(model: type[BaseModel], path: tuple[str, ...] = ()):
    """Every key of the config, down to the last section."""
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        kinds = [field.annotation, *get_args(field.annotation)]
        section = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        yield here
        if section is not None:
            yield from keys(section, here)


WRONG = [{"x": {"y": [1]}}, [[{}]], "\u202eno such thing", 3.75, -7, 10**50, float("nan"), float("-inf"), False]


@pytest.mark.parametrize("path", list(keys(Config)), ids=".".join)
def test_a_wrong_type_at_every_key(path):
    refused = 0
    for wrong in WRONG:
        raw = node = yaml.safe_load(CONFIG)
        for part in path[:-1]:
            node = node.setdefault(part, {})
        if path[-2:-1] == ("price",):
            node |= {"prompt": 1, "completion": 1}
        node[path[-1]] = wrong
        if path[0] == "data" and len(path) > 1:  # one source of data at a time
            raw["data"] = {path[1]: node[path[1]] if len(path) == 2 else raw["data"][path[1]]}
            raw["data"] |= {} if path[1] in ("demo", "dataset") else {"demo": {}}
        try:
            check_config(raw, "c.yaml")
        except ConfigError as e:
            refused += ".".join(path) in str(e)
            assert str(e).startswith("c.yaml: ") and "\n" not in str(e)
    assert refused >= 3
