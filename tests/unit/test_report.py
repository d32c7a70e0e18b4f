from report_runs import config_of
from rich.console import Console

from pada_ray.config import dump_config
from pada_ray.report import print_report
from pada_ray.run import run_files
from pada_ray.run.event_log import EventLog
from pada_ray.run.state import FILE, RunState, Score
from pada_ray.storage import Folder


def shown(folder) -> str:
    console = Console(width=100, record=True, quiet=True)
    console.quiet = False
    with open("/dev/null", "w") as nowhere:
        console.file = nowhere
        print_report(folder, console)
    return console.export_text()


def run(tmp_path, state, **config) -> Folder:
    folder = Folder(str(tmp_path))
    folder.write_text(run_files.CONFIG, dump_config(config_of(**config)))
    folder.write_text(FILE, state.model_dump_json())
    return folder


def test_the_tables_of_a_run(tmp_path):
    score = lambda failures: {"val": Score(samples=200, failures=failures, truncated=0)}  # noqa: E731
    state = RunState(
        name="a",
        status="done",
        best="iteration-1",
        scores={"base": score(200), "iteration-0": score(100), "iteration-1": score(50)},
        counts={"iteration-0": {"training_samples": 30}, "iteration-1": {"training_samples": 45}},
    )
    folder = run(tmp_path, state, iterations=1)
    folder.write_yaml(
        "iteration-1/patterns.yaml",
        [{"cluster": 0, "category_name": "Sums [bold]", "error_pattern": "off by one", "size": 7}],
    )
    folder.write_yaml("iteration-1/strategies.yaml", [])
    left = [{"cluster": 0, "category_name": "Dates", "error_pattern": "a day too many", "size": 4}]
    folder.write_yaml("iteration-2/patterns.yaml", left)
    group = {"group": "cluster-0", "quota": 15, "accepted": 14, "drafted": 45, "regenerated": 9, "unwritten": 2}
    folder.write_yaml("iteration-1/quotas.yaml", [group | {"rejected": {"wrong": 3, "leak": 1}}])
    text = shown(folder)
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if line.count("│") > 2}
    assert "0.0" in rows["base model"]
    assert "50.0" in rows["vanilla fine-tuning"]
    assert "75.0" in rows["pada iteration 1 (best on val)"]
    assert "45" in rows["pada iteration 1 (best on val)"]
    assert "Sums [bold]" in text  # what an LLM wrote is text, never markup
    _, _, after = " ".join(text.split()).partition("What the last model still gets wrong")
    assert "Dates" in after and "a day too many" in after
    assert "3 wrong, 1 leak, 2 unwritten" in text
    assert "iteration-1/adapter" in text


def test_a_run_that_has_only_begun(tmp_path):
    assert "Accuracy" in shown(run(tmp_path, RunState(name="a")))


def test_another_methods_models_are_called_after_it_and_unscored_replies_are_shown(tmp_path):
    score = Score(samples=10, failures=2, truncated=0, unscored=2)
    none = Score(samples=10, failures=0, truncated=0, unscored=10)
    state = RunState(name="a", scores={"iteration-0": {"test": none}, "iteration-1": {"test": score}})
    text = shown(run(tmp_path, state, method="auggpt"))
    assert "auggpt iteration 1" in text
    assert "75.0 (2 unscored)" in text and "- (10 unscored)" in text


def test_it_says_why_the_last_models_failures_are_not_analysed(tmp_path):
    folder = run(tmp_path, RunState(name="a", status="done", best="base", scores={"base": {}}))
    EventLog(folder).add("not analysed", "iteration-2: error analysis", error="the budget is reached: 9 [tokens]")
    assert "still gets wrong is not analysed: the budget is reached: 9 [tokens]" in " ".join(shown(folder).split())
    pattern = {"cluster": 0, "category_name": "Sums", "error_pattern": "off by one", "size": 7}
    folder.write_yaml(run_files.patterns(config_of().iterations + 1), [pattern])  # killed there, and gone on with
    assert "off by one" in shown(folder) and "not analysed" not in shown(folder)
