import pytest
from report_runs import cell, table, write_run, write_sweep

from jobs.report import report as print_sweep
from pada_ray.errors import ConfigError
from pada_ray.llm.chat import Usage
from pada_ray.records import Prediction
from pada_ray.report.comparison import compare_models, split_for_results
from pada_ray.report.headline import Headline, sweep_headlines
from pada_ray.report.primary import compare_methods, seeds_of_the_last_look
from pada_ray.report.results import MissingRun, read_run, read_sweep
from pada_ray.report.write import write_run as write_run_report
from pada_ray.report.write import write_sweep as write_report
from pada_ray.runs.state import FILE, RunState
from pada_ray.storage import Folder

AHEAD = {"base": 0.1, "iteration-0": 0.4, "iteration-1": 0.9}
BEHIND = {"base": 0.1, "iteration-0": 0.4, "iteration-1": 0.5}
VANILLA = {"base": 0.1, "iteration-0": 0.4}
MANY = {"test": 100}


def add(folder, cells, method, seed, accuracies, dataset="hellaswag", regime=1000, **run):
    name = f"method-{method}_seed-{seed}"
    cells[name] = {"method": method, "seed": seed, "dataset": dataset}
    data = {"dataset": dataset, "folder": "x", "regime": regime}
    write_run(cell(folder, name), accuracies=accuracies, data=data, seed=seed, **{"items": MANY} | run)


def grid(folder, seeds=(0, 1, 2), primary=("vanilla", "auggpt"), **design):
    """pada is ahead of all methods but its own ablation; seeds differ a little."""
    cells = {}
    for seed in seeds:
        for method, accuracies in (
            ("vanilla", VANILLA),
            ("auggpt", BEHIND),
            ("pada", AHEAD),
            ("pada -quality", AHEAD),
        ):
            last = max(accuracies)
            add(folder, cells, method, seed, accuracies | {last: accuracies[last] + seed / 100})
    write_sweep(folder, cells, *primary, **design)
    return cells


def report(folder, against="pada"):
    write_report(read_sweep(folder), Folder(folder.at("report")), against)


def test_results_with_deviation_interval_gain_and_the_papers_figure(folder):
    grid(folder)
    report(folder)
    rows = {row["method"]: row for row in table(folder, "results")}
    assert list(rows) == ["vanilla", "auggpt", "pada"]
    pada = rows["pada"]
    assert (pada["setting"], pada["seeds"], pada["planned"]) == ("dataset hellaswag", "3", "3")
    assert float(pada["test, %"]) == pytest.approx(91)
    assert float(pada["deviation"]) == pytest.approx(1)
    assert float(pada["95%, low"]) == pytest.approx(91 - 4.303 / 3**0.5, abs=0.01)
    assert float(pada["over vanilla, %"]) == pytest.approx(100 * (91 - 40) / 40)
    assert (pada["paper, %"], rows["vanilla"]["paper, %"]) == ("51.2", "24.2")
    assert "section 3.3 on table 1" in folder.read_text("report/tables/results.md")
    assert "**91.0 ± 1.0**" in folder.read_text("report/tables/table1.md")
    assert "41.0 ± 1.0 | 51.0 ± 1.0 |" in folder.read_text("report/tables/table1.md")


