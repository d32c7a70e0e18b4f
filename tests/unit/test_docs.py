"""Docs: no link is broken, the config reference is current, and the site has every page."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from builders import RAW, small_config

from pada_ray.config import Config, check_config

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(file for part in ("docs", "configs", "examples", "benchmarks")
                                       for file in (ROOT / part).rglob("*.md"))]
)  # fmt: skip
_LINK = re.compile(r"\]\(([^)\s]+)\)|<(?:img|a)\s[^>]*(?:src|href)=\"([^\"]+)\"")


def without_code(text):
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "code", text)


def slugs(page):
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = set()
    for heading in re.findall(r"^#+ +(.*?) *#*$", text, flags=re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-1")
    return found


def broken(page, text):
    """The relative links in a page's text that lead nowhere."""
    wrong = []
    for target in (first or second for first, second in _LINK.findall(without_code(text))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        there = place.exists() and place.is_relative_to(ROOT)
        if not there or (anchor and (place.suffix != ".md" or anchor not in slugs(place))):
            wrong.append(target)
    return wrong


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_broken(page):
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_a_broken_link_would_be_seen():
    page = ROOT / "docs" / "data.md"
    text = (
        "[a](tasks.md) [b](nowhere.md) [c](tasks.md#no-such-heading) ![d](../no.png) `[e](in_code.md)` [f](https://x.y)"
    )
    assert broken(page, text) == ["nowhere.md", "tasks.md#no-such-heading", "../no.png"]
    assert broken(page, '<img src="report.png"> <img src="no.png">') == ["no.png"]


def test_the_config_reference_is_current():
    written = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert written == script("config_reference").reference(), "run: python docs/config_reference.py"


def test_the_config_reference_says_something_of_every_key():
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", (ROOT / "docs" / "config.md").read_text(), flags=re.MULTILINE)
    assert {name for name, _ in rows} >= set(Config.model_fields)
    assert [name for name, about in rows if not about.strip()] == []


def test_the_papers_plain_setting_is_that_of_its_configs():
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    plain = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    control = small_config(**plain).quality_control
    for path in sorted((ROOT / "configs" / "paper").glob("*.yaml")):
        own = check_config(RAW | {"quality_control": yaml.safe_load(path.read_text())["quality_control"]}, path.name)
        assert control == own.quality_control.model_copy(update={"canaries": 0}), path.name
    # Each key that a row turns to the paper's way. Of new seeds, which one of them is about, the paper says nothing.
    rows = re.findall(r"\| `(\w+)\.(\w+): (0|1|false|none|batch)`", page)
    assert {(section, key) for section, key, _ in rows} - {("data_generation", "candidate_budget")} == {
        (section, key) for section, keys in plain.items() for key in keys
    }


def test_the_site_has_every_page_of_the_docs():
    class Loader(yaml.SafeLoader):
        """Reads the names of functions as text."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: "")
    nav = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]

    def files(part):
        if isinstance(part, str):
            return {part}
        return {file for each in (part.values() if isinstance(part, dict) else part) for file in files(each)}

    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    outside = re.findall(r'"([\w/.]+\.md)": "([\w.]+\.md)"', (ROOT / "docs" / "site.py").read_text())
    results = {f"{path.stem}_results.md" for path in (ROOT / "benchmarks" / "results").glob("*.md")}
    assert files(nav) == pages | {name for _, name in outside} | results
