import pytest
import yaml

from jobs.local.run_folder import lay_out
from jobs.sweep import sweep as run_sweep
from pada_ray.config import dump_config, load_config
from pada_ray.data.splits import read_data
from pada_ray.errors import ConfigError
from pada_ray.runs.configs import read_config
from pada_ray.runs.state import RunState
from pada_ray.runs.sweep import chosen, load_sweep, read_design, up_to, write_sweep
from pada_ray.storage import Folder

BASE = {
    "name": "table",
    "data": {"demo": {}},
    "llm": {"teacher": {"base_url": "offline", "model": "a"}, "judge": {"base_url": "offline", "model": "b"}},
}


def load(tmp_path, grid, *overrides, **more):
    file = tmp_path / "sweep.yaml"
    raw = BASE | {"runs": str(tmp_path / "runs"), "grid": grid}
    file.write_text(yaml.safe_dump(raw | more, sort_keys=False))
    return load_sweep(str(file), list(overrides))


def test_a_cell_for_each_combination(tmp_path):
    sweep = load(tmp_path, {"method": ["vanilla", "pada"], "data.regime": [300, 1000], "seed": [1, 2]})
    assert len(sweep.cells) == 8
    last = sweep.cells[-1]
    assert last.name == "method-pada_regime-1000_seed-2"
    assert last.coordinates == {"method": "pada", "regime": 1000, "seed": 2}
    assert (last.config.method, last.config.data.regime, last.config.seed) == ("pada", 1000, 2)
    assert last.config.runs == f"{sweep.url}/cells"


def test_a_label_sets_several_keys(tmp_path):
    ablations = {
        "pada": {"method": "pada"},
        "pada -quality": {"method": "pada", "quality_control.enabled": False},
    }
    sweep = load(tmp_path, {"method": ablations})
    assert [c.name for c in sweep.cells] == ["method-pada", "method-pada-quality"]
    assert [c.config.quality_control.enabled for c in sweep.cells] == [True, False]
    assert sweep.cells[1].coordinates == {"method": "pada -quality"}


def test_several_grids_follow_each_other(tmp_path):
    sweep = load(tmp_path, [{"data.regime": [300, 600]}, {"data.regime": [1000], "method": ["llm2llm"]}])
    assert [c.name for c in sweep.cells] == ["regime-300", "regime-600", "regime-1000_method-llm2llm"]


@pytest.mark.parametrize(
    ("grid", "first", "last"),
    [
        (
            {"method": ["vanilla", "pada"], "data.split.seed": [0, 1]},
            "method-vanilla_data.split.seed-0",
            {"method": "pada", "data.split.seed": 1},
        ),
        ({"seed": [0, 1], "data.split.seed": [0, 1]}, "seed-0_data.split.seed-0", {"seed": 1, "data.split.seed": 1}),
        (
            {"pattern_analysis.enabled": [True, False], "quality_control.enabled": [True, False]},
            "pattern_analysis.enabled-True_quality_control.enabled-True",
            {"pattern_analysis.enabled": False, "quality_control.enabled": False},
        ),
        (
            [{"pattern_analysis.enabled": [False]}, {"quality_control.enabled": [False]}],
            "pattern_analysis.enabled-False",
            {"quality_control.enabled": False},
        ),
        (
            {"enabled": {"all": {}}, "quality_control.enabled": [True, False]},
            "enabled-all_quality_control.enabled-True",
            {"enabled": "all", "quality_control.enabled": False},
        ),
        ([{"regime": {300: {"data.regime": 300}}}, {"data.regime": [600]}], "regime-300", {"regime": 600}),
    ],
)
def test_an_axis_whose_last_part_means_something_else_goes_by_its_whole_name(tmp_path, grid, first, last):
    sweep = load(tmp_path, grid, data={"file": "t.csv"})
    assert sweep.cells[0].name == first
    assert sweep.cells[-1].coordinates == last
    assert chosen(sweep, [f"{axis}={label}" for axis, label in last.items()]) == [sweep.cells[-1]]
    assert sweep.seeds == ([0, 1] if "seed" in last else [None])


def test_an_override_holds_for_every_cell_that_does_not_say_otherwise(tmp_path):
    sweep = load(tmp_path, {"seed": [1, 2]}, "iterations=1", "parallel=3")
    assert {c.config.iterations for c in sweep.cells} == {1}
    assert sweep.parallel == 3


