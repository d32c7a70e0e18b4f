"""Every kind of file that a run has, damaged in every way: named in one line, and never used."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import typer
from builders import chat_request, room_for
from stub_workers import StubWorkers

from jobs.command import command
from jobs.evaluate import evaluate
from jobs.local import runner
from jobs.local.run_folder import cache_file, lay_out
from jobs.report import report
from jobs.resume import resume
from jobs.show import show
from jobs.status import status
from pada_ray.config import check_config
from pada_ray.data.splits import read_data
from pada_ray.errors import ConfigError, DamagedFile, StorageError
from pada_ray.llm.account import Account
from pada_ray.llm.chat import ChatReply, Completion, Usage
from pada_ray.llm.database import open_database
from pada_ray.llm.reply_cache import ReplyCache
from pada_ray.llm.stored_rows import check_replies, drop_damaged
from pada_ray.orchestrator import Orchestrator
from pada_ray.records import Analysis, Sample
from pada_ray.runs import run_files
from pada_ray.runs.checksums import StoredFile
from pada_ray.runs.event_log import read_events
from pada_ray.runs.rewind import rewind
from pada_ray.runs.run_folder import RunFolder, check_adapter, check_run
from pada_ray.runs.stages import StageKeeper
from pada_ray.runs.state import FILE, RunState, read_state
from pada_ray.storage import Folder
from pada_ray.student.checkpoints import OwnCheckpoints

ENDPOINT = {"base_url": "offline", "model": "a"}
RAW = {
    "name": "demo",
    "iterations": 1,
    "data": {"demo": {}, "regime": 20, "eval_samples": 8},
    "pattern_analysis": {"embedding": "tfidf"},
    "llm": {"teacher": ENDPOINT, "judge": ENDPOINT},
}
WEIGHTS = bytes(range(256)) * 40
MADE = {
    "data/train.jsonl": "start",
    "data/val.jsonl": "start",
    "data/test.jsonl": "start",
    "base/predictions.jsonl": "base: evaluation",
    "iteration-0/training_set.jsonl": "iteration-0: fine-tuning",
    "iteration-0/adapter/adapter_model.safetensors": "iteration-0: fine-tuning",
    "iteration-0/adapter/adapter_config.json": "iteration-0: fine-tuning",
    "iteration-0/adapter/fine_tune.yaml": "iteration-0: fine-tuning",
    "iteration-0/predictions.jsonl": "iteration-0: evaluation",
    "iteration-1/analyses.jsonl": "iteration-1: error analysis",
    "iteration-1/clusters.yaml": "iteration-1: clustering",
    "iteration-1/patterns.yaml": "iteration-1: pattern categorization",
    "iteration-1/strategies.yaml": "iteration-1: strategy drafting",
    "iteration-1/leaks.jsonl": "iteration-1: strategy drafting",
    "iteration-1/accepted.jsonl": "iteration-1: data generation",
    "iteration-1/rejected.jsonl": "iteration-1: data generation",
    "iteration-1/quotas.yaml": "iteration-1: data generation",
    "iteration-1/training_set.jsonl": "iteration-1: fine-tuning",
    "iteration-1/predictions.jsonl": "iteration-1: evaluation",
    "iteration-2/analyses.jsonl": "iteration-2: error analysis",
}
DAMAGES = {
    "truncated": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "flipped": lambda data: data[: len(data) // 3] + bytes([data[len(data) // 3] ^ 1]) + data[len(data) // 3 + 1 :],
    "longer": lambda data: data + b"\n",
    "deleted": None,
}


class Workers(StubWorkers):
    """Whose adapters have weights, whose patterns quote val, and whose judge turns down every third candidate, so that
    no file is empty."""

    def __init__(self, run, **options):
        super().__init__(**options)
        quoted = Folder(str(run)).read_records("data/val.jsonl", Sample)[0].question
        self.error_pattern = f"The sums go wrong. As when {quoted}"

    async def write(self, batch):
        written = await super().write(batch)
        return [c.model_copy(update={"rejected": "low score"}) if i % 3 == 0 else c for i, c in enumerate(written)]

    async def fine_tune(self, job):
        report = await super().fine_tune(job)
        Folder(job.run).write_bytes(f"{job.adapter}/adapter_model.safetensors", WEIGHTS)
        Folder(job.run).write_text(f"{job.adapter}/adapter_config.json", '{"r": 32}')
        return report

    def fails(self, sample, position, model):
        return position % 2 == 0


class OtherWorkers(Workers):
    """Who do all differently, as LLMs would that are asked again, and read the training set as a worker does."""

    def __init__(self, run):
        super().__init__(run)
        self.error_pattern += " Again."

    async def error_analysis(self, failures):
        return [a.model_copy(update={"error_cause": "d"}) for a in await super().error_analysis(failures)]

    async def cluster(self, analyses):
        return [1 - label for label in await super().cluster(analyses)]

    async def strategy_drafting(self, patterns):
        drafted = await super().strategy_drafting(patterns)
        return [s.model_copy(update={"generation_approach": "Write of ships."}) for s in drafted]

    async def write(self, batch):
        written = await super().write(batch)
        return [c.model_copy(update={"sample": c.sample.model_copy(update={"meta": {"of": "ships"}})}) for c in written]

    async def fine_tune(self, job):
        RunFolder(job.run).read_records(job.training_set, Sample)
        return await super().fine_tune(job)


def go_on(run, workers=None):
    config = check_config(RAW, "test")
    return asyncio.run(Orchestrator(config, str(run), (workers or Workers(run)).workers()).run())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "demo"
    config = check_config(RAW, "test")
    lay_out(config, read_data(config), Folder(str(run)))
    go_on(run)
    return run


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "demo")


def damage(file, how):
    if DAMAGES[how] is None:
        file.unlink()
        return
    data = file.read_bytes()
    file.write_bytes(DAMAGES[how](data))
    assert data != file.read_bytes()


def told(function, capsys, *args, **options):
    """The one line that a command ends with."""
    with pytest.raises(typer.Exit) as end:
        command(function)(*args, **options)
    said = capsys.readouterr().err
    assert end.value.exit_code == 2
    assert said.startswith("error: ") and said.count("\n") == 1 and "Traceback" not in said
    return said


def content(run):
    kept = {p.relative_to(run): p.read_bytes() for p in run.rglob("*") if p.is_file()}
    return {str(path): data for path, data in kept.items() if path.name not in (FILE, "events.jsonl")}


@pytest.fixture(autouse=True)
def nothing_goes_on(monkeypatch):
    def went_on(configs):
        raise AssertionError("the run went on")

    monkeypatch.setattr(runner, "offline_teachers", went_on)


def stages_of(run):
    """The stage that wrote each file, by the run's state."""
    return {path: file.stage for path, file in read_state(Folder(str(run))).files.items()}


