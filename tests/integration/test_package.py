"""What travels with a job, by Ray's own rules."""

from pathlib import Path

import pytest
from builders import small_config as config

from jobs.remote import package as packages
from jobs.remote.job_files import check_files, inside
from jobs.remote.package import read_package
from pada_ray.errors import ConfigError, DataError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of one's own, which holds more than is to travel."""
    for name in ("mine.yaml", "model/config.json", "data/secret.key", "runs/demo/state.json", "runs-of-mine/a.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    for name in (".git/objects/a", ".venv/lib/a", "code/__pycache__/a.pyc"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a")
    (tmp_path / ".gitignore").write_text("*.key\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_runs_environments_histories_and_ignored_files_stay(folder):
    assert set(read_package().files) == {".gitignore", "mine.yaml", "model/config.json", "runs-of-mine/a.txt"}


def test_this_repository_is_small_enough():
    package = read_package(str(ROOT))
    assert "pada_ray/demo/student/model.safetensors" in package.files
    assert not [file for file in package.files if file.startswith((".git/", ".venv/", "runs/"))]


def test_above_the_limit_the_largest_are_named(folder, monkeypatch):
    monkeypatch.setattr(packages, "LIMIT", 5000)
    (folder / "large.bin").write_bytes(b"0" * 6000)
    with pytest.raises(ConfigError, match=r"0\.0 MB would travel .* the largest: large\.bin .* in \.rayignore"):
        read_package()
    (folder / ".rayignore").write_text("large.bin\n")
    assert read_package().size < 5000


def test_a_folder_that_was_never_meant_is_not_read_to_its_end(folder):
    with (folder / "disk.img").open("wb") as file:
        file.truncate(100 * packages.LIMIT)  # takes no room
    with pytest.raises(ConfigError, match="more than"):
        read_package()


def test_relative_files_travel_and_what_does_not_is_named(folder):
    package = read_package()
    check_files([config(student={"model": "model"})], package)
    check_files([config(student={"model": "/on/the/cluster"}), config(student={"model": "org/name"})], package)
    with pytest.raises(ConfigError, match=r"^student\.model: \./nowhere: no such file or folder"):
        check_files([config(student={"model": "./nowhere"})], package)
    with pytest.raises(ConfigError, match=r"^student\.model: runs/demo does not travel with the job"):
        check_files([config(student={"model": "runs/demo"})], package)
    with pytest.raises(ConfigError, match=r"^llm\.teacher\.model: \./nowhere: no such file or folder"):
        check_files([config(llm={"teacher": {"base_url": "vllm", "model": "./nowhere"}})], package)
    with pytest.raises(ConfigError, match=r"^data\.val: \.\./val\.jsonl: no such file"):
        check_files([config(data={"train": "mine.yaml", "val": "../val.jsonl"})], package)


def test_data_that_travels_is_checked_here_and_the_clusters_own_is_not(folder):
    (folder / "train.jsonl").write_text("{oops\n")
    package = read_package()
    with pytest.raises(DataError, match=r"train\.jsonl:1: not JSON"):
        check_files([config(data={"train": "train.jsonl", "val": "train.jsonl"})], package)
    check_files([config(data={"train": "s3://bucket/train.jsonl", "val": "/data/val.jsonl"})], package)


def test_a_config_is_named_as_the_job_sees_it(folder, tmp_path_factory):
    package = read_package()
    assert inside(str(folder / "mine.yaml"), package) == "mine.yaml"
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "other.yaml"
    elsewhere.write_text("{}")
    with pytest.raises(ConfigError, match=r"other\.yaml does not travel with the job"):
        inside(str(elsewhere), package)
