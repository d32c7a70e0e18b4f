import pytest
from builders import small_config

from jobs.local.run_folder import lasting
from jobs.remote.job_files import check_files
from jobs.remote.package import Package
from jobs.remote.submission import options, reaching
from pada_ray.errors import ConfigError
from pada_ray.runs.sweep import load_sweep


def test_options_reach_the_job_as_they_were_given():
    given = options(["a.b=c d", "seed=1"], only=["seed=1"], verbose=True)
    assert given == ["--set", "a.b=c d", "--set", "seed=1", "--only", "seed=1", "--verbose"]


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "auto"])
def test_an_address_that_is_no_dashboards(address):
    with pytest.raises(ConfigError, match=f"{address}: .* as http://HOST:8265"), reaching(address):
        pass


def test_in_a_ray_job_runs_are_kept_in_the_home_folder(monkeypatch, tmp_path):
    assert lasting("runs") == "runs"
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert lasting("runs") == str(tmp_path / "runs")
    assert lasting("~/runs") == str(tmp_path / "runs")
    assert lasting("/data/runs") == "/data/runs"
    assert lasting("s3://bucket/runs") == "s3://bucket/runs"


def test_in_a_ray_job_a_sweep_is_kept_there_with_all_its_cells(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "sweep.yaml"
    endpoint = "{base_url: offline, model: a}"
    file.write_text(f"data: {{demo: {{}}}}\nllm: {{teacher: {endpoint}, judge: {endpoint}}}\ngrid: {{seed: [0, 1]}}\n")
    sweep = load_sweep(str(file), [], lasting)
    assert sweep.url == str(tmp_path / "runs/sweep")
    (config,) = {cell.config.runs for cell in sweep.cells}
    assert config == str(tmp_path / "runs/sweep/cells")
    assert {cell.config.shared_stages for cell in sweep.cells} == {str(tmp_path / "runs/sweep/shared")}


def test_a_data_file_that_does_not_travel_is_told(tmp_path):
    config = small_config(data={"file": "gone.csv"})
    with pytest.raises(ConfigError, match=r"data\.file: gone\.csv: no such file or folder in"):
        check_files([config], Package(tmp_path, {}))
