import pytest
import yaml

from pada_ray.config import dump_config, load_config
from pada_ray.errors import ConfigError
from pada_ray.run.sweep import chosen, load_sweep, write_sweep
from pada_ray.storage import Folder

BASE = {
    "name": "table",
    "data": {"demo": {}},
    "llm": {"teacher": {"base_url": "offline", "model": "a"}, "judge": {"base_url": "offline", "model": "b"}},
}


def load(tmp_path, grid, *overrides, **more):
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(BASE | {"runs": str(tmp_path / "runs"), "grid": grid} | more, sort_keys=False))
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


def test_a_sweep_is_no_config(tmp_path):
    load(tmp_path, {"seed": [1]})
    with pytest.raises(ConfigError, match="run it with `pada sweep"):
        load_config(str(tmp_path / "sweep.yaml"))


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