def test_every_file_of_a_run_has_a_checksum(finished):
    files = stages_of(finished)
    assert MADE.items() <= files.items()
    without = {str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file()} - files.keys()
    assert without == {FILE, "config.yaml", "events.jsonl"}  # which have their own


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", MADE)
def test_a_damaged_file_is_named_by_every_reader(run, file, how, capsys):
    damage(run / file, how)
    stage = MADE[file]
    way_out = "restore it" if stage == "start" else f"`pada resume {run} --from '{stage}'` makes it again"
    for reader in (resume, show, report):
        said = told(reader, capsys, str(run))
        assert f"{run / file}: damaged: " in said and way_out in said
    assert not (run / "report").exists()


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_state_is_named_by_every_reader(run, how, capsys):
    damage(run / FILE, how)
    for reader in (resume, show, report, status):
        said = told(reader, capsys, str(run))
        assert f"{run / FILE}: damaged: " in said and f"`pada resume {run} --from start`" in said


@pytest.mark.parametrize("how", ["truncated", "flipped", "longer"])
def test_a_damaged_config_is_named_by_every_reader(run, how, capsys):
    damage(run / "config.yaml", how)
    for reader in (resume, show, report, status):
        assert f"{run / 'config.yaml'}: damaged: its content is not what was written" in told(reader, capsys, str(run))


@pytest.mark.parametrize("how", ["emptied", "deleted"])
def test_a_config_that_is_gone(run, how, capsys):
    damage(run / "config.yaml", how)
    for reader in (resume, show, report, status):
        assert "config.yaml" in told(reader, capsys, str(run))


@pytest.mark.parametrize("place", range(0, 2000, 41))
def test_no_flipped_bit_of_a_state_goes_unnoticed(run, place):
    data = bytearray((run / FILE).read_bytes())
    data[place % len(data)] ^= 1 << place % 7
    (run / FILE).write_bytes(data)
    with pytest.raises(DamagedFile, match="damaged"):
        read_state(Folder(str(run)))


