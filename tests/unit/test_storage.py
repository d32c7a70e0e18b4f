import errno
import logging
import os
from pathlib import Path

import fsspec
import pytest
from builders import math_sample
from moto.server import ThreadedMotoServer

from pada_ray import storage
from pada_ray.errors import ConfigError, DiskFull, StorageError
from pada_ray.records import Sample
from pada_ray.storage import Folder, telling_a_full_disk


@pytest.fixture(scope="module")
def s3():
    """The bucket `pada` on a server that speaks S3's protocol, as this process's environment gives it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setattr(logging.getLogger("werkzeug"), "disabled", True)  # it tells of every request
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "a-key")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        store = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
        store.mkdir("pada")
        yield store
        type(store).clear_instance_cache()  # the next server has another port
    server.stop()


@pytest.fixture(params=["local", "memory", "s3"])
def folder(request, tmp_path):
    urls = {
        "local": str(tmp_path / "run"),
        "memory": f"memory://{tmp_path.name}/run",
        "s3": f"s3://pada/{tmp_path.name}/run",
    }
    if request.param == "s3":
        request.getfixturevalue("s3")
    found = Folder(urls[request.param])
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


def test_a_disk_that_refuses_is_told_and_keeps_no_half_of_a_file(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("")
    with pytest.raises(StorageError, match=rf"^{tmp_path}/a/b: File exists$"):
        Folder(str(tmp_path)).write_text("a/b", "text")

    def full(self, data):
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match=rf"^{tmp_path}/c: No space left on device: .* MB are free"):
        Folder(str(tmp_path)).write_text("c", "text")
    assert Folder(str(tmp_path)).names() == ["a"]


@pytest.mark.parametrize(
    ("e", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), r"/run: No space left on device: [\d,.]+ MB are free on"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x"), "/tmp/x: No space left on device: .* MB are free"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/run/y"), "/run/y: Disk quota exceeded: a quota is used up"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "/run: Disk quota exceeded: a quota is used up; make room"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG), 3), "/run: File too large: files may not be as large"),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/var/tmp']"),
            r"/run: No usable temporary directory found in \['/tmp', '/var/tmp'\]: none of them has room",
        ),
        (
            RuntimeError("SafetensorError: No space left on device (os error 28)"),
            "/run: No space left on device: .* MB",
        ),
    ],
)
def test_what_is_full_is_what_the_error_names(e, said):
    with pytest.raises(DiskFull, match=f"^{said}"), telling_a_full_disk("/run"):
        raise e


def test_an_error_that_names_no_file_is_told_of_the_fullest_disk(monkeypatch):
    monkeypatch.setattr(storage, "free_bytes", lambda path: {"/tmp/output": 9_000_000, "/run": 500_000}[path])
    for folders in (("/tmp/output", "/run"), ("/run", "/tmp/output", "memory://run")):
        with pytest.raises(DiskFull, match=r"^/run: No space left on device: 0\.5 MB"), telling_a_full_disk(*folders):
            raise RuntimeError("No space left on device")


def test_a_quota_is_told_with_the_file_and_not_with_the_one_that_it_is_written_through(tmp_path, monkeypatch):
    def refused(self, data):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), str(self))

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(DiskFull, match=rf"^{tmp_path}/c: Disk quota exceeded: a quota is used up; make room"):
        Folder(str(tmp_path)).write_text("c", "text")


def test_a_copy_goes_from_any_store_to_any(folder, tmp_path):
    folder.write_text("adapter/one.txt", "1")
    folder.write_text("adapter/deep/two.txt", "2")
    folder.write_text("adapter-2/other.txt", "other")
    folder.copy_to("adapter", folder, "again")
    assert Folder(folder.at("again")).names() == ["deep", "one.txt"]
    here = Folder(str(tmp_path / "here"))
    folder.copy_to("adapter", here, "adapter")
    assert here.read_text("adapter/deep/two.txt") == "2"
    here.copy_to("adapter", folder, "third")
    assert folder.read_text("third/one.txt") == "1"
    folder.remove("adapter")
    assert folder.names() == ["adapter-2", "again", "third"]


def test_what_another_process_writes_is_seen_at_once(folder):
    """A second file system, as in another process, writes beside one that has listed the folder."""
    folder.write_text("a.txt", "1")
    folder.write_text("deep/b.txt", "2")
    assert folder.names() == ["a.txt", "deep"]
    other, path = fsspec.url_to_fs(folder.at("c.txt"), skip_instance_cache=True)
    assert not folder.exists("c.txt")
    other.pipe_file(path, b"from elsewhere")
    assert folder.exists("c.txt")
    assert folder.names() == ["a.txt", "c.txt", "deep"]
    assert folder.modified("c.txt") > 0


def test_a_missing_file_is_named(folder):
    with pytest.raises(OSError, match=r"run/nothing\.yaml"):
        folder.read_text("nothing.yaml")


def test_ray_gets_the_same_store(folder):
    path, file_system = folder.for_arrow("checkpoints")
    if folder.is_local:
        assert (path, file_system) == (folder.at("checkpoints"), None)
        return
    file_system.create_dir(path)
    with file_system.open_output_stream(f"{path}/weights") as file:
        file.write(b"123")
    assert folder.read_bytes("checkpoints/weights") == b"123"


def test_a_bucket_that_is_not_there_is_told_and_not_made(s3):
    folder = Folder("s3://no-such-bucket/runs")
    assert folder.names() == []
    with pytest.raises(StorageError, match=r"s3://no-such-bucket/runs/a\.txt: no such file, or no such bucket"):
        folder.write_text("a.txt", "1")
    assert not s3.exists("no-such-bucket")


def test_the_mark_of_an_empty_folder_is_no_file(s3):
    s3.pipe_file("pada/marked/", b"")
    folder = Folder("s3://pada/marked")
    folder.write_text("a.txt", "1")
    assert folder.names() == ["a.txt"]


def test_a_store_that_is_not_there(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    type(s3).clear_instance_cache()
    try:
        with pytest.raises(StorageError, match=r"s3://pada/runs: .*check that the store exists") as told:
            Folder("s3://pada/runs").names()
        assert "a-secret" not in str(told.value)
    finally:
        type(s3).clear_instance_cache()


def test_urls_that_cannot_be_used():
    with pytest.raises(ConfigError, match=r"pip install 'pada-ray\[gcs\]'"):
        Folder("gs://bucket/runs")
    with pytest.raises(ConfigError, match="Protocol not known: nope"):
        Folder("nope://bucket/runs")
    with pytest.raises(ConfigError, match="password") as told:
        Folder("ftp://me:s3cr3t@host/runs")
    assert "s3cr3t" not in str(told.value)
