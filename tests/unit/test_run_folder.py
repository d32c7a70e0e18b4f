import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from builders import math_sample, small_config

from jobs.local.checks import check, check_backend, check_endpoints, check_student
from jobs.local.lock import locked
from jobs.local.run_folder import cache_file, change_config, lay_out, new_folder, prepare
from pada_ray.config import check_config, dump_config, put
from pada_ray.data.splits import read_data
from pada_ray.errors import ConfigError, StorageError
from pada_ray.runs.configs import named_models, read_config
from pada_ray.runs.sharing import clustering_content, fine_tuning_content
from pada_ray.runs.state import FILE as STATE
from pada_ray.runs.state import FinishedStage, RunState
from pada_ray.storage import Folder


@pytest.fixture
def run(tmp_path):
    return prepare(small_config(runs=str(tmp_path)))


def test_limits_may_change_on_resume(run):
    change_config(run, ["budget.tokens=5000", "llm.teacher.max_in_flight=2"])
    assert read_config(Folder(run)).budget.tokens == 5000
    assert read_config(Folder(run)).llm.teacher.max_in_flight == 2


@pytest.mark.parametrize("override", ["seed=1", "data.regime=30", "iterations=5"])
def test_a_run_keeps_its_own_settings_on_resume(run, override):
    before = read_config(Folder(run))
    with pytest.raises(ConfigError, match="only llm, budget, shared_disk, tracking, review and stop_if may change"):
        change_config(run, [override])
    assert read_config(Folder(run)) == before


VANILLA = ["base: evaluation", "iteration-0: fine-tuning", "iteration-0: evaluation"]
ANALYSIS = ["iteration-1: error analysis", "iteration-1: clustering", "iteration-1: pattern categorization"]


def at(run, stage, finished):
    done = {name: FinishedStage(output="x", seconds=1) for name in finished}
    Folder(run).write_text(STATE, RunState(name="a", stage=stage, finished=done).model_dump_json())


@pytest.mark.parametrize(
    ("stage", "finished", "kept"),
    [
        (None, [], []),
        ("base: evaluation", [], []),
        ("iteration-0: fine-tuning", VANILLA[:1], []),
        ("iteration-0: evaluation", VANILLA, []),
        ("iteration-1: error analysis", VANILLA, ["pattern_analysis"]),
        ("iteration-1: strategy drafting", [*VANILLA, *ANALYSIS], ["pattern_analysis"]),
        ("iteration-1: data generation", VANILLA, ["pattern_analysis", "data_generation", "quality_control"]),
        ("iteration-1: fine-tuning", [], ["pattern_analysis", "data_generation", "quality_control"]),
    ],
)
def test_settings_of_stages_to_come_may_change(run, stage, finished, kept):
    if stage is not None:
        at(run, stage, finished)
    for override in ("pattern_analysis.batch_size=3", "data_generation.ratio=0.3", "quality_control.threshold=5"):
        section = override.partition(".")[0]
        before = read_config(Folder(run))
        if section in kept:
            with pytest.raises(ConfigError, match=rf"^--set {override}: .* depends on {section}, has begun"):
                change_config(run, [override])
            assert read_config(Folder(run)) == before
        else:
            change_config(run, [override])
            assert read_config(Folder(run)) != before


def test_a_change_that_would_add_no_samples_is_refused(run):
    with pytest.raises(ConfigError, match=r"data_generation\.ratio: 0\.001 x 20 training samples rounds to 0"):
        change_config(run, ["data_generation.ratio=0.001"])


def test_a_wrong_limit_is_named_and_nothing_is_changed(run):
    before = read_config(Folder(run))
    with pytest.raises(ConfigError, match=r"budget\.tokens: "):
        change_config(run, ["budget.tokens=many"])
    assert read_config(Folder(run)) == before


def test_a_part_of_val_is_held_apart_from_the_agents():
    data = {"demo": {}, "regime": 20, "eval_samples": 20}
    whole = read_data(small_config(data=data))
    parts = read_data(small_config(data=data | {"val_apart": 0.25}))
    ids = {split: {s.id for s in members} for split, members in parts.items()}
    assert len(parts["val_apart"]) == 5
    assert not ids["val"] & ids["val_apart"]
    assert ids["val"] | ids["val_apart"] == {s.id for s in whole["val"]}
    assert parts["test"] == whole["test"]
    with pytest.raises(ConfigError, match=r"data\.val_apart: 0\.01 of 20 val samples leaves one part empty"):
        read_data(small_config(data=data | {"val_apart": 0.01}))