def test_a_damaged_log_is_named_and_can_be_removed(run, capsys):
    log = run / "events.jsonl"
    for how in ("truncated", "flipped"):
        before = log.read_bytes()
        damage(log, how)
        assert "remove the file: the log begins anew" in told(show, capsys, str(run))
        log.write_bytes(before)
    log.unlink()
    assert go_on(run).status == "done"
    assert read_events(Folder(str(run)))[0].event == "run resumed"


def test_an_evaluation_takes_no_damaged_adapter_and_no_damaged_data(run, capsys, tmp_path):
    adapter = "iteration-0/adapter"
    check_adapter(str(run / adapter))
    damage(run / adapter / "adapter_model.safetensors", "flipped")
    with pytest.raises(DamagedFile, match="--from 'iteration-0: fine-tuning'"):
        check_adapter(str(run / adapter))
    with pytest.raises(DamagedFile), RunFolder(str(run)).local_copy(adapter):
        pass
    damage(run / "data" / "test.jsonl", "flipped")
    assert "data/test.jsonl: damaged: " in told(evaluate, capsys, str(run))


def test_a_worker_in_another_process_reads_no_damaged_file(run):
    damage(run / run_files.training_set(0), "flipped")
    with pytest.raises(DamagedFile, match="its content is not what was written"):
        RunFolder(str(run)).read_bytes(run_files.training_set(0))


def test_a_file_that_changes_while_the_run_goes_on_is_not_read_back(run):
    damage(run / run_files.predictions("iteration-0"), "flipped")
    with pytest.raises(DamagedFile, match="--from 'iteration-0: evaluation'"):
        go_on(run)


@pytest.mark.parametrize("stage", sorted({stage for stage in MADE.values() if stage != "start"}))
def test_what_is_done_again_ends_as_it_was(run, stage):
    before, state = content(run), read_state(Folder(str(run)))
    file = next(path for path, made_by in MADE.items() if made_by == stage)
    damage(run / file, "truncated")
    undone = rewind(Folder(str(run)), stage)
    assert undone[0] == stage
    assert not (run / file).exists()
    workers = Workers(run)
    again = go_on(run, workers)
    assert content(run) == before
    assert (again.scores, again.counts, again.best) == (state.scores, state.counts, state.best)
    assert list(again.scores) == list(state.scores)
    assert again.files.keys() == state.files.keys()
    assert len(workers.asked) == len(undone)
    check_run(str(run))


LATER = list(dict.fromkeys(stage for stage in MADE.values() if stage.startswith("iteration-1: ")))
KILLED = [(later, earlier) for i, later in enumerate(LATER) for earlier in LATER[:i]]


def killed_in(stage, run, monkeypatch):
    """A run that is killed when `stage` has written all and is not marked as finished."""
    record = StageKeeper._record

    def dies(keeper, name, output):
        if name == stage:
            raise RuntimeError("killed")
        record(keeper, name, output)

    config = check_config(RAW, "test")
    lay_out(config, read_data(config), Folder(str(run)))
    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="killed"):
        patched.setattr(StageKeeper, "_record", dies)
        go_on(run)


@pytest.mark.parametrize(("stage", "back_to"), KILLED)
def test_what_a_killed_stage_has_left_is_no_other_stages(tmp_path, stage, back_to, monkeypatch):
    killed_in(stage, tmp_path, monkeypatch)
    rewind(Folder(str(tmp_path)), back_to)
    assert go_on(tmp_path, OtherWorkers(tmp_path)).status == "done"
    check_run(str(tmp_path))
    assert MADE.items() <= stages_of(tmp_path).items()


def test_the_training_set_of_another_course_is_gone_and_what_a_person_made_stays(tmp_path, monkeypatch):
    killed_in("iteration-1: fine-tuning", tmp_path, monkeypatch)
    for mine in ("review/iteration-1/strategies.yaml", "iteration-1/notes.txt"):
        Folder(str(tmp_path)).write_text(mine, "mine")
    rewind(Folder(str(tmp_path)), "iteration-1: data generation")
    assert not (tmp_path / run_files.training_set(1)).exists()
    assert (tmp_path / run_files.training_set(0)).exists()
    assert (tmp_path / "review/iteration-1/strategies.yaml").read_text() == "mine"
    assert (tmp_path / "iteration-1/notes.txt").read_text() == "mine"