@pytest.mark.parametrize("runs", ["runs", "memory://runs"])
def test_cells_share_stages_and_replies(tmp_path, runs):
    sweep = load(tmp_path, {"seed": [1, 2]}, f"runs={runs}")
    assert {c.config.shared_stages for c in sweep.cells} == {f"{sweep.url}/shared"}
    assert {c.config.llm.cache for c in sweep.cells} == {sweep.url}


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ([], ["seed-1_regime-300", "seed-1_regime-600", "seed-2_regime-300", "seed-2_regime-600"]),
        (["seed=1"], ["seed-1_regime-300", "seed-1_regime-600"]),
        (["seed=2", "regime=600"], ["seed-2_regime-600"]),
        (["seed=2", "seed=1", "regime=600"], ["seed-1_regime-600", "seed-2_regime-600"]),
    ],
)
def test_a_part_of_the_grid(tmp_path, only, names):
    sweep = load(tmp_path, {"seed": [1, 2], "data.regime": [300, 600]})
    assert [c.name for c in chosen(sweep, only)] == names


def test_no_part_of_the_grid(tmp_path):
    with pytest.raises(ConfigError, match=r"--only seed=3: no cell of the grid is there; its places: seed: 1, 2"):
        chosen(load(tmp_path, {"seed": [1, 2]}), ["seed=3"])


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"data.regimen": [300]}, r"cell regimen-300: data.regimen: unknown key; allowed here: "),
        ({"method": ["padda"]}, r"cell method-padda: method: "),
        ({"seed": 3}, r"grid.*an axis is a list of values"),
        ({"seed.x": [1]}, r"grid: seed.x: seed is not a section"),
        ({"method": {"a b": {}, "a-b": {}}}, r"two cells are called method-a-b"),
    ],
)
def test_mistakes_in_a_grid(tmp_path, grid, message):
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, grid, "seed=1")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            {"llm": "offline"},
            r"sweep.yaml: cell seed-1: llm: Input should be a valid dictionary .*\(given: 'offline'\)",
        ),
        ({"llm": ["offline"]}, r"sweep.yaml: cell seed-1: llm: Input should be a valid dictionary"),
        ({"name": 2024}, r"sweep.yaml:1: name: Input should be a valid string \(given: 2024\)"),
        ({"name": None}, r"sweep.yaml:1: name: Input should be a valid string \(given: None\)"),
        ({"name": "../up"}, r"sweep.yaml:1: name: String should match pattern"),
        ({"name": "a/b"}, r"sweep.yaml:1: name: String should match pattern"),
        ({"name": ""}, r"sweep.yaml:1: name: String should match pattern"),
        ({"runs": None}, r"sweep.yaml:\d+: runs: Input should be a valid string \(given: None\)"),
        ({"runs": ["runs"]}, r"sweep.yaml:\d+: runs: Input should be a valid string"),
        ({"grid": {"seed": []}}, r"sweep.yaml: grid: it has no cell; give each axis at least one value"),
        ({"grid": []}, r"sweep.yaml: grid: it has no cell"),
    ],
)
def test_mistakes_beside_the_grid(tmp_path, lines, message):
    with pytest.raises(ConfigError, match=message) as raised:
        load(tmp_path, **{"grid": {"seed": [1]}, **lines})
    assert "\n" not in str(raised.value)


def test_a_sweep_may_leave_out_its_name_and_its_endpoints(tmp_path):
    file = tmp_path / "sweep.yaml"
    raw = {
        "runs": str(tmp_path / "runs"),
        "method": "vanilla",
        "data": {"demo": {}},
        "llm": None,
        "grid": {"seed": [1]},
    }
    file.write_text(yaml.safe_dump(raw))
    sweep = load_sweep(str(file), [])
    assert (sweep.name, sweep.url) == ("sweep", f"{tmp_path}/runs/sweep")


def test_a_sweep_is_no_config(tmp_path):
    load(tmp_path, {"seed": [1]})
    with pytest.raises(ConfigError, match="run it with `pada sweep"):
        load_config(str(tmp_path / "sweep.yaml"))


@pytest.mark.parametrize("older", [False, True])
def test_a_cell_whose_student_is_a_folder_here_is_no_other_one(tmp_path, monkeypatch, older):
    (tmp_path / "models" / "m").mkdir(parents=True)
    (tmp_path / "models" / "n").mkdir()
    monkeypatch.chdir(tmp_path)
    data = {"demo": {}, "regime": 20, "eval_samples": 5}
    sweep = load(tmp_path, {"seed": [1]}, data=data, student={"model": "models/m"})
    config = sweep.cells[0].config
    run = Folder(lay_out(config, read_data(config), Folder(f"{sweep.url}/cells/seed-1")))
    assert read_config(run).student.model == f"{tmp_path}/models/m"
    if older:
        run.write_text("config.yaml", dump_config(config))
    write_sweep(sweep)
    with pytest.raises(ConfigError, match="was run with another config"):
        write_sweep(load(tmp_path, {"seed": [1]}, data=data, student={"model": "models/n"}))


