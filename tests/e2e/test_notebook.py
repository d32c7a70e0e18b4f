"""The notebook as a reader runs it: in a kernel, from its first cell to its last, with a real run of the demo."""

from __future__ import annotations

import pytest
from conftest import ROOT, environment

pytestmark = pytest.mark.slow


def test_it_runs_from_its_first_cell_to_its_last(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed; pip install -e '.[dev]'")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed; pip install -e '.[dev]'")
    import nbformat

    notebook = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
    own = environment() | {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path / "ipython")}
    client = nbclient.NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=own)  # raises what a cell raised
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = {kind for output in shown for kind in output.get("data", {})}
    assert {"text/html", "application/vnd.plotly.v1+json"} <= kinds  # tables, and a figure
    texts = "".join(output.get("data", {}).get("text/plain", "") for output in shown)
    assert "done, best " in texts  # what the cell with the run ends in
    assert (tmp_path / "runs" / "notebook" / "state.json").exists()
