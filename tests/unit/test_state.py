"""The file with a run's state: what is written is read, and what was changed is not."""

from __future__ import annotations

import math
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pada_ray.errors import DamagedFile
from pada_ray.llm.chat import Usage
from pada_ray.records import Prediction
from pada_ray.runs.state import FILE, FinishedStage, RunState, Score, read_state, scores_of, write_state
from pada_ray.storage import Folder

names = st.text(max_size=20)
counts = st.integers(0, 10**9)
scores = st.builds(Score, samples=counts, failures=counts, truncated=counts, unscored=counts)
states = st.builds(
    RunState,
    name=names,
    status=st.sampled_from(["running", "waiting for review", "paused", "stopped", "failed", "done"]),
    stage=names,
    iteration=counts,
    judged=st.booleans(),
    finished=st.dictionaries(names, st.builds(FinishedStage, output=names, seconds=st.floats(0, 1e9)), max_size=3),
    scores=st.dictionaries(names, st.dictionaries(st.sampled_from(["train", "val", "test"]), scores), max_size=3),
    counts=st.dictionaries(names, st.dictionaries(names, counts, max_size=3), max_size=3),
    warnings=st.dictionaries(names, names, max_size=3),
    best=st.none() | names,
    usage=st.lists(
        st.builds(Usage, role=names, purpose=names, calls=counts, prompt_tokens=counts, completion_tokens=counts),
        max_size=3,
    ),
    error=st.none() | names,
)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as place:
        yield Folder(place)


@given(states)
def test_what_is_written_is_read(folder, state):
    write_state(folder, state)
    assert read_state(folder) == state


@settings(max_examples=300)
@given(states, st.data())
def test_one_changed_byte_or_a_lost_end_is_damage(folder, state, data):
    write_state(folder, state)
    written = folder.read_bytes(FILE)
    at = data.draw(st.integers(0, len(written) - 1), "byte")
    new = data.draw(st.integers(0, 255).filter(lambda value: value != written[at]), "its value")
    for changed in (written[:at] + bytes([new]) + written[at + 1 :], written[:at]):
        folder.write_bytes(FILE, changed)
        with pytest.raises(DamagedFile, match=r"state\.json: damaged: .* --from start"):
            read_state(folder)


@given(st.lists(st.tuples(st.sampled_from(["train", "val", "test"]), st.sampled_from([True, False, None]))))
def test_what_could_not_be_judged_is_neither_right_nor_wrong(verdicts):
    made = [
        Prediction(id=str(i), split=split, reply="", failed=failed, truncated=False)
        for i, (split, failed) in enumerate(verdicts)
    ]
    for split, score in scores_of(made).items():
        mine = [failed for of, failed in verdicts if of == split]
        assert (score.samples, score.unscored) == (len(mine), mine.count(None))
        right = mine.count(False)
        if scored := len(mine) - mine.count(None):
            assert score.accuracy == pytest.approx(right / scored)
        else:
            assert math.isnan(score.accuracy)
