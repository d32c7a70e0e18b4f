from report_runs import config_of, shown

from pada_ray.config import dump_config
from pada_ray.runs import run_files
from pada_ray.runs.event_log import EventLog
from pada_ray.runs.state import FILE, RunState, Score
from pada_ray.storage import Folder


def rows_of(text) -> list[list[str]]:
    """The cells of every line of the tables, headers included."""
    lines = text.replace("┃", "│").splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]


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
    counts = {"quota": 15, "accepted": 14, "drafted": 45, "regenerated": 9, "unwritten": 2}
    group = {"group": "cluster-0", "strategy_name": None, "rejected": {"wrong": 3, "leak": 1}}
    folder.write_yaml("iteration-1/quotas.yaml", [group | counts])
    text = shown(folder)
    rows = rows_of(text)
    assert rows[:4] == [
        ["model", "training samples", "val", "remark"],
        ["base model", "–", "0.0", ""],
        ["vanilla fine-tuning", "30", "50.0", ""],
        ["pada iteration 1", "45", "75.0", "final, best on val"],
    ]
    assert "Sums [bold]" in text  # what an LLM wrote is text, never markup
    _, _, after = " ".join(text.split()).partition("What the last model still gets wrong")
    assert "Dates" in after and "a day too many" in after
    assert "Data generation and quality control: iteration 1" in text
    assert ["cluster-0", "15", "14", "45", "9", "1 leak, 3 wrong, 2 unwritten"] in rows
    assert "iteration-1/adapter" in text


def test_a_run_that_has_only_begun(tmp_path):
    text = shown(run(tmp_path, RunState(name="a")))
    assert "No model has been evaluated yet." in text and "Files" in text


def test_another_methods_models_are_called_after_it_and_unscored_replies_are_shown(tmp_path):
    score = Score(samples=10, failures=2, truncated=0, unscored=2)
    none = Score(samples=10, failures=0, truncated=0, unscored=10)
    state = RunState(name="a", scores={"iteration-0": {"val": none}, "iteration-1": {"val": score}})
    header, first, second, *_ = rows_of(shown(run(tmp_path, state, method="auggpt")))
    assert header == ["model", "val", "unscored"]
    assert first == ["vanilla fine-tuning", "–", "10"]
    assert second == ["auggpt iteration 1", "75.0", "2"]


def test_it_says_why_the_last_models_failures_are_not_analysed(tmp_path):
    score = {"val": Score(samples=1, failures=0, truncated=0)}
    folder = run(tmp_path, RunState(name="a", status="done", best="base", scores={"base": score}))
    EventLog(folder).add("not analysed", "iteration-2: error analysis", error="the budget is reached: 9 [tokens]")
    assert "still gets wrong is not analysed: the budget is reached: 9 [tokens]" in " ".join(shown(folder).split())
    pattern = {"cluster": 0, "category_name": "Sums", "error_pattern": "off by one", "size": 7}
    folder.write_yaml(run_files.patterns(config_of().iterations + 1), [pattern])  # killed there, then resumed
    assert "off by one" in shown(folder) and "not analysed" not in shown(folder)