OFFLINE = {"base_url": "offline", "model": "a"}
EXAMPLES = str(Path(__file__).resolve().parents[2] / "examples/data")
BANKING = {"dataset": "banking77", "folder": EXAMPLES, "regime": 20, "eval_samples": 10}


@pytest.mark.parametrize("role", ["teacher", "judge"])
def test_what_endpoints_need_is_asked_for_first(role, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for need, told in [
        ({"base_url": "vllm"}, "base_url: vLLM is not installed here; pip install"),
        ({"api_key_env": "NOT_SET"}, "api_key_env: the environment variable NOT_SET is not set"),
    ]:
        llm = {"teacher": OFFLINE, "judge": OFFLINE, role: OFFLINE | need}
        with pytest.raises(ConfigError, match=rf"llm\.{role}\.{told}"):
            check_endpoints(small_config(llm=llm), ["teacher", "judge"])


def test_a_backend_of_evaluation_that_cannot_be(monkeypatch):
    config = small_config(runs="memory://runs", evaluation={"backend": "vllm"})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"evaluation\.backend: vLLM is not installed here; pip install"):
        check_backend(config)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(ConfigError, match=r"evaluation\.backend: vllm reads adapters from a disk"):
        check_backend(config)
    check_backend(config.model_copy(update={"runs": "runs"}))


def test_a_question_that_val_has_twice_is_on_one_side_of_the_part_held_apart(tmp_path):
    files = {"train": [math_sample("t", question="What is 1?")]}
    files["val"] = [math_sample(f"v{i}", question=f"What is {i // 2}, then?") for i in range(20)]
    for split, members in files.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(s.model_dump_json() + "\n" for s in members))
    data = {split: str(tmp_path / f"{split}.jsonl") for split in files} | {"val_apart": 0.25}
    parts = read_data(small_config(data=data))
    asked = {split: {s.question for s in parts[split]} for split in ("val", "val_apart")}
    assert not asked["val"] & asked["val_apart"]
    assert (len(parts["val"]), len(parts["val_apart"])) == (14, 6)


def test_so_few_training_samples_that_none_is_added_are_refused(tmp_path):
    data = {"demo": {}, "regime": 4, "eval_samples": 5}
    with pytest.raises(ConfigError, match=r"data_generation\.ratio: 0\.1 x 4 training samples rounds to 0 new samples"):
        prepare(small_config(runs=str(tmp_path), data=data, data_generation={"ratio": 0.1}))
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_of_labels_needs_samples_that_have_some(run):
    control = {"verify": "classifier"}
    config = small_config(quality_control=control)
    told = r"^quality_control\.verify: a classifier tells labels .* take agreement"
    with pytest.raises(ConfigError, match=told):
        check(config, read_data(config))
    with pytest.raises(ConfigError, match=told):
        change_config(run, ["quality_control.verify=classifier"])
    labelled = small_config(data=BANKING, quality_control=control)
    check(labelled, read_data(labelled))


def test_a_run_that_has_begun_keeps_its_data_and_prompts(run, tmp_path):
    config, samples, folder = read_config(Folder(run)), read_data(read_config(Folder(run))), Folder(run)
    fewer = samples | {"val": samples["val"][1:]}
    assert lay_out(config, fewer, folder) == run  # nothing is done with them yet
    lay_out(config, samples, folder)
    folder.write_text("state.json", "{}")
    lay_out(config, samples, folder)
    with pytest.raises(ConfigError, match=rf"^{run}/data/val.jsonl: the run started with different content"):
        lay_out(config, fewer, folder)
    (tmp_path / "grading.jinja").write_text("{{ replies }}")
    own = config.model_copy(update={"prompts": str(tmp_path)})
    with pytest.raises(ConfigError, match=rf"^{run}/prompts/grading.jinja: the run started with different content"):
        lay_out(own, samples, folder)
    assert len(folder.read_text("data/val.jsonl").splitlines()) == 5