def test_only_its_grading_needs_the_base_models_evaluation(run):
    assert rewind(Folder(str(run)), "base: evaluation") == ["base: evaluation"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_run_without_a_state_is_done_again_from_its_start(run, how):
    before = content(run)
    damage(run / FILE, how)
    rewind(Folder(str(run)), "start")
    assert not (run / "iteration-1").exists()
    assert go_on(run).status == "done"
    assert content(run) == before


def test_a_stage_that_the_run_has_not_finished(run):
    with pytest.raises(ConfigError, match=r"--from evaluation: .*; use start, 'base: evaluation', 'iteration-0: fine-"):
        rewind(Folder(str(run)), "evaluation")


def as_0_1_left_it(run):
    """Takes all checksums away."""
    old = read_state(Folder(str(run))).model_dump(exclude={"files", "checksum"})
    (run / FILE).write_text(json.dumps(old))
    config = run / "config.yaml"
    config.write_text(config.read_text().partition("\n")[2])
    events = [e.model_dump_json(exclude={"checksum"}) + "\n" for e in read_events(Folder(str(run)))]
    (run / "events.jsonl").write_text("".join(events))


def test_a_run_of_0_1_has_no_checksums_and_is_read_as_before(run, capsys):
    state = read_state(Folder(str(run)))
    as_0_1_left_it(run)
    check_run(str(run))
    show(str(run))
    assert go_on(run).status == "done"
    assert read_state(Folder(str(run))).files == state.files


@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize("stage", LATER)
def test_a_run_of_0_1_is_done_again_from_any_stage(run, stage, resumed):
    as_0_1_left_it(run)
    if resumed:
        go_on(run)
    undone = rewind(Folder(str(run)), stage)
    for file, made_by in MADE.items():
        assert (run / file).exists() is (made_by not in undone)
    assert go_on(run, OtherWorkers(run)).status == "done"
    check_run(str(run))
    assert MADE.items() <= stages_of(run).items()


@pytest.mark.parametrize("stage", LATER)
def test_a_run_of_0_1_that_was_killed_goes_on(tmp_path, stage, monkeypatch):
    killed_in(stage, tmp_path, monkeypatch)
    as_0_1_left_it(tmp_path)
    assert go_on(tmp_path, OtherWorkers(tmp_path)).status == "done"
    check_run(str(tmp_path))
    assert MADE.items() <= stages_of(tmp_path).items()


@pytest.mark.parametrize("text", ["{oops\n", '{"sample_id": 3}\n', "\udcff"])
def test_a_file_without_a_checksum_that_cannot_be_read_is_named_with_its_line(tmp_path, text):
    (tmp_path / "analyses.jsonl").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DamagedFile, match=rf"^{tmp_path}/analyses.jsonl:1: damaged: no Analysis: ") as e:
        Folder(str(tmp_path)).read_records("analyses.jsonl", Analysis)
    assert "\n" not in str(e.value)
    (tmp_path / "quotas.yaml").write_text("a: [")
    with pytest.raises(DamagedFile, match=rf"^{tmp_path}/quotas.yaml: damaged: not YAML"):
        Folder(str(tmp_path)).read_yaml("quotas.yaml")


def test_what_a_killed_writer_left_is_no_file_of_the_run(tmp_path):
    folder = Folder(str(tmp_path))
    folder.write_text("base/predictions.jsonl", "")
    folder.write_text("base/predictions.jsonl.0123.tmp", "half")
    assert folder.files("base") == ["base/predictions.jsonl"]
    assert folder.files("") == ["base/predictions.jsonl"]
    assert folder.files("nothing") == []


def test_a_stored_file_of_a_later_version_is_refused_in_one_line(run):
    state = json.loads((run / FILE).read_text())
    state["unknown"] = 1
    (run / FILE).write_text(json.dumps(state))
    with pytest.raises(DamagedFile, match="it cannot be read"):
        read_state(Folder(str(run)))
    assert RunState(name="a", files={"a": StoredFile(size=1, sha256="", stage="start")}).checksum == ""


# Replies: each row has its checksum


@pytest.fixture
def replies(run):
    file = cache_file(check_config(RAW, "test"), str(run))
    with closing(open_database(file)) as db:
        cache, account = ReplyCache(db), Account(db)
        for i in range(40):
            asked = chat_request(f"question {i}", purpose="error_analysis", seed=0)
            reply = ChatReply(text=f"reply {i} " * 20, cut_off=False)
            cache.put(f"key-{i}", asked, reply)
            account.pay(str(run), "teacher", asked, f"key-{i}", Completion(reply, 10, 20), None)
    state = read_state(Folder(str(run)))
    state.usage = [Usage(role="teacher", purpose="error_analysis", calls=40, prompt_tokens=400, completion_tokens=800)]
    Folder(str(run)).write_text(FILE, state.model_dump_json())
    return run / "replies.sqlite"


