import base64
import hashlib
import json
import os
import re
import time
from html.parser import HTMLParser

import pytest
import yaml
from report_runs import HOSTILE, cell, table, write_run, write_sweep

from jobs.report import report
from pada_ray.errors import ConfigError
from pada_ray.findings.stability import read_stability
from pada_ray.report.items import read_items
from pada_ray.report.page import CHART_LIBRARY
from pada_ray.report.results import read_run
from pada_ray.report.tables import Column, Table, to_csv, to_latex, to_markdown
from pada_ray.report.write import is_current
from pada_ray.report.write import write_run as write_page
from pada_ray.runs import run_files
from pada_ray.runs.state import FILE, RunState
from pada_ray.storage import Folder


class Page(HTMLParser):
    """A page as a browser parses it: its elements, and the content of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.scripts = []
        self.in_script = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
            self.in_script = True

    def handle_endtag(self, tag):
        self.in_script = False

    def handle_data(self, data):
        if self.in_script:
            self.scripts[-1] += data

    @property
    def ids(self):
        return {attrs["id"] for _, attrs in self.elements if "id" in attrs}


def written(folder, **run):
    write_run(folder, **run)
    report(folder.url)
    return folder.read_text("report/index.html")


def test_accuracy_of_every_model_with_its_gaps(folder, capsys):
    written(folder, samples=30)
    rows = {row["model"]: row for row in table(folder, "accuracy")}
    assert list(rows) == ["base model", "vanilla fine-tuning", "pada iteration 1"]
    assert rows["pada iteration 1"]["remark"] == "final, best on val"
    assert float(rows["vanilla fine-tuning"]["test"]) == 50
    assert float(rows["vanilla fine-tuning"]["test, 95%, low"]) == pytest.approx(29.9, abs=0.1)
    assert float(rows["pada iteration 1"]["train − val"]) == pytest.approx(0)
    comparison = {row["against"]: row for row in table(folder, "comparisons")}
    assert float(comparison["vanilla fine-tuning"]["difference"]) == 25
    assert float(comparison["vanilla fine-tuning"]["McNemar p"]) == pytest.approx(2 / 2**5)
    told = capsys.readouterr().out
    assert f"page: {folder.at('report/index.html')}" in told
    assert f"tables: {folder.at('report/tables')}" in told


def test_samples_that_a_run_asked_for_and_did_not_get_are_remarked(folder):
    write_run(folder)
    state = RunState.model_validate_json(folder.read_text(FILE))
    state.counts["iteration-1"] |= {"quota": 4, "accepted": 1, "shortfall": 3}
    folder.write_text(FILE, state.model_dump_json())
    report(folder.url)
    assert [row["remark"] for row in table(folder, "accuracy")][-1] == "final, best on val, 3 samples missing"


def test_only_a_significant_difference_is_bold(folder):
    written(folder)
    rows = [line.split(" | ") for line in folder.read_text("report/tables/comparisons.md").splitlines()]
    differences = {row[0]: row[1] for row in rows if len(row) > 1}
    assert differences["| base model"] == "**+65.0**"
    assert differences["| vanilla fine-tuning"] == "+25.0"  # five items of twenty


def test_replies_without_a_rating_are_counted_and_left_out(folder):
    write_run(folder)
    state = RunState.model_validate_json(folder.read_text(FILE))
    scores = state.scores["iteration-1"]
    scores["test"] = scores["test"].model_copy(update={"failures": 2, "unscored": 4})
    folder.write_text(FILE, state.model_dump_json())
    report(folder.url)
    rows = {row["model"]: row for row in table(folder, "accuracy")}
    assert {model: row["unscored"] for model, row in rows.items()} == {
        "base model": "",
        "vanilla fine-tuning": "",
        "pada iteration 1": "4",
    }
    assert float(rows["pada iteration 1"]["test"]) == pytest.approx(100 * 14 / 16)
    assert "unscored" in folder.read_text("report/index.html")


def test_stable_clusters_get_no_warning(folder):
    text = written(folder, samples=30)
    (row,) = table(folder, "stability")
    assert (row["iteration"], row["analyses"], row["clusters"]) == ("1", "10", "2")
    assert (float(row["ARI, other seeds"]), float(row["ARI, subsamples"])) == (1, 1)
    assert "Stability of the clusters" in text
    assert "do not support" not in text


def test_clusters_that_the_data_do_not_support_get_a_warning(folder):
    write_run(folder, samples=30)
    analysed = folder.read_yaml(run_files.clusters(1))
    folder.write_yaml(run_files.clusters(1), {name: i // 5 for i, name in enumerate(analysed)})  # causes alternate
    report(folder.url)
    (row,) = table(folder, "stability")
    (found,) = read_stability(folder)
    figures = [float(row[name]) for name in ("ARI, other seeds", "ARI, subsamples", "silhouette")]
    assert figures == [found.ari_over_seeds, found.ari_over_subsamples, found.silhouette]
    assert len(set(figures)) == 3 and max(figures) < 0.65
    warning = '<p class="warning">Iteration 1: the data do not support 2 clusters: other seeds give other clusters'
    assert warning in folder.read_text("report/index.html")


def test_the_outcome_of_patterns(folder):
    written(folder, samples=30)
    first, _ = table(folder, "patterns")
    assert (first["failures"], first["fixed"], first["samples"]) == ("5", "3", "15")
    assert float(first["of all, %"]) == 50
    assert float(first["category before"]) == 5
    assert "category after" not in first  # the last model's failures were not analysed
    (turnover,) = table(folder, "turnover")
    assert (turnover["failures before"], turnover["fixed"], turnover["broken"]) == ("10", "5", "0")
    assert [row["category"] for row in table(folder, "figure8")] == ["Category 0 ", f"Category 1 {HOSTILE}"]
    assert table(folder, "table3")[0]["strategy"] == "'=Strategy 0"
    assert {"accuracy", "errors", "val", "samples", "cost", "config"} <= Page(folder.read_text("report/index.html")).ids


def test_what_the_last_model_still_gets_wrong(folder):
    written(folder, samples=30, left=True, iterations=1)
    first, second = table(folder, "patterns")
    assert [float(row["category after"]) for row in (first, second)] == [3, 2]
    assert {row["iteration"] for row in table(folder, "table3")} == {"1"}
    columns = ["category", "vanilla fine-tuning", "pada iteration 1"]
    assert [list(row)[:3] for row in table(folder, "figure8")] == [columns] * 2
    page = folder.read_text("report/index.html")
    assert {"pattern-1-0", "pattern-2-0", "pattern-2-1"} <= Page(page).ids
    assert "an estimated 3 of the 5 that are left" in " ".join(page.split())
    item = next(entry for entry in read_items(read_run(folder)).val if entry.id == "val-15")
    assert (item.steps[-1].iteration, item.steps[-1].cluster) == (2, 0)


def test_tokens_and_time_per_stage(folder):
    written(folder, samples=30)
    *rows, total = table(folder, "tokens")
    assert [(r["stage"], r["purpose"]) for r in rows] == [
        ("data generation", "pattern_generation"),
        ("data generation", "quality_control"),
    ]
    assert (total["calls"], total["prompt tokens"]) == ("12", "790")
    assert "USD" not in total
    assert table(folder, "time")[0]["all"] == "180.0"


def test_each_sample_stands_beside_its_seed_with_all_its_drafts(folder):
    write_run(folder, samples=30)
    items = read_items(read_run(folder))
    by_first = {entry.versions[0].id: entry for entry in items.samples}
    assert len(by_first) == 30
    regenerated = by_first["draft-2-0"]
    assert [(v.attempt, v.overall, v.rejected) for v in regenerated.versions] == [(0, 5, "low score"), (1, 9, None)]
    assert items.seeds[regenerated.seed][0].content.startswith("How many is 2")
    assert [v.rejected for v in by_first["draft-9-0"].versions] == ["low score", "low score"]
    assert by_first["draft-7-0"].wrong_reply == "reply 7"  # seed train-7 was a failure of the model before
    assert by_first["draft-0-0"].wrong_reply is None


def test_a_val_item_leads_to_its_cluster(folder):
    write_run(folder, samples=30)
    item = next(entry for entry in read_items(read_run(folder)).val if entry.id == "val-12")
    assert [(s.model, s.failed, s.iteration, s.cluster) for s in item.steps] == [
        ("base", True, None, None),
        ("iteration-0", True, 1, 0),
        ("iteration-1", False, None, None),
    ]
    assert item.steps[1].cause.startswith("Carries a digit")


def test_what_models_wrote_is_text(folder):
    text = written(folder, samples=30)
    page = Page(text)
    assert not [attrs for tag, attrs in page.elements if tag == "img"]
    charts, items = map(json.loads, page.scripts[:2])
    assert HOSTILE in items["samples"][0]["versions"][0]["messages"][0]["content"]
    names = [trace["name"] for trace in charts["figure8"][""]["data"]]
    assert not any("<img" in name for name in names)  # the chart library would read it as HTML


def test_the_page_loads_nothing_and_runs_its_own_scripts_alone(folder):
    page = Page(written(folder, samples=30))
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    _, _, *scripts = page.scripts  # the first two hold data and do not run
    assert {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts} == allowed
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-eval" not in policy
    targets = [a.get("href") or a.get("src") for _, a in page.elements if a.get("href") or a.get("src")]
    assert targets
    assert not [t for t in targets if t.startswith(("http", "//", "file"))]


def test_the_chart_library_is_the_published_one():
    code = CHART_LIBRARY.read_bytes()
    assert b"plotly.js (basic - minified) v4.1.1" in code[:200]
    digest = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"
    assert hashlib.sha256(code).hexdigest() == digest
    assert (CHART_LIBRARY.parent / "plotly-LICENSE").read_text().startswith("MIT License")


def test_a_run_that_is_under_way(folder):
    text = written(folder, accuracies={"base": 0.1, "iteration-0": 0.5}, status="running")
    assert "the report covers what is done so far" in text
    assert not folder.exists("report/tables/comparisons.csv")
    assert [row.get("remark", "") for row in table(folder, "accuracy")] == ["", ""]
    assert "samples" not in Page(text).ids


def test_a_run_that_has_not_begun(folder):
    text = written(folder, accuracies={}, status="running")
    assert "Nothing has been spent yet." in text
    folder.remove("state.json")
    report(folder.url)
    assert "Status: <b>prepared</b>" in folder.read_text("report/index.html")


LOST = {"base": 0.1, "iteration-0": 0.75, "iteration-1": 0.5}


def headlines(text) -> list[str]:
    found = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", text, re.DOTALL)
    return [f"{name}: {re.sub('<.*', '', value)}" for name, value in found]


def test_the_headline_is_the_model_that_the_user_gets_and_not_the_last(folder):
    write_run(folder, accuracies=LOST)
    state = RunState.model_validate_json(folder.read_text(FILE))
    folder.write_text(FILE, state.model_copy(update={"best": "iteration-0"}).model_dump_json())
    report(folder.url)
    text = folder.read_text("report/index.html")
    assert headlines(text)[:3] == [
        "vanilla fine-tuning, test: 75.0%",
        "base model, test: 10.0%",
        "Gain over base: +65.0 points",
    ]
    assert "The model you get: vanilla fine-tuning" in text
    assert f"<code>{folder.at('iteration-0/adapter')}</code>" in text


def test_three_examples_before_and_after_are_items_that_became_right(folder):
    text = written(folder)
    assert headlines(text)[:2] == ["pada iteration 1, test: 75.0%", "vanilla fine-tuning, test: 50.0%"]
    shown = text.partition('<section id="model">')[2].partition("</section>")[0]
    names = re.findall(r"Example \d, test item test-(\d+)", shown)
    assert len(names) == 3
    assert all(2 <= int(name) < 15 for name in names)  # the base model has the first two right, the last fifteen
    assert shown.count("Before, by the base model") == shown.count('After: <span class="good">right</span>') == 3


def test_where_no_model_did_better_than_the_base_model_it_says_so(folder):
    write_run(folder)
    state = RunState.model_validate_json(folder.read_text(FILE))
    folder.write_text(FILE, state.model_copy(update={"best": "base"}).model_dump_json())
    report(folder.url)
    text = folder.read_text("report/index.html")
    assert "No fine-tuned model did better on val than the base model" in text
    assert headlines(text)[0] == "base model, test: 10.0%"


def test_loss_curves_by_step_and_for_older_runs_by_epoch(folder):
    figures = {"job": "a", "samples": 8, "left_out": 0, "steps": 40, "final_loss": 0.5, "losses": [2.0, 0.5]}
    folder.write_yaml("iteration-0/adapter/fine_tune.yaml", figures)
    folder.write_yaml("iteration-1/adapter/fine_tune.yaml", figures | {"curve": [[1, 3.0], [2, 2.5], [40, 0.25]]})
    page = Page(written(folder))
    old, new = json.loads(page.scripts[0])["losses"][""]["data"]
    assert (old["x"], old["y"]) == ([20, 40], [2.0, 0.5])
    assert (new["x"], new["y"]) == ([1, 2, 40], [3.0, 2.5, 0.25])
    assert {"training", "chart-losses"} <= page.ids


def test_test_items_are_listed_as_val_items_are(folder):
    page = Page(written(folder, samples=30))
    items = json.loads(page.scripts[1])
    assert [entry["id"] for entry in items["test"]] == [f"test-{i}" for i in range(20)]
    assert [(s["model"], s["failed"], s["cluster"]) for s in items["test"][12]["steps"]] == [
        ("base", True, None),
        ("iteration-0", True, None),
        ("iteration-1", False, None),
    ]
    assert {"test", "items-test"} <= page.ids
    assert "test" not in Page(written(folder, splits=("train", "val"), samples=10)).ids


def test_every_section_folds_and_a_phone_scrolls_what_is_wide(folder):
    text = written(folder, samples=30)
    sections = re.findall(r'<section id="(\w+)"><details class="fold" open>\s*<summary><h2>', text)
    assert sections == re.findall(r'<section id="(\w+)"', text)
    assert sections == ["model", "accuracy", "errors", "val", "test", "samples", "cost", "config"]
    assert text.count("<table") == len(re.findall(r'<div class="scroll"[^>]*>\s*<table', text))
    assert 'matchMedia("(max-width: 40rem)")' in Page(text).scripts[-1]  # all but the first two close there


def test_a_run_without_test_split(folder):
    text = written(folder, splits=("train", "val"), samples=10)
    assert "val − test" not in table(folder, "accuracy")[0]
    assert "the agents have seen val" in folder.read_text("report/tables/comparisons.md")
    assert "pada iteration 1, val" in text


def test_without_its_embedding_model_a_run_says_what_is_missing(folder, monkeypatch):
    def unreachable(*_):
        raise ConfigError("pattern_analysis.embedding: gone cannot be loaded")

    monkeypatch.setattr("pada_ray.report.evidence.read_lineage", unreachable)
    text = written(folder, samples=30)
    assert "gone cannot be loaded" in text
    assert "figure8" not in text
    assert table(folder, "patterns")[0]["fixed"] == "3"


def test_other_methods_have_no_patterns_but_items_fixed_and_broken(folder):
    written(folder, method="auggpt")
    assert table(folder, "turnover")[0]["fixed"] == "5"
    assert table(folder, "accuracy")[2]["model"] == "auggpt iteration 1"
    assert "errors" not in Page(folder.read_text("report/index.html")).ids


def test_the_papers_figures_stand_beside_a_run_on_its_dataset(folder):
    written(folder, data={"dataset": "hellaswag", "folder": "x", "regime": 1000})
    assert [row["paper, test"] for row in table(folder, "accuracy")] == ["", "24.2", "51.2"]


def test_the_cells_of_a_sweep_get_pages_that_are_kept_while_they_are_current(folder, tmp_path):
    write_run(cell(folder, "a"))
    write_sweep(folder, {"a": {"seed": 0}, "b": {"seed": 1}})
    out = tmp_path / "elsewhere"
    report(folder.url, out=str(out))
    page = out / "cells/a/index.html"
    assert 'href="cells/a/index.html"' in (out / "index.html").read_text()
    assert not (out / "cells/b").exists()
    page.write_text(page.read_text() + "kept")
    report(folder.url, out=str(out))
    assert page.read_text().endswith("kept")
    cell(folder, "a").write_text("state.json", cell(folder, "a").read_text("state.json"))
    report(folder.url, out=str(out))
    assert not page.read_text().endswith("kept")


def test_no_run_there(tmp_path):
    with pytest.raises(ConfigError, match="no run and no sweep here"):
        report(str(tmp_path / "nothing"))


def test_the_config_is_there_in_full(folder):
    text = written(folder)
    shown = re.search(r"<pre[^>]*>(.*?)</pre>", text, re.S)[1]
    assert yaml.safe_load(shown.replace("&#39;", "'").replace("&#34;", '"'))["iterations"] == 2


def test_a_page_of_an_earlier_state_is_not_current_even_if_written_later(folder):
    write_run(folder)
    earlier = read_run(folder)
    os.utime(folder.at(FILE), (time.time() - 60,) * 2)  # as if written a minute ago, but after it was read
    out = Folder(folder.at("report"))
    write_page(earlier, out)
    assert not is_current(read_run(folder), out)
    write_page(read_run(folder), out)
    assert is_current(read_run(folder), out)


def test_marks_that_hide_or_turn_text_are_shown_as_such(folder):
    """A reader would see another text than a model does."""
    hidden = "\u202e\u200b\u2066\ufeff\u200f\u00ad\u2028\U000e0041"
    shown = "[U+202E][U+200B][U+2066][U+FEFF][U+200F][U+00AD][U+2028][U+E0041]"
    text = written(folder, samples=30, words=f"é{hidden}☃ ", student={"model": f"a{hidden}b"})
    assert not re.search(f"[{hidden}]", text)
    assert f"student a{shown}b." in text
    items = json.loads(Page(text).scripts[1])
    assert items["val"][0]["messages"][0]["content"].startswith(f"é{shown}☃ ")
    table = Table("t", "T", [Column("text")], [[f"a{hidden}"]], [])
    for written_as in (to_csv, to_markdown, to_latex):
        assert not re.search(f"[{hidden}]", written_as(table)) and "U+202E" in written_as(table)