def test_accuracies_and_comparisons_are_printed(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    write_sweep(folder, grid(folder) | {"late": {"method": "pada", "seed": 0, "dataset": "[bold]"}})
    print_sweep(folder.url)
    told = capsys.readouterr().out
    rows = [[part.strip() for part in line.split("│")[1:-1]] for line in told.splitlines() if "│" in line]
    assert rows[0] == ["dataset hellaswag", "41.0 ± 1.0", "51.0 ± 1.0", "91.0 ± 1.0"]
    assert [row[0] for row in rows[1:] if row[0]] == ["vanilla", "auggpt", "pada -quality"]
    assert "pada against the other methods: dataset hellaswag" in told
    assert "dataset hellaswag; seeds 3, items 100, over seeds and items" in " ".join(told.split())
    assert f"page: {folder.at('report/index.html')}" in told


def test_primary_comparisons_are_corrected_and_the_others_are_exploratory(folder):
    grid(folder)
    report(folder)
    rows = {row["pada against"]: row for row in table(folder, "comparisons")}
    assert list(rows) == ["vanilla", "auggpt"]
    assert float(rows["auggpt"]["difference"]) == pytest.approx(40)
    assert float(rows["vanilla"]["p, Holm"]) == pytest.approx(2 * float(rows["vanilla"]["p"]))
    assert float(rows["auggpt"]["p"]) <= float(rows["auggpt"]["p, Holm"]) < 0.001
    assert rows["auggpt"]["standing"] == "primary: significant"
    assert (rows["auggpt"]["seeds"], rows["auggpt"]["items"], rows["auggpt"]["over"]) == ("3", "100", "seeds and items")
    assert float(rows["auggpt"]["smallest detectable"]) > 0
    (ablation,) = table(folder, "ablation_comparisons")
    assert (ablation["pada against"], ablation["standing"]) == ("pada -quality", "exploratory")
    assert ablation["p"] == "1.0" and "p, Holm" not in ablation
    changes = {row["method"]: row for row in table(folder, "ablations")}
    assert float(changes["pada -quality"]["change, points"]) == 0
    assert changes["pada -quality"]["paper, change"] == "-1.5"


def test_a_sweep_that_names_no_primary_comparison_proves_nothing_and_says_how_to_name_some(folder):
    grid(folder, primary=())
    report(folder)
    rows = table(folder, "comparisons")
    assert {row["standing"] for row in rows} == {"exploratory"}
    assert all(float(row["p"]) < 0.001 and "p, Holm" not in row for row in rows)
    notes = folder.read_text("report/tables/comparisons.md")
    assert "primary: \\[{method: pada, against: vanilla}\\]" in notes
    assert not any(bold_rows(folder, name) for name in ("comparisons", "results", "table1"))


def test_against_another_method_than_the_primary_one_all_is_exploratory(folder):
    grid(folder)
    report(folder, against="auggpt")
    assert {row["standing"] for row in table(folder, "comparisons")} == {"exploratory"}
    assert "the primary ones are of pada, not of auggpt" in folder.read_text("report/tables/comparisons.md")


def test_primary_comparisons_of_all_settings_are_one_family(folder):
    cells = {}
    for dataset in ("hellaswag", "squad"):
        for method, accuracies in (("pada", AHEAD), ("auggpt", BEHIND)):
            name = f"{dataset}-{method}"
            write_run(cell(folder, name), accuracies=accuracies, items=MANY)
            cells[name] = {"method": method, "seed": 0, "dataset": dataset}
    write_sweep(folder, cells, "auggpt")
    report(folder)
    assert [float(row["p, Holm"]) for row in table(folder, "comparisons")] == pytest.approx([2 * 2 / 2**40] * 2)
    write_sweep(folder, cells, primary=[{"method": "pada", "against": "auggpt", "dataset": "squad"}])
    report(folder)
    hellaswag, squad = table(folder, "comparisons")
    assert (hellaswag["standing"], hellaswag["p, Holm"]) == ("exploratory", "")
    assert (squad["standing"], float(squad["p, Holm"])) == ("primary: significant", pytest.approx(2 / 2**40))


def test_before_all_planned_seeds_are_done_there_is_no_verdict(folder):
    cells = grid(folder)
    for method in ("pada", "auggpt"):
        cells[f"{method}-late"] = {"method": method, "seed": 3, "dataset": "hellaswag"}
    write_sweep(folder, cells, "vanilla", "auggpt")
    report(folder)
    rows = {row["pada against"]: row for row in table(folder, "comparisons")}
    assert rows["auggpt"]["standing"] == "primary: no verdict, 3 seeds are done and a look is at 4"
    assert float(rows["auggpt"]["p"]) < 0.001 and rows["auggpt"]["p, Holm"] == ""  # p is shown, and called nothing
    assert rows["vanilla"]["standing"] == "primary: significant"  # it has no fourth seed
    assert bold_rows(folder, "comparisons") == ["vanilla"]
    assert bold_rows(folder, "results") == []


SPREAD = (0.05, -0.04, 0.03, -0.02, 0.01, 0.0, 0.02, -0.01, 0.03, 0.04)


def looked_at(folder, seeds, looks=(5, 8), grid=8, lead=0.2, **design):
    """pada ahead of auggpt by `lead` and the spread, of which so many seeds are done."""
    cells = {}
    for seed in range(seeds):
        ahead = {"base": 0.1, "iteration-0": 0.4, "iteration-1": 0.5 + lead + SPREAD[seed]}
        for method, accuracies in (("pada", ahead), ("auggpt", BEHIND)):
            add(folder, cells, method, seed, accuracies, words=f"In story {seed}: ", items={"test": 1000})
    write_sweep(folder, cells, "auggpt", looks=list(looks), seeds=list(range(grid)), **design)
    report(folder)
    (row,) = table(folder, "comparisons")
    return row


@pytest.mark.parametrize(("seeds", "look", "bound"), [(5, "1 of 2", 0.00916), (8, "2 of 2", 0.04713)])
def test_at_a_declared_look_p_is_held_against_its_bound(folder, seeds, look, bound):
    row = looked_at(folder, seeds)
    assert row["look"] == look
    assert float(row["bound"]) == pytest.approx(bound, abs=1e-5)
    assert float(row["p"]) < float(row["bound"])
    assert float(row["p"]) < float(row["p, Holm"]) < 0.05
    assert row["standing"] == "primary: significant"


def test_what_a_single_test_would_call_significant_a_first_look_may_not(folder):
    row = looked_at(folder, 5, lead=0.045)
    assert 0.01 < float(row["p"]) < 0.05 < float(row["p, Holm"])
    assert row["standing"] == "primary: not significant"


@pytest.mark.parametrize("seeds", [3, 6])
def test_outside_a_declared_look_nothing_is_called_significant(folder, seeds):
    row = looked_at(folder, seeds)
    assert row["standing"] == f"primary: no verdict, {seeds} seeds are done and a look is at 5 and 8"
    assert float(row["p"]) < 0.05 and (row["look"], row.get("p, Holm", "")) == ("none of 2", "")
    assert bold_rows(folder, "comparisons") == bold_rows(folder, "results") == []


def test_the_power_rule_moves_the_last_look(folder):
    wide = looked_at(folder, 5, grid=10, detect=5)
    assert int(wide["seeds needed"]) == 7 and wide["look"] == "1 of 2"
    few = looked_at(folder, 8, grid=10, detect=4)
    assert int(few["seeds needed"]) > 8
    at = min(10, int(few["seeds needed"]))
    assert few["standing"] == f"primary: no verdict, 8 seeds are done and a look is at 5 and {at}"
    assert seeds_of_the_last_look(read_sweep(folder)) == {"dataset hellaswag": at}
    assert looked_at(folder, at, grid=10, detect=4)["look"] == "2 of 2"
    looked_at(folder, 3, grid=10, detect=4)
    assert seeds_of_the_last_look(read_sweep(folder)) == {"dataset hellaswag": None}  # nobody knows yet


def shortened(folder, name, missing, quota=4):
    """The run got fewer samples than it asked for: half of its 8 training samples."""
    counts = {"iteration-0": {"training_samples": 8}}
    counts["iteration-1"] = {"training_samples": 12 - missing, "quota": quota, "accepted": 4 - missing, "shortfall": 0}
    use(cell(folder, name), counts=counts)


@pytest.mark.parametrize("quota", [4, 0])  # 0: as in runs of 0.1 that had nothing to write from
def test_a_run_with_a_shortfall_is_flagged_and_left_out_of_comparisons(folder, quota):
    grid(folder)
    shortened(folder, "method-auggpt_seed-1", 4, quota)
    shortened(folder, "method-pada_seed-0", 0)
    report(folder)
    rows = {row["pada against"]: row for row in table(folder, "comparisons")}
    assert (rows["auggpt"]["seeds"], rows["vanilla"]["seeds"]) == ("2", "3")
    assert rows["auggpt"]["standing"].startswith("primary: ")
    flagged = {row["method"]: row["short runs"] for row in table(folder, "results")}
    assert flagged == {"vanilla": "", "auggpt": "1", "pada": ""}
    assert {row["cell"]: row["samples missing"] for row in table(folder, "cells")}["method-auggpt_seed-1"] == "4"
    for name in ("table1", "results", "comparisons"):
        assert "method-auggpt\\_seed-1 (4)" in folder.read_text(f"report/tables/{name}.md")


def test_where_every_seed_has_a_shortfall_there_is_no_comparison(folder):
    grid(folder, seeds=(0,))
    shortened(folder, "method-auggpt_seed-0", 1)
    report(folder)
    row = table(folder, "comparisons")[1]
    assert row["standing"].endswith("both pada and auggpt; the others got fewer samples than they asked for")
    assert bold_rows(folder, "results") == []


def test_relative_gains_beside_the_papers(folder):
    grid(folder)
    report(folder)
    rows = {row["pada over"]: row for row in table(folder, "gains")}
    assert float(rows["vanilla"]["mean relative gain, %"]) == pytest.approx(100 * (91 - 41) / 41)
    assert rows["vanilla"]["paper, %"] == "32.0"
    assert rows["auggpt"]["paper, %"] == ""
    assert "pada -quality" not in rows


def test_gaps_and_accuracy_after_every_iteration(folder):
    grid(folder)
    report(folder)
    gaps = {(row["method"], row["model"]): row for row in table(folder, "gaps")}
    assert gaps["pada", "base model"]["train − val"] == ""
    assert gaps["pada", "pada iteration 1"]["seeds"] == "3"
    assert float(gaps["pada", "vanilla fine-tuning"]["val − test"]) == pytest.approx(0)
    iterations = {(r["method"], r["model"], r["split"]): r for r in table(folder, "iterations")}
    assert float(iterations["pada", "pada iteration 1", "test"]["accuracy, %"]) == pytest.approx(91)
    assert ("pada", "base model", "train") not in iterations


def test_missing_runs_are_listed(folder):
    cells = grid(folder)
    write_run(cell(folder, "method-auggpt_seed-1"), accuracies=VANILLA, status="running", items=MANY)
    cell(folder, "method-auggpt_seed-2").write_text("config.yaml", "nonsense: 1")
    cells["method-llm2llm_seed-0"] = {"method": "llm2llm", "seed": 0, "dataset": "hellaswag"}
    write_sweep(folder, cells)
    report(folder)
    rows = {row["method"]: row for row in table(folder, "results")}
    assert (rows["auggpt"]["seeds"], rows["auggpt"]["planned"], rows["auggpt"]["deviation"]) == ("1", "3", "")
    assert rows["auggpt"]["95%, low"] != ""  # over the items
    assert (rows["llm2llm"]["seeds"], rows["llm2llm"]["planned"]) == ("0", "1")
    unfinished = {row["cell"]: row for row in table(folder, "unfinished")}
    assert {name: row["status"] for name, row in unfinished.items()} == {
        "method-auggpt_seed-1": "running",
        "method-auggpt_seed-2": "missing",
        "method-llm2llm_seed-0": "missing",
    }
    assert "data: this key is required" in unfinished["method-auggpt_seed-2"]["stage or error"]
    assert unfinished["method-auggpt_seed-1"]["stage or error"] == "iteration-1: fine-tuning"
    assert unfinished["method-llm2llm_seed-0"]["stage or error"] == "not begun"
    page = folder.read_text("report/index.html")
    assert "3 of 13 runs are" in page
    assert page.count('href="cells/') == 11  # all that have a config


def test_a_comparison_that_cannot_be_made_says_why(folder):
    cells = {}
    add(folder, cells, "pada", 0, AHEAD)
    add(folder, cells, "auggpt", 1, BEHIND)
    add(folder, cells, "llm2llm", 0, BEHIND, words="Other words. ")
    write_sweep(folder, cells)
    auggpt, llm2llm = compare_methods(read_sweep(folder), "pada", ["auggpt", "llm2llm"])
    assert auggpt.standing == f"exploratory: {auggpt.problem}"
    assert auggpt.problem == "no seed with finished runs of both pada and auggpt"
    assert llm2llm.problem == "seed 0: test items differ from pada's"
    assert not auggpt.significant
    report(folder)
    assert table(folder, "comparisons")[0]["standing"] == auggpt.standing


def test_seeds_with_test_sets_of_their_own_do_not_share_items(folder):
    cells = {}
    for seed in (0, 1):
        for method, accuracies in (("pada", AHEAD), ("auggpt", BEHIND)):
            add(folder, cells, method, seed, accuracies, words=f"In story {seed}: ")
    write_sweep(folder, cells)
    (own,) = compare_methods(read_sweep(folder), "pada", ["auggpt"])
    assert own.found.items == 200


def test_with_one_seed_p_is_mcnemars(folder):
    grid(folder, seeds=(0,))
    (vanilla,) = compare_methods(read_sweep(folder), "pada", ["vanilla"])
    assert vanilla.p == vanilla.found.mcnemar_p == pytest.approx(2 / 2**50)
    assert vanilla.found.over == "items"


def test_a_method_that_beats_the_reference_is_bold(folder):
    cells = {}
    for method, accuracies in (("pada", BEHIND), ("auggpt", AHEAD)):
        add(folder, cells, method, 0, accuracies)
    write_sweep(folder, cells, "auggpt")
    report(folder)
    assert bold_rows(folder, "results") == ["auggpt"]
    with pytest.raises(ConfigError, match="--against padda: no run of this method; use one of pada, auggpt"):
        report(folder, against="padda")


def test_unscored_replies_are_left_out_on_both_sides(folder):
    write_run(folder, accuracies=AHEAD, items=MANY)
    predictions = folder.read_records("iteration-1/predictions.jsonl", Prediction)
    unscored = [p.model_copy(update={"failed": None}) if p.id in ("test-0", "test-95") else p for p in predictions]
    folder.write_records("iteration-1/predictions.jsonl", unscored)
    state = RunState.model_validate_json(folder.read_text(FILE))
    state.scores["iteration-1"]["test"] = state.scores["iteration-1"]["test"].model_copy(update={"unscored": 2})
    folder.write_text(FILE, state.model_dump_json())
    (found,) = compare_models(read_run(folder), "iteration-1", ["iteration-0"])
    assert found.found.items == 98
    assert found.found.difference == pytest.approx(100 * 50 / 98)


def test_val_stands_in_where_there_is_no_test_split(folder):
    cells = {}
    add(folder, cells, "pada", 0, AHEAD, splits=("train", "val"))
    add(folder, cells, "vanilla", 0, VANILLA, splits=("train", "val"))
    write_sweep(folder, cells)
    sweep = read_sweep(folder)
    assert split_for_results(sweep.runs) == "val"
    report(folder)
    assert float(table(folder, "comparisons")[0]["difference"]) == pytest.approx(50)
    assert "Val accuracy by setting and method" in folder.read_text("report/tables/table1.md")


def test_seeds_alone_make_a_sweep(folder):
    for seed in (0, 1):
        write_run(cell(folder, f"seed-{seed}"), seed=seed)
    write_sweep(folder, {f"seed-{seed}": {"seed": seed} for seed in (0, 1)})
    report(folder)
    assert not folder.exists("report/tables/comparisons.csv")
    (row,) = table(folder, "results")
    assert (row["method"], row["seeds"], "setting" in row) == ("pada", "2", False)


def test_on_other_datasets_nothing_is_said_of_the_paper(folder):
    for method in ("pada", "vanilla", "pada -quality"):
        write_run(cell(folder, method), data={"demo": {}, "regime": 1000})
    write_sweep(folder, {method: {"method": method} for method in ("pada", "vanilla", "pada -quality")})
    report(folder)
    assert "mean relative gain, %" in table(folder, "gains")[0]
    assert not any("aper" in folder.read_text(f"report/tables/{n}.md") for n in ("results", "gains", "ablations"))


def test_nothing_has_begun(folder):
    write_sweep(folder, {"method-pada": {"method": "pada"}})
    assert isinstance(read_sweep(folder).cells[0].run, MissingRun)
    report(folder)
    assert table(folder, "results")[0]["seeds"] == "0"


def test_an_ablation_that_has_not_begun(folder):
    write_run(cell(folder, "pada"))
    write_sweep(folder, {method: {"method": method} for method in ("pada", "pada -quality")})
    report(folder)
    assert {row["method"] for row in table(folder, "ablations")} == {"pada", "pada -quality"}
    assert not folder.exists("report/tables/ablation_comparisons.csv")


def test_the_reference_is_pada_or_what_there_is(folder):
    cells = {}
    add(folder, cells, "vanilla", 0, VANILLA)
    add(folder, cells, "auggpt", 0, BEHIND)
    write_sweep(folder, cells)
    report(folder, against=None)
    assert table(folder, "comparisons")[0]["vanilla against"] == "auggpt"
    cells["method-pada_seed-0"] = {"method": "pada", "seed": 0, "dataset": "hellaswag"}
    write_sweep(folder, cells)
    report(folder, against=None)
    assert [row["pada against"] for row in table(folder, "comparisons")] == ["vanilla", "auggpt"]


def test_rows_of_a_setting_stand_together_however_the_grid_turns(folder):
    cells = {
        f"{method}-{regime}": {"method": method, "regime": regime} for method in ("pada", "auggpt") for regime in (1, 2)
    }
    for name in cells:
        write_run(cell(folder, name))
    write_sweep(folder, cells)
    report(folder)
    rows = [(row["setting"], row["method"]) for row in table(folder, "results")]
    assert rows == [(f"regime {regime}", method) for regime in (1, 2) for method in ("pada", "auggpt")]


def test_paused_runs_are_counted_apart_from_failed_ones(folder):
    cells = {}
    for seed, status in enumerate(("paused", "failed", "done")):
        cells[f"seed-{seed}"] = {"seed": seed}
        write_run(cell(folder, f"seed-{seed}"), accuracies=VANILLA, status=status, items=MANY)
    write_sweep(folder, cells)
    assert sweep_headlines(read_sweep(folder))[0] == Headline("Runs done", "1 of 3", "1 paused, 1 failed")


def bold_rows(folder, name):
    """The second cells of the rows with a bold cell."""
    lines = [line for line in folder.read_text(f"report/tables/{name}.md").splitlines() if line.startswith("|")]
    return [line.split(" | ")[1] for line in lines if "**" in line]


@pytest.mark.parametrize(("accuracy", "significant"), [(0.46, False), (0.47, True)])
def test_a_lead_is_bold_only_where_it_is_significant_after_the_correction(folder, accuracy, significant):
    """With one seed p is 2 / 2**6 for six items more, and 2 / 2**7 for seven; there are two comparisons."""
    cells = {}
    for method, last in (("auggpt", 0.4), ("llm2llm", 0.4), ("pada", accuracy)):
        add(folder, cells, method, 0, {"base": 0.1, "iteration-0": 0.3, "iteration-1": last})
    write_sweep(folder, cells, "auggpt", "llm2llm")
    report(folder)
    rows = table(folder, "comparisons")
    assert [float(row["difference"]) for row in rows] == pytest.approx([100 * (accuracy - 0.4)] * 2)
    assert all(float(row["p"]) < 0.05 for row in rows)
    assert bold_rows(folder, "comparisons") == ["auggpt", "llm2llm"] * significant
    assert bold_rows(folder, "results") == ["pada"] * significant
    assert bool(bold_rows(folder, "table1")) == significant


def test_a_lead_over_some_of_the_methods_is_not_bold(folder):
    cells = {}
    for method, last in (("auggpt", 0.4), ("llm2llm", 0.88), ("pada", 0.9)):
        add(folder, cells, method, 0, {"base": 0.1, "iteration-0": 0.3, "iteration-1": last})
    write_sweep(folder, cells, "auggpt", "llm2llm")
    report(folder)
    assert bold_rows(folder, "comparisons") == ["auggpt"]
    assert bold_rows(folder, "results") == []


def test_no_method_is_bold_that_is_behind_an_exploratory_one(folder):
    cells = {}
    for method, last in (("auggpt", 0.4), ("llm2llm", 0.95), ("pada", 0.9)):
        add(folder, cells, method, 0, {"base": 0.1, "iteration-0": 0.3, "iteration-1": last})
    write_sweep(folder, cells, "auggpt")
    report(folder)
    assert bold_rows(folder, "comparisons") == ["auggpt"]
    assert bold_rows(folder, "results") == []


def use(folder, *usage, **changes):
    """Writes `usage` and `changes` into a run's state."""
    state = RunState.model_validate_json(folder.read_text(FILE))
    folder.write_text(FILE, state.model_copy(update={"usage": list(usage)} | changes).model_dump_json())


def test_tokens_are_means_per_run_and_the_generators_are_apart(folder):
    cells = {}
    for seed in (0, 1, 2):
        add(folder, cells, "pada", seed, AHEAD)
        use(
            cell(folder, f"method-pada_seed-{seed}"),
            Usage(role="teacher", purpose="error_analysis", calls=4, prompt_tokens=5000, completion_tokens=600),
            Usage(role="teacher", purpose="pattern_generation", calls=2, prompt_tokens=700, completion_tokens=300),
            Usage(
                role="teacher", purpose="error_generation", calls=2 + 2 * seed, prompt_tokens=100 * seed,
                completion_tokens=40, shared=True,
            ),
            Usage(role="judge", purpose="quality_control", calls=3, prompt_tokens=90, completion_tokens=10),
            **({"status": "running"} if seed == 2 else {}),
        )  # fmt: skip
    write_sweep(folder, cells)
    report(folder)
    (results,), (tokens,) = table(folder, "results"), table(folder, "tokens")
    assert (results["generator tokens"], results["all tokens"]) == ("1090", "6790")
    assert (tokens["generator tokens"], tokens["all tokens"]) == ("1090", "6790")
    assert (tokens["seeds"], tokens["calls"]) == ("2", "12")
    assert (tokens["prompt tokens"], tokens["completion tokens"]) == ("5840", "950")
    assert "USD" not in results and "USD" not in tokens


def test_dollars_are_shown_where_every_call_has_a_price(folder):
    cells = {}
    priced = Usage(role="teacher", purpose="rephrasing", calls=1, prompt_tokens=1, completion_tokens=1, usd=0.5)
    for method, seed in (("auggpt", 0), ("auggpt", 1), ("pada", 0), ("pada", 1)):
        add(folder, cells, method, seed, AHEAD)
        use(cell(folder, f"method-{method}_seed-{seed}"), priced, priced)
    use(cell(folder, "method-pada_seed-1"), priced, priced.model_copy(update={"usd": None}))
    write_sweep(folder, cells)
    report(folder)
    for name in ("results", "tokens"):
        assert {row["method"]: row["USD"] for row in table(folder, name)} == {"auggpt": "1.0", "pada": ""}


def test_a_method_that_has_not_begun_is_not_beaten(folder):
    cells = {}
    add(folder, cells, "pada", 0, AHEAD)
    add(folder, cells, "auggpt", 0, BEHIND)
    write_sweep(folder, cells, "auggpt", "llm2llm")
    report(folder)
    assert "**90.0**" in folder.read_text("report/tables/results.md")
    cells["method-llm2llm"] = {"method": "llm2llm", "dataset": "hellaswag", "seed": 0}
    write_sweep(folder, cells, "auggpt", "llm2llm")
    report(folder)
    with_another = folder.read_text("report/tables/results.md")
    assert "**90.0**" not in with_another and "90.0" in with_another


def test_the_training_samples_of_final_models_show_where_sizes_do_not_match(folder):
    cells = {}
    for method, samples in (("pada", 12), ("auggpt", 11)):
        add(folder, cells, method, 0, AHEAD)
        use(cell(folder, f"method-{method}_seed-0"), counts={"iteration-1": {"training_samples": samples}})
    write_sweep(folder, cells)
    report(folder)
    rows = table(folder, "results")
    assert {row["method"]: row["training samples"] for row in rows} == {"pada": "12", "auggpt": "11"}


def test_humaneval_counts_among_the_smallest_regime_as_in_the_paper(folder):
    cells = {}
    for seed, (dataset, regime) in enumerate((("humaneval", None), ("gsm8k", 300), ("squad", 1000))):
        for method, accuracies in (("pada", AHEAD), ("auggpt", BEHIND)):
            add(folder, cells, method, seed, accuracies, dataset, regime)
    write_sweep(folder, cells)
    report(folder)
    rows = table(folder, "gains")
    assert [(row["training samples"], row["settings"]) for row in rows] == [("300", "2"), ("1000", "1")]


def with_reference(folder):
    """A reference is ahead of pada; its last model is scored on test alone."""
    cells = grid(folder)
    for seed in (0, 1, 2):
        add(folder, cells, "train_plus_val", seed, {"base": 0.1, "iteration-0": 0.4, "iteration-1": 0.99})
        place = cell(folder, f"method-train_plus_val_seed-{seed}")
        config = place.read_yaml("config.yaml")
        place.write_yaml("config.yaml", config | {"method": "train_plus_val"})
        state = RunState.model_validate_json(place.read_text(FILE))
        state.scores["iteration-1"] = {"test": state.scores["iteration-1"]["test"]}
        state.best = "iteration-1"
        place.write_text(FILE, state.model_dump_json())
    write_sweep(folder, cells, "vanilla", "auggpt")


def test_a_reference_has_its_row_and_is_nobodys_rival(folder):
    grid(folder)
    report(folder)
    before = {name: table(folder, name) for name in ("comparisons", "gains")}
    with_reference(folder)
    report(folder)
    assert {name: table(folder, name) for name in before} == before
    rows = {row["method"]: row for row in table(folder, "results")}
    assert rows["train_plus_val"]["test, %"] == "99.0" and rows["train_plus_val"]["best on val"] == ""
    markdown = folder.read_text("report/tables/results.md")
    assert "is a reference and no rival" in markdown
    gaps = [row for row in table(folder, "gaps") if row["method"] == "train_plus_val"]
    assert gaps[-1]["train − val"] == ""


def test_a_run_that_has_no_val_score_at_the_end_has_a_report(folder):
    with_reference(folder)
    one = cell(folder, "method-train_plus_val_seed-0")
    write_run_report(read_run(one), Folder(one.at("report")))
    text = one.read_text("report/tables/accuracy.md")
    assert "trained on val: a reference, no rival" in text and "best on val" not in text
