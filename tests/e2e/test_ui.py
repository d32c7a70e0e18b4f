"""`pada ui` by the real command, in a real browser, on a run that goes on meanwhile."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CHROMIUM, PADA, environment, heed_signals, pada
from report_runs import HOSTILE, cell, write_run, write_sweep
from waiting_runs import SAMPLES, STRATEGIES, begun, stopped

from pada_ray.runs.state import FILE as STATE
from pada_ray.runs.state import read_state, write_state
from pada_ray.storage import Folder

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Ui:
    """`pada ui` on a folder, and its page."""

    def __init__(self, folder: Path):
        self.process = subprocess.Popen(
            [PADA, "ui", str(folder), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
            preexec_fn=heed_signals,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().removeprefix("page: ").strip()

    def open(self, browser: Any, shows: str = "main section", **context: Any) -> Any:
        page = browser.new_context(**context).new_page()
        self.wrong: list[str] = []
        page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.wrong.append(str(e)))
        page.goto(self.address)
        page.wait_for_selector(shows)
        return page

    def open_review(self, browser: Any, **context: Any) -> Any:
        page = self.open(browser, shows="#waiting a", **context)
        page.get_by_role("link", name="It waits for your review").click()
        page.wait_for_selector("#list .row")
        return page


@pytest.fixture
def ui() -> Iterator[Any]:
    started: list[Ui] = []

    def start(folder: Path) -> Ui:
        started.append(Ui(folder))
        return started[-1]

    yield start
    for each in started:
        each.process.send_signal(signal.SIGINT)
        assert each.process.wait(timeout=30) == 0


def a_run(folder: Path, **keys: Any) -> Folder:
    run = Folder(str(folder))
    write_run(run, **keys)
    return run


def test_a_run_is_drawn_again_as_it_goes_on(browser, ui, tmp_path):
    run = a_run(tmp_path, accuracies={"base": 0.1}, status="paused")
    served = ui(tmp_path)
    page = served.open(browser)
    expect = playwright.expect
    expect(page.locator("h1")).to_have_text("a")
    expect(page.locator("#models tbody tr")).to_have_count(1)
    a_run(tmp_path, samples=30, words=HOSTILE)
    expect(page.locator("#models tbody tr")).to_have_count(3, timeout=15_000)
    expect(page.locator("#status")).to_contain_text("done")
    expect(page.locator("#patterns tbody tr")).to_have_count(2)
    assert page.title() == "a – pada ui"  # the hostile text has changed nothing
    assert "<img" in page.locator(".samples").inner_text()
    shown = page.locator(".samples li:visible")
    everything = shown.count()
    page.get_by_label("turned down").check()
    assert 0 < shown.count() < everything
    assert served.wrong == []
    run.write_text(STATE, "{oops")
    expect(page.get_by_role("alert")).to_contain_text("damaged", timeout=15_000)


def test_what_holds_no_more_is_shown_no_more(browser, ui, tmp_path):
    run = a_run(tmp_path, status="failed")
    state = read_state(run)
    state.error, state.warnings = "It broke", {"iteration-1: no_gain": "No gain."}
    state.finished["base: evaluation"].seconds = 4500
    write_state(run, state)
    page = ui(tmp_path).open(browser)
    expect = playwright.expect
    expect(page.locator("#error")).to_contain_text("It broke")
    expect(page.locator("#warnings li")).to_have_text(["No gain."])
    expect(page.locator("#stages")).to_contain_text("1:15:00")
    expect(page.locator("#stages")).to_contain_text("1:00")
    a_run(tmp_path)
    expect(page.locator("#error")).to_have_count(0, timeout=15_000)
    expect(page.locator("#warnings")).to_have_count(0)


def test_a_sweep_leads_to_its_runs(browser, ui, tmp_path):
    sweep = Folder(str(tmp_path))
    write_sweep(sweep, {name: {"method": name} for name in ("pada", "blind")})
    write_run(cell(sweep, "pada"))
    served = ui(tmp_path)
    page = served.open(browser)
    playwright.expect(page.locator("#status")).to_have_text("1 of 2 runs are done")
    assert page.locator("#runs tbody tr").nth(1).inner_text().startswith("blind\tnot begun")
    page.get_by_role("link", name="pada").click()
    playwright.expect(page.locator("#kind")).to_have_text("Run, method pada")
    assert "key" not in page.url


def test_its_end_is_told_and_touches_no_run(browser, ui, tmp_path):
    run = a_run(tmp_path / "run")
    before = {file: run.read_bytes(file) for file in run.files("")}
    served = ui(tmp_path / "run")
    page = served.open(browser)
    served.process.send_signal(signal.SIGINT)
    playwright.expect(page.get_by_role("alert")).to_contain_text("the run goes on without it", timeout=15_000)
    assert {file: run.read_bytes(file) for file in run.files("")} == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_for_everybody_and_for_a_phone(browser, ui, tmp_path, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    a_run(tmp_path, samples=30)
    page = ui(tmp_path).open(browser, viewport={"width": 360, "height": 700}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = axe.Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []


def test_a_folder_that_holds_no_run_is_one_line(tmp_path):
    done = pada("ui", str(tmp_path / "none"), cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert re.match(r"error: .*none", line)


# A review


@pytest.fixture
def waiting(tmp_path) -> Folder:
    folder = begun(tmp_path / "run")
    stopped(folder, review=["samples"])
    return folder


def entries_of(folder: Folder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.read_text(SAMPLES).splitlines()]


def saved(page: Any) -> None:
    playwright.expect(page.locator("#saved")).to_contain_text("saved in", timeout=15_000)


def asks_before_it_is_left(page: Any) -> bool:
    return not page.evaluate("dispatchEvent(new Event('beforeunload', { cancelable: true }))")


def test_samples_are_reviewed_by_keyboard_alone(browser, ui, waiting):
    before = entries_of(waiting)
    served = ui(Path(waiting.url))
    page = served.open_review(browser)
    for key in ("d", "j", "7", "j", "e"):
        page.keyboard.press(key)
    page.keyboard.press("Control+a")
    page.keyboard.type("Ida finds 8 nuts, then 6. How many are these?")  # its j, k, a, d, u and n are text
    for key in ("Escape", "j", "d", "u"):
        page.keyboard.press(key)
    saved(page)
    after = entries_of(waiting)
    assert [e["decision"] for e in after[:4]] == ["drop", *(e["decision"] for e in before[1:4])]
    assert after[1] == before[1] | {"rating": 7}
    assert after[2]["messages"][0]["content"] == "Ida finds 8 nuts, then 6. How many are these?"
    assert after[3:] == before[3:]
    playwright.expect(page.locator("#counts")).to_contain_text("1 edited")
    assert served.wrong == []


def test_samples_are_reviewed_by_clicks_and_every_step_is_undone(browser, ui, waiting):
    before = entries_of(waiting)
    page = ui(Path(waiting.url)).open_review(browser)
    page.locator(".row").nth(2).click()
    page.get_by_role("button", name="Drop", exact=True).click()
    page.get_by_label("your feedback").fill("Too easy")
    page.get_by_role("button", name="Add one").click()
    page.get_by_label("1: user").fill("Ida has 3 and 5. Together?")
    page.get_by_label("2: assistant").fill("3 + 5 = 8. Answer: 8")
    page.get_by_label("2: assistant").blur()
    saved(page)
    *others, own = entries_of(waiting)
    assert others[2] == before[2] | {"decision": "drop", "feedback": "Too easy"}
    assert [m["content"] for m in own["messages"]] == ["Ida has 3 and 5. Together?", "3 + 5 = 8. Answer: 8"]
    undo = page.get_by_role("button", name="Undo")
    while undo.is_enabled():
        undo.click()
    saved(page)
    assert entries_of(waiting) == before


def test_what_does_not_hold_is_told_and_led_to(browser, ui, tmp_path):
    folder = begun(tmp_path / "run")
    stopped(folder, review=["strategies"])
    page = ui(Path(folder.url)).open_review(browser)
    page.get_by_label("strategy", exact=True).fill(" ")
    page.keyboard.press("Escape")
    playwright.expect(page.get_by_role("alert")).to_contain_text("strategy_name: it is empty", timeout=15_000)
    page.keyboard.press("End")
    page.get_by_role("button", name="Show it").click()
    playwright.expect(page.locator(".row[aria-selected=true]")).to_have_attribute("aria-posinset", "1")
    page.get_by_label("strategy", exact=True).fill("Rates that change")
    page.keyboard.press("Escape")
    playwright.expect(page.get_by_role("alert")).to_be_hidden(timeout=15_000)
    assert "strategy_name: Rates that change" in folder.read_text(STRATEGIES)


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 404, "json": {"problem": "No space left on device"}},
        {"status": 400, "json": {"problem": "no"}},
        {"status": 500, "body": "<html>"},
    ],
    ids=lambda refusal: refusal["status"],
)
def test_what_is_refused_is_sent_again(browser, ui, waiting, refusal):
    page = ui(Path(waiting.url)).open_review(browser)
    page.route("**/review.json*", lambda route: route.fulfill(**refusal))
    page.keyboard.press("d")
    playwright.expect(page.locator("#saved")).to_contain_text("the page tries again", timeout=15_000)
    assert asks_before_it_is_left(page)
    for key in ("j", "d"):
        page.keyboard.press(key)
    page.unroute("**/review.json*")
    saved(page)
    assert [e["decision"] for e in entries_of(waiting)[:2]] == ["drop", "drop"]
    assert not asks_before_it_is_left(page)


def test_text_is_saved_while_it_is_written(browser, ui, waiting):
    page = ui(Path(waiting.url)).open_review(browser)
    for key in ("e", "Control+a"):
        page.keyboard.press(key)
    page.keyboard.type("Ida finds 8 nuts, then 6. How many are these?")
    assert asks_before_it_is_left(page)
    saved(page)
    playwright.expect(page.get_by_label("1: user")).to_be_focused()
    assert entries_of(waiting)[0]["messages"][0]["content"] == "Ida finds 8 nuts, then 6. How many are these?"
    page.keyboard.type(" All in all?")
    for key in ("Escape", "j"):
        page.keyboard.press(key)
    saved(page)
    assert entries_of(waiting)[0]["messages"][0]["content"].endswith("these? All in all?")


def test_an_edit_in_an_editor_meanwhile_is_kept(browser, ui, waiting):
    page = ui(Path(waiting.url)).open_review(browser)
    edited = waiting.read_text(SAMPLES).replace("nuts", "figs")
    waiting.write_text(SAMPLES, edited)
    page.keyboard.press("d")
    playwright.expect(page.get_by_role("alert")).to_contain_text("edited elsewhere", timeout=15_000)
    assert waiting.read_text(SAMPLES) == edited
    playwright.expect(page.locator(".row").first).to_have_attribute("data-decision", "drop")  # to copy it from
    assert asks_before_it_is_left(page)


def test_a_hostile_sample_is_text_alone(browser, ui, waiting):
    entry = entries_of(waiting)[0]
    entry["messages"][0]["content"] = entry["feedback"] = HOSTILE
    waiting.write_text(SAMPLES, json.dumps(entry) + "\n")
    served = ui(Path(waiting.url))
    page = served.open_review(browser)
    assert page.get_by_label("1: user").input_value() == HOSTILE
    assert page.title() == "iteration-1: review of samples – pada ui"
    assert served.wrong == []


def test_ten_thousand_samples_scroll_smoothly(browser, ui, waiting):
    """Only the rows in sight are there, and a screenful takes less than the time of a few frames."""
    entry = entries_of(waiting)[0]
    waiting.write_text(SAMPLES, "".join(json.dumps(entry | {"id": f"s{i}"}) + "\n" for i in range(10_000)))
    page = ui(Path(waiting.url)).open_review(browser)
    slowest = page.evaluate(
        """async () => {
          const list = document.getElementById("list");
          let slowest = 0;
          for (let i = 1; i <= 60; i++) {
            const began = performance.now();
            list.scrollTop = i * 7000;
            await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
            slowest = Math.max(slowest, performance.now() - began);
          }
          return slowest;
        }"""
    )
    assert page.locator(".row").count() < 60
    assert slowest < 500, f"a screenful took {slowest:.0f} ms"
    page.keyboard.press("End")
    playwright.expect(page.locator(".row[aria-selected=true]")).to_have_attribute("aria-posinset", "10000")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_review_is_for_everybody_and_for_a_phone(browser, ui, waiting, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = ui(Path(waiting.url)).open_review(browser, viewport={"width": 360, "height": 700}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = axe.Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
    page.locator(".row").nth(1).click()
    page.get_by_role("button", name="Drop", exact=True).click()
    saved(page)
    assert entries_of(waiting)[1]["decision"] == "drop"
