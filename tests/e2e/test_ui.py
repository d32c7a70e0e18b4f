"""`pada ui` by the real command, in a real browser, on a run that goes on meanwhile."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CHROMIUM, PADA, ROOT, environment

from pada_ray.runs.state import FILE as STATE
from pada_ray.storage import Folder

sys.path.append(str(ROOT / "tests/unit"))  # where runs are written by hand
from report_runs import HOSTILE, cell, write_run, write_sweep

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Ui:
    """`pada ui` on a folder, and its page."""

    def __init__(self, folder: Path):
        self.process = subprocess.Popen(
            [PADA, "ui", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().removeprefix("page: ").strip()

    def open(self, browser: Any, **context: Any) -> Any:
        page = browser.new_context(**context).new_page()
        self.wrong: list[str] = []
        page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.wrong.append(str(e)))
        page.goto(self.address)
        page.wait_for_selector("main section")
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
    done = subprocess.run(
        [PADA, "ui", str(tmp_path / "none")], capture_output=True, text=True, timeout=60, env=environment()
    )
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert re.match(r"error: .*none", line)
