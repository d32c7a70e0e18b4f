import asyncio

import pytest

from pada_ray.runs.shared_stages import StageClaims, StageStore
from pada_ray.runs.sharing import content_hash, model_files
from pada_ray.runs.stages import StageKeeper
from pada_ray.runs.state import read_state
from pada_ray.storage import Folder


class Weights:
    """The output of a stage: a folder with a file."""

    path = "model/adapter"

    def __init__(self, folder):
        self.folder = folder

    def save(self, made):
        self.folder.write_text(f"{self.path}/weights", made)

    def load(self):
        return self.folder.read_text(f"{self.path}/weights")


class Runs:
    """Runs that ask for a stage, and how often it was worked out."""

    def __init__(self, tmp_path):
        self.path = tmp_path
        self.worked = []
        self.claims = StageClaims(str(tmp_path / "shared"))
        self.store = StageStore(str(tmp_path / "shared"), self.claims)

    async def ask(self, run, content="abc", fails=False):
        folder = Folder(str(self.path / run))

        async def work():
            await asyncio.sleep(0)
            self.worked.append(run)
            if fails:
                raise RuntimeError("out of memory")
            return f"made by {run}"

        keeper = StageKeeper(folder, run, self.store)
        return await keeper.stage("a stage", Weights(folder), work, content)


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path)


def test_what_two_runs_ask_for_at_the_same_moment_is_done_once(runs):
    async def both():
        return await asyncio.gather(*(runs.ask(f"run-{i}") for i in range(5)))

    assert asyncio.run(both()) == ["made by run-0"] * 5
    assert runs.worked == ["run-0"]
    assert Folder(str(runs.path / "run-4")).read_text("model/adapter/weights") == "made by run-0"
    shared = [read_state(Folder(str(runs.path / f"run-{i}"))).finished["a stage"].shared for i in range(5)]
    assert shared == [False, True, True, True, True]


def test_other_content_is_other_work(runs):
    async def both():
        return await asyncio.gather(runs.ask("run-0", "abc"), runs.ask("run-1", "def"))

    assert asyncio.run(both()) == ["made by run-0", "made by run-1"]


def test_where_one_run_fails_the_next_does_it(runs):
    async def both():
        return await asyncio.gather(runs.ask("run-0", fails=True), runs.ask("run-1"), return_exceptions=True)

    failed, made = asyncio.run(both())
    assert isinstance(failed, RuntimeError)
    assert made == "made by run-1"
    assert runs.worked == ["run-0", "run-1"]


def test_a_run_that_comes_back_takes_up_its_own_claim(runs):
    async def again():
        assert not await runs.claims.claim("abc", str(runs.path / "run-0"))
        return await runs.ask("run-0")

    assert asyncio.run(again()) == "made by run-0"


def test_a_run_that_is_over_holds_nothing_up(runs):
    async def story():
        assert not await runs.claims.claim("abc", "a run that died")
        waiting = asyncio.create_task(runs.ask("run-1"))
        await asyncio.sleep(0.01)
        assert runs.worked == []
        await runs.claims.release_all("a run that died")
        return await waiting

    assert asyncio.run(story()) == "made by run-1"


def test_what_was_stored_outlives_the_claims(runs):
    asyncio.run(runs.ask("run-0"))
    later = Runs(runs.path)
    assert asyncio.run(later.ask("run-1")) == "made by run-0"
    assert later.worked == []


@pytest.mark.parametrize("damaged", [b"", b"made by run-X", None])
def test_a_damaged_entry_is_taken_by_nobody_and_made_again(runs, damaged):
    asyncio.run(runs.ask("run-0"))
    weights = runs.path / "shared" / "abc" / "output" / "weights"
    weights.unlink() if damaged is None else weights.write_bytes(damaged)
    assert asyncio.run(runs.ask("run-1")) == "made by run-1"
    assert asyncio.run(runs.ask("run-2")) == "made by run-1"
    assert runs.worked == ["run-0", "run-1"]


def test_parts_do_not_run_into_each_other():
    assert content_hash("ab", "c") != content_hash("a", "bc")
    assert content_hash("a", None) != content_hash("a")


def test_lines_count_as_one_text_however_they_are_quoted():
    lines = ['{"it": "isn\'t"}\n', '{"a": "\\"b\\" \\\\ \\u00e9 é"}\n', '{"b": 1}\n']
    for some in (lines, lines[1:], lines[2:], []):
        assert content_hash("seed", iter(some), None) == content_hash("seed", "".join(some), None)


def test_a_model_that_was_trained_again_in_the_same_folder_is_another_one(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    before = model_files(str(tmp_path))
    assert before == model_files(str(tmp_path))
    weights.write_bytes(b"other")
    assert model_files(str(tmp_path)) != before
    assert model_files("meta-llama/Llama-3.2-1B-Instruct") == []
