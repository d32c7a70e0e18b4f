from pathlib import Path

import pytest
from builders import math_sample

from pada_ray.records import Sample
from pada_ray.storage import Folder


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    found = Folder(str(tmp_path / "run") if request.param == "local" else f"memory://{tmp_path.name}/run")
    yield found
    found.remove("")


def test_records_come_back(folder):
    odd = math_sample("a", question="line\u2028separator, \x1f, ä and\nnewline?")
    folder.write_records("deep/er/samples.jsonl", [odd, math_sample("b")])
    assert folder.read_records("deep/er/samples.jsonl", Sample) == [odd, math_sample("b")]


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(folder):
    for text in ("first", "second"):
        folder.write_text("a/state.json", text)
    assert folder.read_text("a/state.json") == "second"
    assert Folder(folder.at("a")).names() == ["state.json"]


def test_what_is_there(folder):
    assert not folder.exists("a.yaml")
    assert folder.names() == []
    folder.write_yaml("a.yaml", {"ä": [1, 2]})
    folder.write_text("b/c.txt", "x")
    assert folder.exists("a.yaml")
    assert folder.names() == ["a.yaml", "b"]
    assert folder.read_yaml("a.yaml") == {"ä": [1, 2]}
    folder.remove("b")
    folder.remove("b")
    assert folder.names() == ["a.yaml"]


def test_a_local_copy(folder):
    folder.write_text("adapter/one.txt", "1")
    with folder.local_copy("adapter") as path:
        assert Path(f"{path}/one.txt").read_text() == "1"
    with folder.local_copy(None) as path:
        assert path is None
