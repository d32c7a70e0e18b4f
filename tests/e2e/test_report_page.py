"""Reports in a real browser, opened from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import CHROMIUM, pada
from report_runs import cell, write_run, write_sweep

from pada_ray.storage import Folder

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
MANY = 10_000


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with 10,000 samples, some of them hostile."""
    folder = tmp_path_factory.mktemp("run")
    write_run(Folder(str(folder)), samples=MANY, left=True, iterations=1)
    pada("report", str(folder), cwd=folder)
    return folder / "report/index.html"


@pytest.fixture(scope="module")
def sweep_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    cells = {
        f"{dataset}-{method}-{seed}".replace(" ", ""): {"dataset": dataset, "method": method, "seed": seed}
        for dataset in ("gsm8k", "squad")
        for method in ("vanilla", "auggpt", "llms_as_instructors", "llm2llm", "pada", "pada -quality", "pada -pattern")
        for seed in (0, 1)
    }
    for name in list(cells)[:-1]:
        models = {"base": 0.1, "iteration-0": 0.4}
        if cells[name]["method"] != "vanilla":
            models["iteration-1"] = 0.9 if cells[name]["method"] == "pada" else 0.6
        write_run(cell(Folder(str(folder)), name), accuracies=models)
    write_sweep(Folder(str(folder)), cells)
    pada("report", str(folder), cwd=folder)
    return folder / "report/index.html"


