from contextlib import closing

import pytest
from builders import small_config as config

from jobs.local.run_folder import cache_copy, cache_file, change_config, prepare
from jobs.local.shared_disk import refuse_local_paths
from pada_ray.errors import ConfigError
from pada_ray.llm.account import Account, Cost
from pada_ray.llm.chat import ChatReply, ChatRequest, Completion
from pada_ray.llm.database import open_database
from pada_ray.llm.reply_cache import ReplyCache
from pada_ray.resources import explain_nodes
from pada_ray.runs.configs import read_config
from pada_ray.storage import Folder

WHY = "the cluster has 3 nodes"


def node(alive=True, **labels):
    return {"Alive": alive, "Labels": labels}


def test_one_node_of_ones_own_is_no_cluster():
    made_up = b'{"autoscaler_report": {"active_nodes": {"node_f00": 1}}}'
    for autoscaling in (None, b"", b"{}", b'{"autoscaler_report": null}', made_up):
        assert explain_nodes([node(), node(alive=False)], autoscaling) is None


def test_several_nodes_or_an_autoscaler_are():
    assert explain_nodes([node(), node()], None) == "the cluster has 2 nodes"
    grows = "the cluster may add nodes by its autoscaler"
    assert explain_nodes([node()], '{"autoscaler_report": {"active_nodes": {"ray.head.default": 1}}}') == grows
    assert explain_nodes([node(**{"ray.io/node-group": "head"})], None) == grows


def test_a_local_folder_is_refused_with_the_reason(tmp_path):
    with pytest.raises(ConfigError, match=r"runs: .*/demo is on this machine's disk, and the cluster has 3 nodes; set"):
        refuse_local_paths({str(tmp_path / "demo"): config()}, WHY)
    with pytest.raises(ConfigError, match="shared_stages: "):
        refuse_local_paths({"memory://runs/demo": config(shared_stages=str(tmp_path))}, WHY)


def test_a_url_or_a_disk_that_all_share_is_taken(tmp_path):
    refuse_local_paths({"memory://runs/demo": config(), str(tmp_path): config(shared_disk=True)}, WHY)


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("student.model", {"student": {"model": "."}}),
        ("pattern_analysis.embedding", {"pattern_analysis": {"embedding": "."}}),
        ("llm.teacher.model", {"llm": {"teacher": {"base_url": "vllm", "model": "."}}}),
    ],
)
def test_a_model_on_the_drivers_disk_is_refused(key, section, monkeypatch):
    with pytest.raises(ConfigError, match=f"{key}: .*give a model of a hub"):
        refuse_local_paths({"memory://runs/demo": config(**section)}, WHY)
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")  # then a relative path goes with the job to every node
    refuse_local_paths({"memory://runs/demo": config(**section)}, WHY)


def test_what_comes_with_the_packages_is_on_every_node(tmp_path, monkeypatch):
    for name in ("demo", "tfidf"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    refuse_local_paths({"memory://runs/demo": config()}, WHY)


def test_replies_lie_beside_a_local_run(tmp_path):
    assert cache_file(config(), str(tmp_path)) == str(tmp_path / "replies.sqlite")
    assert cache_copy(config(), str(tmp_path)) is None
    shared = config(llm=config().llm.model_dump() | {"cache": str(tmp_path / "all")})
    assert cache_file(shared, "memory://runs/demo") == str(tmp_path / "all" / "replies.sqlite")
    assert cache_copy(shared, "memory://runs/demo") is None


@pytest.mark.parametrize(("run", "shared_disk"), [("memory://runs/demo", False), ("/mnt/runs/demo", True)])
def test_elsewhere_they_lie_on_this_machine_and_are_copied(run, shared_disk, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = config(shared_disk=shared_disk)
    assert cache_file(settings, run).startswith(f"{tmp_path}/.cache/pada-ray/")
    assert cache_copy(settings, run) == f"{run}/replies"
    of_a_sweep = config(llm=settings.llm.model_dump() | {"cache": "memory://runs/sweep"})
    assert cache_copy(of_a_sweep, run) == "memory://runs/sweep/replies"
    assert cache_file(of_a_sweep, run) != cache_file(settings, run)
    assert len({cache_file(settings, f"{run}{end}") for end in ("_a/b", "/a_b", "/a/b")}) == 3


def test_a_run_takes_its_own_prompts_along(tmp_path):
    own = tmp_path / "prompts"
    own.mkdir()
    (own / "error_analysis.jinja").write_text("Mine: {{ failures | length }}")
    (own / "notes.txt").write_text("not a template")
    run = prepare(config(runs=str(tmp_path / "runs"), prompts=str(own)))
    copied = tmp_path / "runs" / "pada" / "prompts"
    assert [f.name for f in copied.iterdir()] == ["error_analysis.jinja"]
    assert read_config(Folder(run)).prompts == str(own)


def test_a_run_may_be_declared_shared_when_it_goes_on(tmp_path):
    run = prepare(config(runs=str(tmp_path)))
    change_config(run, ["shared_disk=true"])
    assert read_config(Folder(run)).shared_disk


def test_what_a_run_has_paid_for_comes_along_when_it_is_kept_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    run = prepare(config(runs=str(tmp_path)))
    pay_for(cache_file(read_config(Folder(run)), run), "first")
    for change in ("shared_disk=true", f"llm.cache={tmp_path / 'all'}", "shared_disk=false"):
        change_config(run, [change])
        assert paid_for(cache_file(read_config(Folder(run)), run)) == (["first"], Cost(9, 0.5)), change
    pay_for(cache_file(read_config(Folder(run)), run), "second")
    change_config(run, ["llm.cache=null"])  # back to where the first one still is
    assert paid_for(cache_file(read_config(Folder(run)), run)) == (["first", "second"], Cost(18, 1.0))


def pay_for(file, key):
    with closing(open_database(file)) as db:
        request = ChatRequest(messages=[], purpose="x", reply_schema=None, temperature=0.0, seed=None)
        reply = ChatReply(text="hello", cut_off=False)
        ReplyCache(db).put(key, request, reply)
        Account(db).pay("pada", "teacher", request, key, Completion(reply, 7, 2), 0.5)


def paid_for(file):
    with closing(open_database(file)) as db:
        keys = [key for (key,) in db.execute("SELECT key FROM replies ORDER BY key")]
        return keys, Account(db).spent("pada")
