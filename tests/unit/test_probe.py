"""What doctor and the start of a run find out from one real reply of each endpoint."""

import json
import socket
import time

import pytest
from aiohttp import web
from rich.console import Console
from stub_endpoint import Stream, StubEndpoint, completion, failure, in_background

from jobs import doctor
from jobs.local import probe as probing
from jobs.local.probe import probe_runs
from jobs.local.run_folder import cache_file, change_config, prepare
from pada_ray.config import check_config
from pada_ray.errors import ConfigError, EndpointError
from pada_ray.llm.account import Account
from pada_ray.llm.chat import Usage
from pada_ray.llm.database import open_database
from pada_ray.runs.configs import read_config
from pada_ray.runs.state import FILE, FinishedStage, RunState
from pada_ray.storage import Folder

MODELS = [{"id": "m", "max_model_len": 32_768}, {"id": "other"}]
HTML = "<html><body>Please sign in</body></html>"


def config(url, runs="runs", **keys):
    endpoint = {"base_url": url, "model": "m"}
    raw = {
        "runs": str(runs),
        "data": {"demo": {}, "regime": 40, "eval_samples": 20},
        "student": {"model": "demo"},
        "pattern_analysis": {"embedding": "tfidf"},
        "llm": {"teacher": endpoint, "judge": endpoint | {"max_tokens": 4000}},
    }
    return check_config(raw | keys, "test")


def start(tmp_path, behaviour, models=None, probed=True, **keys):
    """The stub, the run's folder, and what was printed, after the first seconds of a run."""
    with in_background(StubEndpoint(behaviour, models=models)) as server:
        loaded = config(server.url, tmp_path / "runs", **keys)
        run = prepare(loaded)
        console = Console(width=200)
        with console.capture() as printed:
            probe_runs({run: loaded}, console, probing=probed)
        return server, run, loaded, printed.get()


def test_each_endpoint_is_asked_for_a_few_tokens_which_the_run_pays_for(tmp_path):
    server, run, loaded, printed = start(tmp_path, lambda body, n: completion('{"ok": true}'), MODELS)
    assert len(server.bodies) == 2
    assert {body["max_tokens"] for body in server.bodies} == {16}
    assert all(body["response_format"]["type"] == "json_schema" for body in server.bodies)
    assert sum(len(str(body["messages"])) + len(str(body["response_format"])) for body in server.bodies) / 2 / 4 < 80
    assert printed == ""
    account = Account(open_database(cache_file(loaded, run)))
    assert {(u.role, u.purpose, u.calls) for u in account.usage(run)} == {
        ("teacher", "probe", 1),
        ("judge", "probe", 1),
    }
    assert not account.answered(run, "teacher")  # of the prompts that matter nothing is known


def test_equal_endpoints_are_asked_once_and_a_finished_run_asks_none(tmp_path):
    with in_background(StubEndpoint(lambda body, n: completion())) as server:
        one = {"base_url": server.url, "model": "m"}
        loaded = config(server.url, tmp_path / "runs", llm={"teacher": one, "judge": one})
        runs = {prepare(loaded): loaded, prepare(loaded): loaded}
        probe_runs(runs, Console(), probing=True)
        assert len(server.bodies) == 1
        for run in runs:
            Folder(run).write_text(FILE, RunState(name="a", status="done").model_dump_json())
        probe_runs(runs, Console(), probing=True)
        assert len(server.bodies) == 1