class Opened:
    """A page in the browser, with its errors and requests."""

    def __init__(self, browser: Any, page: Path, **context: Any):
        self.page = browser.new_context(reduced_motion="reduce", **context).new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.wrong.append(str(e)))
        self.page.on("request", lambda r: self.asked.append(r.url))
        self.page.goto(page.as_uri())
        self.page.wait_for_selector(".plot .main-svg")

    def tells(self, items: str, text: str) -> None:
        """Waits until a list shows `text` as the number of its entries."""
        playwright.expect(self.page.locator(f"#items-{items} output")).to_have_text(text)

    def lightness(self) -> float:
        """Of the paper, 0 to 255."""
        colour = self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return max(float(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    def contrast(self, selector: str) -> float:
        """The WCAG contrast of an element's text with the paper."""
        return self.page.evaluate(
            """(selector) => {
              const light = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number)
                .map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
                .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
              const [a, b] = [
                light(getComputedStyle(document.querySelector(selector)).color),
                light(getComputedStyle(document.body).backgroundColor),
              ];
              return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            }""",
            selector,
        )


def test_it_opens_from_disk_without_an_error_or_a_request(browser, run_page, tmp_path):
    opened = Opened(browser, run_page)
    assert opened.page.locator(".plot .main-svg").count() >= 2
    assert opened.asked == [run_page.as_uri()]
    assert opened.page.title() == "a · pada report"  # no sample's script has run
    assert opened.page.locator("img").count() == 0
    opened.page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert opened.wrong == []


def test_ten_thousand_samples_are_filtered_and_read(browser, run_page):
    opened = Opened(browser, run_page)
    form, entries = opened.page.locator("form[data-items=samples]"), opened.page.locator("#items-samples li")
    opened.tells("samples", "10,000 of 10,000")
    assert entries.count() == 25
    assert opened.page.evaluate("document.querySelectorAll('*').length") < 5000
    form.locator("[name=status]").select_option("never")
    opened.tells("samples", "1,000 of 10,000")
    form.locator("[name=status]").select_option("regenerated")
    opened.tells("samples", "3,000 of 10,000")
    form.locator("[name=group]").select_option("cluster-1")
    opened.tells("samples", "1,333 of 10,000")
    form.locator("[type=reset]").click()
    opened.tells("samples", "10,000 of 10,000")
    form.locator("[name=from]").fill("9")
    opened.tells("samples", "3,000 of 10,000")
    form.locator("[name=to]").fill("8.5")
    opened.tells("samples", "0 of 10,000")
    form.locator("[type=reset]").click()
    form.locator("[name=text]").fill("question 4242 of")
    playwright.expect(opened.page.locator("#items-samples output")).to_have_text("1 of 10,000")
    entries.locator("summary").click()
    playwright.expect(entries).to_contain_text("Seed train-2")
    text = entries.inner_text()
    assert "How many is 2 and 5?" in text
    assert "rating 8.0: adherence 8, utility 8, relevance 8" in text
    assert "onerror=" in text  # shown as it was written
    assert opened.wrong == []


def test_rejected_drafts_stand_below_the_accepted_one(browser, run_page):
    opened = Opened(browser, run_page)
    opened.page.locator("form[data-items=samples] [name=order]").select_option("drafts")
    first = opened.page.locator("#items-samples li").first
    first.locator("summary").click()
    playwright.expect(first.locator("h4")).to_have_count(3)
    assert first.locator("h4").all_inner_texts()[1:] == ["Draft 2, accepted", "Draft 1, rejected: low score"]
    assert "feedback 0" in first.inner_text()


def test_pages_of_the_list(browser, run_page):
    opened = Opened(browser, run_page)
    bar = opened.page.locator("#items-samples .bar")
    assert bar.get_by_text("of 400").is_visible()
    bar.get_by_role("button", name="Next").click()
    bar.get_by_label("Page").fill("400")
    bar.get_by_label("Page").press("Enter")
    playwright.expect(bar.get_by_role("button", name="Next")).to_be_disabled()
    playwright.expect(opened.page.locator("#items-samples li").last).to_contain_text("Synthetic question")


def test_from_a_val_failure_to_its_pattern_and_samples_by_keyboard(browser, run_page):
    opened = Opened(browser, run_page)
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the results"
    page.locator("#items-val summary").first.focus()
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # val-10, which failed and was analysed
    link = page.locator("#items-val details[open] a")
    assert link.inner_text() == "iteration 1, cluster 0"
    page.keyboard.press("Tab")
    assert link.evaluate("e => e === document.activeElement")
    assert link.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    pattern = page.locator("#pattern-1-0")
    assert pattern.evaluate("e => e.open")
    assert "3 of its 5 analysed failures are right" in " ".join(pattern.inner_text().split())
    pattern.get_by_role("button", name="synthetic samples").press("Enter")
    playwright.expect(page.locator("#items-samples output")).to_have_text("5,000 of 10,000")
    assert page.evaluate("document.activeElement.name") == "text"
    pattern.get_by_role("button", name="val failures").press("Enter")
    playwright.expect(page.locator("#items-val output")).to_have_text("5 of 20")
    assert opened.wrong == []


def test_what_the_last_model_gets_wrong_leads_to_its_failures_and_back(browser, run_page):
    opened = Opened(browser, run_page)
    page = opened.page
    page.locator("#pattern-2-0 summary").click()
    page.locator("#pattern-2-0").get_by_role("button", name="Its 3 val failures").click()
    opened.tells("val", "3 of 20")
    page.locator("#items-val summary").first.click()
    assert page.locator("#items-val details[open] a").last.inner_text() == "iteration 2, cluster 0"
    assert opened.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_legible_in_light_and_dark(browser, run_page, scheme):
    opened = Opened(browser, run_page, color_scheme=scheme)
    assert (opened.lightness() > 128) == (scheme == "light")
    for selector in ("body", ".notes p", ".headlines dt", "nav a", "#items-samples .tag.good", "#items-val .bad"):
        assert opened.contrast(selector) >= 4.5, selector
    ticks = opened.page.locator(".plot .xtick text").first.evaluate("e => getComputedStyle(e).fill")
    assert ticks == opened.page.evaluate("getComputedStyle(document.body).color")


def test_the_theme_changes_while_it_is_open(browser, run_page):
    opened = Opened(browser, run_page, color_scheme="light")
    swatch = opened.page.locator(".swatch").first
    before = swatch.get_attribute("style")
    opened.page.emulate_media(color_scheme="dark")
    playwright.expect(swatch).not_to_have_attribute("style", before)
    assert opened.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["run_page", "sweep_page"])
def test_axe_finds_nothing_serious(browser, page, scheme, request):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    opened = Opened(browser, request.getfixturevalue(page), color_scheme=scheme)
    found = axe.Axe().run(opened.page).response["violations"]
    assert not [
        (v["id"], v["nodes"][0]["target"], v["nodes"][0]["failureSummary"])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("page", ["run_page", "sweep_page"])
def test_narrow_screens_scroll_tables_and_not_the_page(browser, page, request):
    opened = Opened(browser, request.getfixturevalue(page), viewport={"width": 360, "height": 700})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_a_phone_sections_fold_and_open_by_their_links(browser, run_page):
    opened = Opened(browser, run_page, viewport={"width": 390, "height": 844})
    page = opened.page
    assert page.evaluate("document.documentElement.scrollHeight") < 14_000
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(
        "[...document.querySelectorAll('.fold')].filter((f) => f.open).map((f) => f.parentElement.id)"
    ) == [
        "model",
        "accuracy",
    ]
    page.locator("nav a[href='#test']").click()
    opened.tells("test", "20 of 20")
    assert page.locator("#items-test li").first.is_visible()
    assert opened.wrong == []


def test_a_sweep_sorts_filters_chooses_and_leads_to_its_cells(browser, sweep_page):
    opened = Opened(browser, sweep_page)
    page = opened.page
    assert "1 of 28 runs are" in " ".join(page.locator(".warning").inner_text().split())
    results = page.locator("#table-results")
    methods = results.locator("tbody").first.locator("tr:not(.group) td:first-child")
    assert methods.all_inner_texts() == ["vanilla", "auggpt", "llms_as_instructors", "llm2llm", "pada"]
    header = results.locator("th", has_text="method")
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert methods.all_inner_texts() == ["auggpt", "llm2llm", "llms_as_instructors", "pada", "vanilla"]
    table = page.locator("#table-iterations")
    table.locator("summary").click()
    table.get_by_label("Rows with").fill("squad pada test iteration 1")
    assert table.locator("tbody tr:visible:not(.group)").count() == 3  # pada, and its two ablations
    chart = page.locator("#chart-iterations")
    chart.get_by_label("Show").select_option("dataset squad, val")
    assert chart.locator(".ytitle").text_content() == "val accuracy, %"
    page.locator("#table-cells a").first.click()
    page.wait_for_selector("#accuracy")
    assert "Run report" in page.locator("header").text_content()
    assert opened.wrong == []
