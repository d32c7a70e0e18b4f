"""What the terminal says at the end of a run."""

import re

import pytest
from report_runs import shown, write_run

from pada_ray.report import print_ending, print_report
from pada_ray.runs import run_files
from pada_ray.runs.state import FILE, RunState

LOST = {"base": 0.1, "iteration-0": 0.75, "iteration-1": 0.5}
SCREEN = 24  # lines


def said(folder, width=80, show=print_ending) -> str:
    return shown(folder, width, show)


def chosen(folder, best):
    state = RunState.model_validate_json(folder.read_text(FILE))
    folder.write_text(FILE, state.model_copy(update={"best": best}).model_dump_json())


def test_the_best_model_its_gain_the_cost_and_what_to_type_next(folder):
    write_run(folder, samples=30)
    lines = [re.sub(r"\s{2,}", " | ", line.strip()) for line in said(folder, 120).splitlines()]
    assert "vanilla fine-tuning | 50.0 | [29.9, 70.1]" in lines
    assert "pada iteration 1 | 75.0 | [53.1, 88.8] | the best on val" in lines
    assert any(re.fullmatch(r"gain over the base model \| \+65.0 points, 95% \[.*\], p <0.001", line) for line in lines)
    assert any(line.startswith("gain over vanilla fine-tuning | +25.0 points, 95% [") for line in lines)
    assert any(re.fullmatch(r"LLM calls \| .* tokens", line) for line in lines)
    assert any(line.startswith("time in stages | ") for line in lines)
    assert f"adapter: {folder.at('iteration-1/adapter')}" in lines
    for command in ("show", "report", "chat", "export"):
        assert any(line.startswith(f"pada {command} {folder.url}") for line in lines)


def test_the_model_that_the_user_gets_is_the_chosen_one_and_not_the_last(folder):
    write_run(folder, accuracies=LOST)
    chosen(folder, "iteration-0")
    text = said(folder, 120)
    assert re.search(r"vanilla fine-tuning +75.0 +\[53.1, 88.8\] +the best on val", text)
    assert "gain over the base model" in text and "gain over vanilla" not in text
    assert folder.at("iteration-0/adapter") in text


def test_without_a_better_model_there_is_nothing_to_take_away(folder):
    write_run(folder)
    chosen(folder, run_files.BASE)
    text = said(folder, 120)
    assert "no fine-tuned model did better on val than the base model" in text
    assert "pada report" in text and "pada export" not in text and "adapter:" not in text


def squeezed(text) -> str:
    """The text without what a table's lines and line breaks add."""
    return re.sub(r"[\s│┃]+", "", text)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_is_one_screen_and_nothing_is_cut(folder, width):
    write_run(folder, samples=30)
    text = said(folder, width)
    assert "…" not in text
    assert len(text.splitlines()) <= SCREEN
    whole = said(folder, 400)
    for word in whole.split():
        assert word in squeezed(text), word
    paths = folder.url
    assert [line for line in text.splitlines() if len(line) > width and paths not in line] == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_cell_of_the_long_tables_is_cut(folder, width):
    write_run(folder, samples=30)
    text = said(folder, width, print_report)
    assert "…" not in text
    assert [line for line in text.splitlines() if len(line) > width] == []