@pytest.mark.parametrize("change", ["another current folder", "removed", "changed"])
def test_a_run_that_goes_on_needs_only_the_templates_that_it_took_along(tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    mine, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    mine.mkdir()
    elsewhere.mkdir()
    (mine / "error_analysis.jinja").write_text("Mine: {{ failures | length }}")
    offline = {"base_url": "offline", "model": "a"}
    run = prepare(config("", tmp_path, prompts="mine", llm={"teacher": offline, "judge": offline}))
    if change == "another current folder":
        monkeypatch.chdir(elsewhere)
    elif change == "removed":
        (mine / "error_analysis.jinja").unlink()
    else:
        (mine / "error_analysis.jinja").write_text("{{ of_another_version }}")
    probe_runs({run: read_config(Folder(run))}, Console(), probing=False)


def test_no_probe(tmp_path):
    server, *_ = start(tmp_path, lambda body, n: failure(500), probed=False)
    assert server.bodies == []


@pytest.mark.parametrize(
    ("answer", "models", "told"),
    [
        (lambda: failure(404, "no such model"), [{"id": "a"}, {"id": "b"}],
         "no such model; it lists no model of this name, but a, b"),
        (lambda: failure(404, "no such model"), None, "no such model"),
        (lambda: failure(500, "cannot load m"), [{"id": str(i)} for i in range(9)], "but 0, 1, 2, 3, 4 and 4 more"),
        (lambda: failure(429, "you exceeded your current quota", code="insufficient_quota"), MODELS, "current quota"),
        (lambda: failure(402, "insufficient credits"), MODELS, "insufficient credits"),
        (lambda: failure(401, "bad key"), None, "refuses a call without a key; name its variable in api_key_env"),
        (lambda: web.Response(text=HTML, content_type="text/html"), None, "answers with HTML and not with JSON"),
        (lambda: web.Response(text=HTML, content_type="text/html", status=404), None, "404"),
        (lambda: web.json_response({"hello": "there"}), None, "no chat completion: {'hello': 'there'}"),
        (lambda: failure(400, "no such field"), MODELS, "no such field"),
        (lambda: failure(503, "the model is loading"), MODELS, "the model is loading"),
        (lambda: web.Response(status=307, headers={"Location": "https://example.org/v1"}), None, "redirects to https"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_at_the_start_and_from_doctor(tmp_path, answer, models, told):
    began = time.monotonic()
    with pytest.raises(EndpointError, match=r"^llm\.teacher: http://127\.0\.0\.1:\d+/v1 \(m\) ") as e:
        start(tmp_path, lambda body, n: answer(), models)
    assert told in str(e.value)
    assert "\n" not in str(e.value)
    assert str(e.value).endswith(f"continue with `pada resume {tmp_path / 'runs' / 'pada'} --set llm...=...`")
    assert e.value.exit_code == 2
    server = StubEndpoint(lambda body, n: answer(), models=models)
    with in_background(server), pytest.raises(EndpointError) as found:
        doctor.endpoint(config(server.url), "judge", probing=True)
    assert told in str(found.value)
    assert time.monotonic() - began < 20


def test_no_server_is_told_in_seconds(tmp_path):
    with pytest.raises(EndpointError, match="cannot be reached"):
        loaded = config("http://127.0.0.1:9/v1", tmp_path)
        probe_runs({prepare(loaded): loaded}, Console(), probing=True)


def test_a_server_that_is_slow_or_busy_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "WITHIN_S", 0.3)
    *_, printed = start(tmp_path, lambda body, n: Stream(1, "late"))
    assert "has not answered within 0.3 s; it may be slow to start" in printed
    *_, printed = start(tmp_path, lambda body, n: failure(429, "slow down"))
    assert "is busy: " in printed and "slow down" in printed


def test_a_server_that_takes_connections_and_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "WITHIN_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        loaded = config(f"http://127.0.0.1:{server.getsockname()[1]}/v1", tmp_path)
        console = Console(width=200)
        with console.capture() as printed:
            probe_runs({prepare(loaded): loaded}, console, probing=True)
    assert "has not answered" in printed.get()


@pytest.mark.parametrize(
    "model",
    [
        {"id": "m", "max_model_len": 512},
        {"id": "m", "context_length": 512},
        {"id": "m", "context_window": 512},
        {"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 32_768}},  # it has less for each call
    ],
)
def test_a_context_that_does_not_hold_the_prompts_to_come(tmp_path, model):
    with pytest.raises(ConfigError, match=r"^llm\.teacher: m at .* has a context of 512 tokens, and a call of \w+ is "):
        start(tmp_path, lambda body, n: completion(), [model])


SHORT = [{"id": "m", "max_model_len": 4000}]
MORE = {"data": {"demo": {}, "regime": 40, "eval_samples": 60}}


@pytest.mark.parametrize("sizes", [(1, 60), (60, 1)])
def test_the_context_must_hold_the_longest_prompt_of_all_runs(tmp_path, sizes):
    with in_background(StubEndpoint(lambda body, n: completion(), models=SHORT)) as server:
        analysis = [{"embedding": "tfidf", "batch_size": size} for size in sizes]
        configs = [config(server.url, tmp_path / "runs", pattern_analysis=one, **MORE) for one in analysis]
        runs = {prepare(one): one for one in configs}
        longest = list(runs)[sizes.index(60)]
        with pytest.raises(ConfigError, match=r"a call of error_analysis is expected to take [\d,]+; ") as told:
            probe_runs(runs, Console(), probing=True)
        assert f"`pada resume {longest} --set" in str(told.value)
        assert len(server.bodies) == 2


def test_the_context_of_an_endpoint_for_both_roles_must_hold_the_longest_prompt_of_either(tmp_path):
    keys = {"method": "similar", "data_generation": {"ratio": 2}, "quality_control": {"batch_size": 60}}
    with in_background(StubEndpoint(lambda body, n: completion(), models=SHORT)) as server:
        one = {"base_url": server.url, "model": "m"}
        both = config(server.url, tmp_path, llm={"teacher": one, "judge": one}, **MORE, **keys)
        with pytest.raises(ConfigError, match=r"^llm\.judge: .* a call of quality_control is expected to take"):
            probe_runs({prepare(both): both}, Console(), probing=True)
        assert len(server.bodies) == 1


@pytest.mark.parametrize("models", [[{"id": "m"}], [], ["m"], [{"id": "m", "max_model_len": "many"}], [{}]])
def test_a_list_of_models_may_say_less_or_nonsense(tmp_path, models):
    server, *_ = start(tmp_path, lambda body, n: completion(), models)
    assert len(server.bodies) == 2


def test_a_method_that_asks_no_llm_needs_no_endpoint(tmp_path):
    raw = {"runs": str(tmp_path), "data": {"demo": {}, "regime": 40, "eval_samples": 20}, "method": "vanilla"}
    raw["student"] = {"model": "demo"}
    vanilla = check_config(raw, "test")
    assert vanilla.llm.teacher.base_url == "none"
    probe_runs({prepare(vanilla): vanilla}, Console(), probing=True)
    assert doctor.endpoint(vanilla, "teacher", probing=True) == "not asked by this method"
    priced = check_config(raw | {"budget": {"usd": 1}}, "test")
    assert priced.budget.usd == 1


@pytest.mark.parametrize("role", ["teacher", "judge"])
def test_a_method_that_asks_one_needs_it(tmp_path, role):
    endpoints = {"teacher": {"base_url": "offline", "model": "a"}, "judge": {"base_url": "offline", "model": "a"}}
    del endpoints[role]
    with pytest.raises(ConfigError, match=rf"^llm\.{role}: this key is required: a run with method: pada"):
        prepare(config("", tmp_path, llm=endpoints))
    assert list(tmp_path.iterdir()) == []


def test_a_budget_below_the_next_stage_is_told_before_anything_is_done(tmp_path):
    told = (
        r"^budget\.tokens: 500 tokens are left, and the next stage .*iteration-1: error analysis.* take [\d,]+ tokens"
    )
    with pytest.raises(ConfigError, match=told):
        prepare(config("http://127.0.0.1:9/v1", tmp_path, budget={"tokens": 500}))
    assert list(tmp_path.iterdir()) == []
    prepare(config("http://127.0.0.1:9/v1", tmp_path, budget={"tokens": 500_000}))


def test_money_below_the_next_stage_is_told_too(tmp_path):
    endpoint = {"base_url": "http://127.0.0.1:9/v1", "model": "m", "price": {"prompt": 100, "completion": 100}}
    llm = {"teacher": endpoint, "judge": endpoint}
    with pytest.raises(ConfigError, match=r"^budget\.usd: 0\.05 USD are left, and .* is expected to take \d\.\d\d USD"):
        prepare(config("", tmp_path, llm=llm, budget={"usd": 0.05}))


def test_a_resumed_run_has_what_it_has_not_spent(tmp_path):
    loaded = config("http://127.0.0.1:9/v1", tmp_path, budget={"tokens": 100_000})
    run = prepare(loaded)
    folder = Folder(run)
    first = ["base: evaluation", "iteration-0: fine-tuning", "iteration-0: evaluation", "iteration-1: error analysis"]
    paid = Usage(role="teacher", purpose="error_analysis", calls=9, prompt_tokens=99_000, completion_tokens=500)
    state = RunState(
        name="a",
        stage="iteration-1: clustering",
        finished={name: FinishedStage(output="x", seconds=1) for name in first},
        usage=[paid, paid.model_copy(update={"shared": True})],
    )
    folder.write_text(FILE, state.model_dump_json())
    with pytest.raises(ConfigError, match=rf"^budget\.tokens: 500 tokens are left, .* `pada resume {run} --set budget"):
        probe_runs({run: loaded}, Console(), probing=False)
    begun = state.model_copy(update={"stage": "iteration-1: pattern categorization"})  # of which some may be paid for
    folder.write_text(FILE, begun.model_dump_json())
    probe_runs({run: loaded}, Console(), probing=False)


def test_a_run_with_a_task_of_ones_own_starts_and_is_resumed_with_another_limit(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "whisper.py").write_text(
        "from pada_ray.tasks.multiple_choice import MultipleChoice\n\n\nclass Whisper(MultipleChoice):\n    pass\n"
    )
    for split in ("train", "val"):
        asked, replied = {"role": "user", "content": f"A. {split} B. no"}, {"role": "assistant", "content": "A"}
        rows = [
            {"id": f"{split}{i}", "messages": [asked | {"content": f"{i} {asked['content']}"}, replied]} for i in "ab"
        ]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(json.dumps(row | {"answer": "A"}) for row in rows))
    data = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "val")} | {"task": "whisper:Whisper"}
    loaded = config("offline", tmp_path / "runs", data=data)
    run = prepare(loaded)
    probe_runs({run: loaded}, Console(), probing=True)
    change_config(run, ["budget.tokens=500_000"])
    assert read_config(Folder(run)).budget.tokens == 500_000