def test_a_run_at_work_keeps_its_files(run):
    config, samples = read_config(Folder(run)), read_data(read_config(Folder(run)))
    with locked([run]):
        with pytest.raises(ConfigError, match="another process is at work on this run"):
            change_config(run, ["budget.tokens=5000"])
        with pytest.raises(ConfigError, match="another process is at work on this run"):
            lay_out(config, samples | {"val": []}, Folder(run))
    assert read_config(Folder(run)) == config
    assert len(Folder(run).read_text("data/val.jsonl").splitlines()) == 5


def test_a_student_without_room_for_a_prompt_is_told(run):
    config = read_config(Folder(run))
    close = config.student.model_copy(update={"model": "demo", "max_length": 512})
    with pytest.raises(ConfigError, match=r"^student.max_length: 512 tokens .* a reply may take 512 of them; raise it"):
        check_student(config.model_copy(update={"student": close}), read_data(config))
    short = config.evaluation.model_copy(update={"max_new_tokens": 511})
    check_student(config.model_copy(update={"student": close, "evaluation": short}), read_data(config))


def elsewhere(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


def test_replies_and_shared_stages_are_found_from_wherever_a_run_is_resumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    llm = small_config().llm.model_dump() | {"cache": "replies"}
    run = prepare(small_config(llm=llm, shared_stages="shared"))
    elsewhere(tmp_path, monkeypatch)
    found = read_config(Folder(run))
    assert cache_file(found, run) == f"{tmp_path}/replies/replies.sqlite"
    assert (found.llm.cache, found.shared_stages) == (f"{tmp_path}/replies", f"{tmp_path}/shared")
    change_config(run, ["llm.cache=later"])
    assert read_config(Folder(run)).llm.cache == f"{tmp_path}/elsewhere/later"


@pytest.mark.parametrize("place", ["s3://bucket/replies", "memory://replies"])
def test_urls_stay_as_they_are(tmp_path, place):
    config = small_config(runs=str(tmp_path), shared_stages=place)
    assert read_config(Folder(lay_out(config, read_data(config), Folder(f"{tmp_path}/run")))).shared_stages == place


def test_under_a_ray_job_paths_stay_relative(tmp_path, monkeypatch):
    """They count from the home folder there, which `lasting` knows."""
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    config = small_config(
        runs=str(tmp_path), shared_stages="shared", llm=small_config().llm.model_dump() | {"cache": "r"}
    )
    found = read_config(Folder(lay_out(config, read_data(config), Folder(f"{tmp_path}/run"))))
    assert (found.llm.cache, found.shared_stages) == ("r", "shared")
    assert cache_file(found, "run") == str(Path.home() / "r" / "replies.sqlite")


def test_a_config_of_0_1_keeps_a_place_that_does_not_count_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = small_config(llm=small_config().llm.model_dump() | {"cache": "replies"})
    run = prepare(config)
    Folder(run).write_text("config.yaml", dump_config(config))
    elsewhere(tmp_path, monkeypatch)
    change_config(run, ["budget.tokens=5000"])
    assert read_config(Folder(run)).llm.cache == "replies"


def test_a_relative_place_of_shared_stages_makes_no_other_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = prepare(small_config(shared_stages="shared"))
    at(run, "iteration-1: error analysis", VANILLA)
    with pytest.raises(ConfigError, match=r"`pada resume .*` goes on"):
        prepare(small_config(shared_stages="shared"))


MODELS = ("student.model", "pattern_analysis.embedding", "llm.teacher.model", "llm.judge.model")


def naming(model, **sections):
    """A config in which each key that may name a folder names `model`."""
    raw = small_config(**sections).model_dump(mode="json")
    for role in ("teacher", "judge"):
        put(raw, f"llm.{role}.base_url", "vllm", "test")
    for key in MODELS:
        put(raw, key, model, "test")
    return check_config(raw, "test")


def laid_out(config, tmp_path):
    """The config as a run keeps it."""
    return read_config(Folder(lay_out(config, read_data(config), Folder(f"{tmp_path}/run"))))


@pytest.fixture
def models(tmp_path, monkeypatch):
    """The current folder, with a model in it."""
    (tmp_path / "models" / "m").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("given", ["models/m", "./models/m", "models/m/", "models/../models/m"])
def test_models_are_found_from_wherever_a_run_is_resumed(models, given):
    assert named_models(laid_out(naming(given), models)) == dict.fromkeys(MODELS, f"{models}/models/m")


@pytest.mark.parametrize("given", ["org/name", "name", "models/other", "./nowhere", "~/models/m", "~nobody-here/m"])
def test_what_is_no_folder_here_keeps_its_name_and_the_hash_of_its_stages(models, monkeypatch, given):
    monkeypatch.setenv("HOME", str(models))
    config = naming(given)
    kept = laid_out(config, models)
    assert named_models(kept) == dict.fromkeys(MODELS, given)
    assert fine_tuning_content(kept, []) == fine_tuning_content(config, [])
    assert clustering_content(kept, []) == clustering_content(config, [])


def test_an_absolute_path_keeps_the_hash_of_its_stages(models):
    (models / "models" / "m" / "config.json").write_text("{}")
    config = naming(f"{models}/models/m")
    assert fine_tuning_content(laid_out(config, models), []) == fine_tuning_content(config, [])


def test_no_folder_replaces_what_comes_with_the_packages_or_what_a_server_calls_its_model(models):
    for name in ("demo", "tfidf", "a"):
        (models / name).mkdir()
    kept = laid_out(small_config(), models)
    assert (kept.student.model, kept.pattern_analysis.embedding, kept.llm.teacher.model) == ("demo", "tfidf", "a")


def test_under_a_ray_job_models_stay_relative(models, monkeypatch):
    """They count from the job's working folder, which lies elsewhere on each node."""
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert named_models(laid_out(naming("models/m"), models)) == dict.fromkeys(MODELS, "models/m")


def test_a_model_that_is_set_on_resume_counts_from_there_and_the_others_stay(models, monkeypatch):
    run = Folder(f"{models}/run")
    laid_out(naming("models/m"), models)
    run.write_text("config.yaml", dump_config(naming("models/m")))  # as an older version laid it out
    change_config(run.url, ["budget.tokens=5000"])
    assert named_models(read_config(run)) == dict.fromkeys(MODELS, "models/m")
    elsewhere(models, monkeypatch)
    (models / "elsewhere" / "new").mkdir()
    changed = {"pattern_analysis.embedding", "llm.judge.model"}
    change_config(run.url, [f"{key}=new" for key in changed])
    assert named_models(read_config(run)) == {
        key: f"{models}/elsewhere/new" if key in changed else "models/m" for key in MODELS
    }


@pytest.mark.parametrize("older", [False, True])
def test_a_relative_path_of_a_model_makes_no_other_run(models, older):
    config = naming("models/m", runs=str(models / "runs"))
    run = lay_out(config, read_data(config), new_folder(config))
    if older:
        Folder(run).write_text("config.yaml", dump_config(config))
    at(run, "iteration-1: error analysis", VANILLA)
    with pytest.raises(ConfigError, match=r"`pada resume .*` goes on"):
        prepare(config)


def test_commands_at_once_get_folders_of_their_own(tmp_path):
    config = small_config(runs=str(tmp_path / "runs"))
    with ThreadPoolExecutor(8) as pool:
        folders = [folder.url for folder in pool.map(lambda _: new_folder(config), range(8))]
    assert len(set(folders)) == 8
    assert {Path(folder).name for folder in folders} == {"pada", *(f"pada-{i}" for i in range(2, 9))}


def test_where_no_folder_can_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file: "):
        new_folder(small_config(runs=f"{tmp_path}/file"))
    with pytest.raises(StorageError, match="/proc/runs: "):
        new_folder(small_config(runs="/proc/runs"))


@pytest.mark.parametrize("runs", ["runs", "memory://runs-of-test"])
def test_a_free_name_is_found(tmp_path, monkeypatch, runs):
    monkeypatch.chdir(tmp_path)
    config = small_config(runs=runs)
    for name in ("pada", "pada-2"):
        folder = new_folder(config)
        assert folder.url.endswith(f"/{name}")
        folder.write_text("config.yaml", "")
