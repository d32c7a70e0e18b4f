"""The notebook: every cell does what it says on a run that is kept, and it is stored without outputs."""

import json
import warnings
from pathlib import Path

import pytest
from report_runs import write_run

from jobs import api
from pada_ray import load_run
from pada_ray.report.figures import Figure
from pada_ray.storage import Folder

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "notebook.ipynb"


def cells(kind):
    return ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == kind]


def test_every_cell_works_on_the_results_of_a_run(tmp_path, monkeypatch, capsys):
    given = []

    def kept(config):
        given.append(config)
        write_run(Folder(str(tmp_path)), samples=20, left=True, iterations=1)
        return load_run(tmp_path)

    monkeypatch.setattr(api, "run", kept)
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, cell in enumerate(cells("code")):
            exec(compile(cell, f"cell {number}", "exec"), names)
    assert given[0].data.regime == 24
    assert len(names["failures"]) == 10 + 5
    assert names["failures"].fixed.sum() == 5
    assert isinstance(names["results"].figures["accuracy"], Figure)
    assert "1 Category 0" in capsys.readouterr().out


def test_it_is_stored_without_outputs():
    code = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert all((cell["outputs"], cell["execution_count"]) == ([], None) for cell in code)


def test_it_has_the_form_of_a_notebook():
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed; pip install -e '.[dev]'")
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))