def test_a_cell_that_was_run_otherwise_is_not_overwritten(tmp_path):
    sweep = load(tmp_path, {"seed": [1]})
    folder = Folder(f"{sweep.url}/cells/seed-1")
    folder.write_text("config.yaml", dump_config(sweep.cells[0].config))
    write_sweep(sweep)  # the same again is fine
    assert Folder(sweep.url).read_yaml("sweep.yaml")["cells"] == [{"name": "seed-1", "coordinates": {"seed": 1}}]
    with pytest.raises(ConfigError, match="was run with another config"):
        write_sweep(load(tmp_path, {"seed": [1]}, "iterations=1"))


def test_a_budget_may_be_raised_and_an_endpoint_moved_in_a_sweep_that_has_begun(tmp_path):
    sweep = load(tmp_path, {"seed": [1]}, "budget.tokens=1000")
    sweep.folder(sweep.cells[0]).write_text("config.yaml", dump_config(sweep.cells[0].config))
    write_sweep(load(tmp_path, {"seed": [1]}, "budget.tokens=2000", "llm.judge.max_in_flight=2"))
    with pytest.raises(ConfigError, match="was run with another config"):
        write_sweep(load(tmp_path, {"seed": [1]}, "llm.judge.model=another"))


def test_a_sweep_whose_folder_was_moved_is_the_same_sweep(tmp_path):
    before = load(tmp_path, {"seed": [1]}).cells[0].config
    moved = load(tmp_path, {"seed": [1]}, f"runs={tmp_path / 'elsewhere'}")
    moved.folder(moved.cells[0]).write_text("config.yaml", dump_config(before))
    write_sweep(moved)


METHODS = {"method": ["pada", "vanilla", "auggpt"], "data.regime": [300, 600], "seed": [1, 2, 3]}
PRIMARY = [{"method": "pada", "against": "vanilla"}, {"method": "pada", "against": "auggpt", "regime": 600}]


def test_a_sweep_names_its_primary_comparisons(tmp_path):
    sweep = load(tmp_path, METHODS, primary=PRIMARY)
    write_sweep(sweep)
    listed = Folder(sweep.url).read_yaml("sweep.yaml")
    assert listed["primary"] == PRIMARY and "looks" not in listed
    design = read_design(listed)
    assert design == sweep.design
    assert design.method == "pada"
    compared = [(other, regime) for other in ("vanilla", "auggpt") for regime in (300, 600)]
    primary = [(o, r) for o, r in compared if design.is_primary("pada", o, {"regime": r})]
    assert primary == [("vanilla", 300), ("vanilla", 600), ("auggpt", 600)]
    assert not design.is_primary("vanilla", "pada", {"regime": 300})


def test_a_sweep_of_0_1_names_none():
    assert read_design({"name": "table", "cells": []}).primary == []


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"primary": [{"method": "pada"}]}, r"primary: .*name a method and what it is against"),
        ({"primary": [{"method": "pada", "against": "vanilla", "seed": 1}]}, r"primary: .*name a method"),
        (
            {"primary": [{"method": "padda", "against": "vanilla"}]},
            r"primary: method padda: not in the grid; it has pada",
        ),
        (
            {"primary": [{"method": "pada", "against": "blind"}]},
            r"primary: method blind: not in the grid; it has pada, ",
        ),
        ({"primary": [{**PRIMARY[0], "regime": 9}]}, r"primary: regime 9: not in the grid; it has 300, 600"),
        ({"primary": [{**PRIMARY[0], "size": 9}]}, r"primary: size 9: not in the grid; there is no such axis"),
        ({"primary": [{"method": "pada", "against": "pada"}]}, r"primary: .*each with another one"),
        (
            {"primary": [*PRIMARY, {"method": "auggpt", "against": "vanilla"}]},
            r"primary: .*all compare the same method",
        ),
        ({"primary": PRIMARY[0]}, r"primary: Input should be a valid list$"),
        ({"looks": [2, 3]}, r"looks: .*name some under `primary`"),
        ({"primary": PRIMARY, "looks": [3]}, r"looks: \[3\]: write at least two numbers"),
        ({"primary": PRIMARY, "looks": [3, 2]}, r"looks: \[3, 2\]: write .*rising"),
        ({"primary": PRIMARY, "looks": [1, 3]}, r"looks: \[1, 3\]: write"),
        ({"primary": PRIMARY, "looks": [2, 5]}, r"looks: \[2, 5\]: the grid has 3 seeds, and needs 5"),
        ({"primary": PRIMARY, "looks": [2, 5], "detect": 2}, r"the grid has 3 seeds, and needs at least 5"),
        ({"primary": PRIMARY, "detect": 2}, r"detect: it moves the last of several looks; add looks"),
        ({"primary": PRIMARY, "looks": [2, 3], "detect": 0}, r"detect: Input should be greater than 0$"),
    ],
)
def test_mistakes_in_a_design(tmp_path, design, message):
    with pytest.raises(ConfigError, match=message) as raised:
        load(tmp_path, METHODS, **design)
    assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)


