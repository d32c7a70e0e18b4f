import pytest
from report_runs import HOSTILE, cell, write_run, write_sweep

from pada_ray.findings.lineage import Bar, Category, Lineage
from pada_ray.report.charts import NEUTRAL, accuracy_chart, category_chart, iteration_chart
from pada_ray.report.evidence import Evidence
from pada_ray.report.results import read_run, read_sweep
from pada_ray.report.run_tables import category_table


def category(number, sizes, **links):
    present = [i for i, size in sizes.items() if size]
    return Category(
        id=number,
        name=f"Category {number}",
        clusters=dict.fromkeys(present, number),
        sizes=sizes,
        estimates={i: 2.0 * size for i, size in sizes.items()},
        first=min(present),
        last=max(present),
        split_from=links.get("split_from"),
        merged_into=links.get("merged_into"),
    )


@pytest.fixture
def evidence():
    """Category 0 stays, 1 merges into 0, 2 is new; one failure in five has no pattern."""
    bars = [
        Bar(iteration=1, model="iteration-0", failures=50, analysed=25),
        Bar(iteration=2, model="iteration-1", failures=30, analysed=15),
        Bar(iteration=3, model="iteration-2", failures=20, analysed=0),
    ]
    categories = [category(0, {1: 10, 2: 6}), category(1, {1: 10, 2: 0}, merged_into=0), category(2, {1: 0, 2: 9})]
    return Evidence(Lineage(categories=categories, bars=bars, threshold=0.5), [], [], [], [], [])


def test_a_category_keeps_its_place_and_colour_and_comes_and_goes_visibly(folder, evidence):
    write_run(folder, accuracies={"base": 0, "iteration-0": 0.5, "iteration-1": 0.6, "iteration-2": 0.7})
    figure = category_chart(read_run(folder), evidence).figures[""]
    parts = {trace["name"]: trace for trace in figure["data"]}
    assert [parts[f"Category {i}"]["meta"]["colour"] for i in range(3)] == [0, 1, 2]
    assert parts["Category 0"]["text"] == ["20", "12", ""]
    assert parts["Category 1"]["text"] == ["20 then gone", "", ""]
    assert parts["Category 2"]["text"] == ["", "18 new", ""]
    assert parts["without pattern"]["y"] == [10, 0, 0]
    assert parts["not analysed"]["y"] == [0, 0, 20]
    assert parts["not analysed"]["meta"]["colour"] == NEUTRAL
    for model in range(3):  # parts add up to the failures
        assert sum(trace["y"][model] for trace in figure["data"]) == evidence.lineage.bars[model].failures
    assert figure["layout"]["annotations"][2]["text"] == "20 failures<br>test 70.0%"


def test_the_categories_in_numbers(folder, evidence):
    write_run(folder)
    table = category_table(read_run(folder), evidence)
    assert [column.title for column in table.columns] == [
        "category",
        "vanilla fine-tuning",
        "pada iteration 1",
        "remark",
    ]
    assert table.rows == [
        ["Category 0", 20, 12, ""],
        ["Category 1", 20, None, "gone after vanilla fine-tuning, merged into Category 0"],
        ["Category 2", None, 18, "new with pada iteration 1"],
    ]


def test_accuracy_with_intervals(folder):
    write_run(folder)
    figure = accuracy_chart(read_run(folder)).figures[""]
    train, _, test = figure["data"]
    assert [len(train["y"]), len(test["y"])] == [2, 3]  # the base model is not evaluated on train
    assert test["y"] == pytest.approx([10, 50, 75])
    assert test["y"][1] - test["error_y"]["arrayminus"][1] == pytest.approx(29.9, abs=0.1)
    assert figure["layout"]["xaxis"]["ticktext"] == ["base<br>model", "vanilla<br>fine-tuning", "pada<br>iteration 1"]
    write_run(folder, accuracies={})
    assert accuracy_chart(read_run(folder)) is None


def test_a_method_keeps_its_colour_in_every_setting_and_its_name_is_text(folder):
    cells = {
        f"{dataset}-{i}": {"dataset": dataset, "method": method}
        for dataset, methods in (("a", ["pada", f"pada {HOSTILE}"]), ("b", [f"pada {HOSTILE}"]))
        for i, method in enumerate(methods)
    }
    for name in cells:
        write_run(cell(folder, name))
    write_sweep(folder, cells)
    chart = iteration_chart(read_sweep(folder), "pada")
    assert list(chart.figures) == [f"dataset {d}, {split}" for d in "ab" for split in ("test", "val", "train")]
    pada, other = chart.figures["dataset a, test"]["data"]
    assert (pada["meta"], other["meta"]["strong"]) == ({"colour": 0, "strong": True}, False)
    assert chart.figures["dataset b, val"]["data"][0]["meta"]["colour"] == other["meta"]["colour"] == 1
    assert "<" not in other["name"] + other["customdata"][0]
    assert pada["y"] == [50, 75]  # without the base model
