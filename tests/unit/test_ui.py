"""The live page: what it is told of a run and of a sweep, and who is let in."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp.test_utils import TestClient, TestServer
from report_runs import HOSTILE, cell, write_run, write_sweep
from waiting_runs import SAMPLES, begun, stopped

from pada_ray.errors import ConfigError
from pada_ray.review.editing import read_review
from pada_ray.runs.state import FILE as STATE
from pada_ray.runs.state import FinishedStage, read_state
from pada_ray.storage import Folder
from pada_ray.ui.app import ui_app
from pada_ray.ui.views import run_view, sweep_view

KEY = "k3y"


def believed(run, config, state):
    return state.status


@pytest.fixture
def run(tmp_path):
    folder = Folder(str(tmp_path / "run"))
    write_run(folder, samples=30, words=HOSTILE)
    return folder


def test_a_run_shows_its_models_stages_patterns_and_samples(run):
    view = run_view(run, believed)
    assert (view.status, view.method) == ("done", "pada")
    assert [(m.name, round(m.accuracy["val"], 9)) for m in view.models] == [
        ("base", 0.1),
        ("iteration-0", 0.5),
        ("iteration-1", 0.75),
    ]
    assert [s.name for s in view.stages] == [f"{m.name}: evaluation" for m in view.models]
    assert len(view.patterns) == 2 and all(p.strategy_name for p in view.patterns)
    verdicts = [s.verdict for s in view.samples]
    assert (verdicts.count("accepted"), view.accepted) == (view.accepted, len(verdicts) - view.rejected)
    assert 0 < view.rejected < len(verdicts)


@pytest.mark.parametrize("price", [0.25, None])
def test_calls_that_another_run_has_paid_for_cost_nothing(run, price):
    state = read_state(run)
    paid, shared = state.usage
    state.usage = [paid.model_copy(update={"usd": 0.5}), shared.model_copy(update={"usd": price, "shared": True})]
    run.write_text(STATE, state.model_dump_json())
    view = run_view(run, believed)
    assert (view.usd, view.calls) == (0.5, 12)


def test_a_stage_under_way_has_no_time_yet(run):
    state = read_state(run)
    state.status, state.stage = "running", "iteration-2: fine-tuning"
    state.finished["iteration-1: fine-tuning"] = FinishedStage(output="a", seconds=3, shared=True)
    run.write_text(STATE, state.model_dump_json())
    *_, shared, now = run_view(run, believed).stages
    assert (shared.name, shared.seconds, shared.shared) == ("iteration-1: fine-tuning", 3, True)
    assert (now.name, now.seconds) == ("iteration-2: fine-tuning", None)
    assert run_view(run, lambda *_: "stopped").stages[-1].seconds == 3  # a killed run has nothing under way


def test_a_run_that_has_not_begun_is_shown_too(run):
    (Folder(run.url)).remove(STATE)
    view = run_view(run, believed)
    assert (view.status, view.models, view.stages) == ("prepared", [], [])


def test_a_sweep_shows_all_its_runs_those_that_cannot_be_read_too(tmp_path):
    sweep = Folder(str(tmp_path / "sweep"))
    write_sweep(sweep, {name: {"method": name} for name in ("pada", "blind", "vanilla")})
    write_run(cell(sweep, "pada"))
    write_run(cell(sweep, "blind"), status="running")
    cell(sweep, "blind").write_text(STATE, "{oops")
    done, damaged, missing = sweep_view(sweep, believed).runs
    assert (done.status, done.models[-1].accuracy["test"]) == ("done", 0.75)
    assert (damaged.status, "damaged" in damaged.stage) == ("cannot be read", True)
    assert (missing.status, missing.models) == ("not begun", [])


def asked(look, *requests, find=None):
    """The replies to requests of (method, path, headers) or (method, path, headers, what is sent)."""

    async def ask():
        async with TestClient(TestServer(ui_app(look, find, KEY))) as client:
            found = []
            for method, path, headers, *sent in requests:
                async with client.request(method, path, headers=headers, json=sent[0] if sent else None) as reply:
                    found.append((reply.status, reply.headers.copy(), await reply.text()))
            return found

    return asyncio.run(ask())


def test_without_the_key_nobody_comes_in(run):
    def look(name):
        return run_view(run, believed)

    paths = ["/", "/live.js", "/live.css", "/view.json", "/view.json?key=guess", "/view.json?key="]
    paths += ["/make.js", "/review", "/review.js", "/review.json"]
    for status, _, text in asked(look, *(("GET", path, {}) for path in paths)):
        assert status == 403
        assert "key" in text and run.url not in text


def test_the_key_is_kept_in_a_cookie_that_no_script_reads(run):
    (status, headers, _), (again, _, text) = asked(
        lambda name: run_view(run, believed), ("GET", f"/?key={KEY}", {}), ("GET", "/view.json", {})
    )
    assert (status, again) == (200, 200)  # the client keeps cookies
    assert "HttpOnly" in headers["Set-Cookie"] and "SameSite=Strict" in headers["Set-Cookie"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert json.loads(text)["name"] == "a"


def test_what_has_not_changed_is_not_sent_again(run):
    def look(name):
        return run_view(run, believed)

    ((_, headers, _),) = asked(look, ("GET", f"/view.json?key={KEY}", {}))
    request = ("GET", f"/view.json?key={KEY}", {"If-None-Match": headers["ETag"]})
    assert asked(look, request)[0][0] == 304
    write_run(run, status="running")
    assert asked(look, request)[0][0] == 200


def test_it_only_looks_and_says_what_is_wrong(run):
    def look(name):
        raise ConfigError(f"{name}: no such run in this sweep")

    missing, posted = asked(look, ("GET", f"/view.json?run=x&key={KEY}", {}), ("POST", f"/view.json?key={KEY}", {}))
    assert (missing[0], json.loads(missing[2])) == (404, {"problem": "x: no such run in this sweep"})
    assert posted[0] == 405


# The page of a review


@pytest.fixture
def waiting(tmp_path):
    folder = begun(tmp_path / "waiting")
    stopped(folder, review=["samples"])
    return folder


def sent(folder, *changes, tag=None, headers=None):
    """The reply to changes (index, entry) of the review."""
    tag = tag or read_review(folder).tag
    body = {"tag": tag, "changes": [{"at": at, "entry": entry} for at, entry in changes]}
    ((status, _, text),) = asked(
        None, ("PUT", f"/review.json?key={KEY}", headers or {}, body), find=lambda name: folder
    )
    return status, text if status == 403 else json.loads(text)


def test_a_review_is_read_and_written_with_the_key(waiting):
    ((status, _, text),) = asked(None, ("GET", f"/review.json?key={KEY}", {}), find=lambda name: waiting)
    given = json.loads(text)
    assert (status, given["what"], given["stage"]) == (200, "samples", "iteration-1: review of samples")
    assert given["entries"] == given["originals"]
    dropped = given["entries"][0] | {"decision": "drop"}
    assert sent(waiting, (0, dropped))[0] == 200
    assert json.loads(waiting.read_text(SAMPLES).splitlines()[0])["decision"] == "drop"


def test_a_page_from_elsewhere_writes_nothing(waiting):
    before = waiting.read_text(SAMPLES)
    assert sent(waiting, (0, None), headers={"Origin": "http://elsewhere.example"})[0] == 403
    assert waiting.read_text(SAMPLES) == before


@pytest.mark.parametrize(
    "body", [{}, {"tag": 1, "changes": []}, {"tag": "a", "changes": [{"at": "x", "entry": {}}]}, [1]], ids=str
)
def test_what_is_no_change_is_said_to_be_none(waiting, body):
    ((status, _, text),) = asked(None, ("PUT", f"/review.json?key={KEY}", {}, body), find=lambda name: waiting)
    assert status == 400 and json.loads(text)["problem"]


def test_an_edit_made_elsewhere_meanwhile_is_not_lost(waiting):
    tag = read_review(waiting).tag
    waiting.write_text(SAMPLES, waiting.read_text(SAMPLES).replace("nuts", "figs"))
    status, said = sent(waiting, (0, {}), tag=tag)
    assert status == 409 and "edited elsewhere" in said["problem"]
    assert "figs" in waiting.read_text(SAMPLES)


def test_a_file_that_is_gone_is_said_to_be(waiting):
    tag = read_review(waiting).tag
    waiting.remove(SAMPLES)
    ((status, _, text),) = asked(None, ("GET", f"/review.json?key={KEY}", {}), find=lambda name: waiting)
    assert (status, sent(waiting, (0, {}), tag=tag)) == (404, (404, json.loads(text)))
    assert "it is gone" in json.loads(text)["problem"]


def test_a_run_that_waits_for_nobody_has_no_review(run):
    ((status, _, text),) = asked(None, ("GET", f"/review.json?key={KEY}", {}), find=lambda name: run)
    assert (status, "waits for no review" in json.loads(text)["problem"]) == (404, True)