def test_whole_replies_are_whole(replies, run):
    check_replies(str(replies), str(run), 40)


@pytest.mark.parametrize("statement", ["UPDATE replies SET text = 'x'", "UPDATE paid_calls SET prompt_tokens = 0"])
def test_a_changed_row_is_named_and_dropped(replies, run, statement, capsys):
    with closing(sqlite3.connect(replies, isolation_level=None)) as db:
        db.execute(f"{statement} WHERE key = 'key-3'")
        said = told(resume, capsys, str(run))
        assert f"{replies}: damaged: a stored reply is not what was written; `pada resume {run} --from STAGE`" in said
        if "replies" in statement:
            with pytest.raises(DamagedFile, match="key-3"):
                ReplyCache(db).get("key-3")
    assert drop_damaged(str(replies)) == ("replies" in statement)
    check_replies(str(replies), str(run), 39)


@pytest.mark.parametrize("how", ["truncated", "emptied", "deleted"])
def test_replies_that_are_lost_are_named(replies, run, how, capsys):
    damage(replies, how)
    assert f"{replies}: damaged: " in told(resume, capsys, str(run))
    drop_damaged(str(replies))
    rewind(Folder(str(run)), "iteration-1: error analysis")
    check_replies(str(replies), str(run), 0)


@contextmanager
def not_to_be_opened(replies):
    """As on a disk that is read-only."""
    in_the_way = Path(f"{replies}-wal")
    in_the_way.mkdir()
    try:
        yield
    finally:
        in_the_way.rmdir()


@pytest.mark.parametrize("refused", ["disk I/O error; see whether its disk, or a quota", "unable to open database"])
def test_replies_that_the_system_does_not_let_be_read_are_not_called_damaged(replies, run, refused):
    before = replies.read_bytes()
    with room_for(1024) if "quota" in refused else not_to_be_opened(replies):
        with pytest.raises(StorageError, match=rf"^{replies}: {refused}") as e:
            check_replies(str(replies), str(run), 40)
        assert not isinstance(e.value, DamagedFile)
        with pytest.raises(StorageError, match=rf"^{replies}: {refused}"):
            drop_damaged(str(replies))
    assert replies.read_bytes() == before
    assert not list(run.glob("*.damaged"))
    check_replies(str(replies), str(run), 40)


def test_damaged_replies_that_cannot_be_put_aside_are_named(replies):
    damage(replies, "truncated")
    Path(f"{replies}.damaged").mkdir()
    with pytest.raises(StorageError, match=rf"^{replies}: Is a directory$"):
        drop_damaged(str(replies))


def test_a_flipped_bit_of_a_reply_is_never_used(replies, run):
    data = replies.read_bytes()
    place = data.index(b"reply 7 ")
    replies.write_bytes(data[:place] + b"R" + data[place + 1 :])
    with pytest.raises(DamagedFile):
        check_replies(str(replies), str(run), 40)
    with closing(open_database(str(replies))) as db, pytest.raises(DamagedFile):
        ReplyCache(db).get("key-7")


def test_replies_of_0_1_have_no_checksums(tmp_path):
    file = str(tmp_path / "replies.sqlite")
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("CREATE TABLE replies (key TEXT PRIMARY KEY, request TEXT, text TEXT, cut_off INTEGER)")
        db.execute("INSERT INTO replies VALUES ('old', 'request', 'reply', 0)")
    with closing(open_database(file)) as db:
        assert ReplyCache(db).get("old") == ChatReply(text="reply", cut_off=False)
        Account(db)
    check_replies(file, "run", 0)


# Checkpoints: a damaged one is left alone, and training begins anew


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", ["checkpoint-5/weights", "last.yaml"])
def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path, file, how):
    made = tmp_path / "output" / "checkpoint-5"
    made.mkdir(parents=True)
    (made / "weights").write_bytes(WEIGHTS)
    own = OwnCheckpoints(Folder(str(tmp_path / "run")), "training")
    own.keep(made, {"loss": 0.5})
    assert own.figures() == {"loss": 0.5}
    damage(tmp_path / "run" / "checkpoints" / "training" / file, how)
    with own.folder() as checkpoint:
        assert checkpoint is None or (file == "last.yaml" and how == "longer")