def test_looks_need_the_same_seeds_everywhere(tmp_path):
    grids = [METHODS, {"method": ["similar"], "data.regime": [300], "seed": [1, 2]}]
    with pytest.raises(ConfigError, match="looks: every method needs the same seeds in every setting"):
        load(tmp_path, grids, primary=PRIMARY, looks=[2, 3])


def test_two_methods_that_share_no_setting_cannot_be_compared(tmp_path):
    grids = [{"method": ["pada"], "data.regime": [300]}, {"method": ["vanilla"], "data.regime": [600]}]
    with pytest.raises(ConfigError, match="no setting of the grid has both methods"):
        load(tmp_path, grids, primary=PRIMARY[:1])


def test_the_seeds_of_a_later_look_are_not_due_before_it(tmp_path):
    sweep = load(tmp_path, METHODS, primary=PRIMARY, looks=[2, 3])
    first = up_to(sweep, {"regime 300": 2, "regime 600": 2})
    assert {c.coordinates["seed"] for c in first} == {1, 2}
    second = up_to(sweep, {"regime 300": 2, "regime 600": 3})
    assert [c.coordinates for c in second if c.coordinates["seed"] == 3] == [
        {"method": method, "regime": 600, "seed": 3} for method in METHODS["method"]
    ]
    last = sweep.cells[-1]
    sweep.folder(last).write_text("config.yaml", dump_config(last.config))
    assert last in up_to(sweep, {"regime 300": 2, "regime 600": 2})
    write_sweep(sweep, first)
    listed = Folder(sweep.url).read_yaml("sweep.yaml")
    assert (listed["looks"], listed["seeds"], len(listed["cells"])) == ([2, 3], [1, 2, 3], 12)


def finished(sweep):
    """The first run of the sweep is done."""
    run = sweep.folder(sweep.cells[0])
    run.write_text("config.yaml", dump_config(sweep.cells[0].config))
    run.write_text("state.json", RunState(name="a", status="done").model_dump_json())


@pytest.mark.parametrize(
    ("before", "after"), [({}, {"primary": PRIMARY}), ({"primary": PRIMARY}, {"primary": PRIMARY[:1]})]
)
def test_what_is_primary_is_named_before_results_are_seen(tmp_path, before, after):
    write_sweep(load(tmp_path, METHODS, **before))
    write_sweep(load(tmp_path, METHODS, **after))  # no run is done yet
    write_sweep(load(tmp_path, METHODS, **before))
    finished(load(tmp_path, METHODS))
    write_sweep(load(tmp_path, METHODS, **before))
    with pytest.raises(ConfigError, match="named before the first run is done, and here they were"):
        write_sweep(load(tmp_path, METHODS, **after))


def test_seeds_are_not_added_to_primary_comparisons_that_were_seen(tmp_path):
    more = METHODS | {"seed": [1, 2, 3, 4]}
    write_sweep(load(tmp_path, METHODS, primary=PRIMARY))
    finished(load(tmp_path, METHODS))
    with pytest.raises(ConfigError, match=r"seed 4 was added after runs were done; .* only by `looks`"):
        write_sweep(load(tmp_path, more, primary=PRIMARY))
    write_sweep(load(tmp_path, METHODS | {"data.regime": [300, 600, 1000]}, primary=PRIMARY))  # another setting
    looking = {"primary": PRIMARY, "looks": [2, 3], "detect": 2, "name": "other"}
    write_sweep(load(tmp_path, METHODS, **looking))
    finished(load(tmp_path, METHODS, **looking))
    write_sweep(load(tmp_path, more, **looking))  # the rule was made before


def test_an_exploratory_sweep_may_get_more_seeds(tmp_path):
    write_sweep(load(tmp_path, METHODS))
    finished(load(tmp_path, METHODS))
    write_sweep(load(tmp_path, METHODS | {"seed": [1, 2, 3, 4]}))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"look": 3}, r"--look 3: the sweep has 2 looks, at 2, 3 seeds"),
        ({"look": 2}, r"--look: .*spread at the first one, which is not complete in table; run the sweep without"),
        ({"only": ["seed=3"]}, r"--only seed=3: these cells are of a later look; --look N takes them"),
    ],
)
def test_a_look_out_of_turn(tmp_path, asked, message):
    load(tmp_path, METHODS, primary=PRIMARY, looks=[2, 3], detect=2)
    with pytest.raises(ConfigError, match=message):
        run_sweep(str(tmp_path / "sweep.yaml"), **asked)
