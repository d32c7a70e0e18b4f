"""A run on a machine where another Ray was, which Ray's own tools would take for the run's."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, Started, settings


@pytest.mark.slow
def test_ray_train_watches_over_its_own_cluster(tmp_path):
    with tempfile.TemporaryDirectory(prefix="pada") as short:  # as paths of sockets have to be
        ray = Path(short) / "ray"
        ray.mkdir()
        (ray / "ray_current_cluster").write_text("127.0.0.1:1")  # as a `ray start` that was killed leaves it
        run = Started(
            *("run", str(ROOT / "configs/demo.yaml"), *settings(method="vanilla")),
            cwd=tmp_path,
            env={"RAY_TMPDIR": short},
        )
        assert "vanilla fine-tuning" in run.finish()
        logs = [file.read_text(errors="replace") for file in ray.glob("session_*/logs/**/*.log")]
        assert any("PlacementGroupCleaner launched" in log for log in logs)
        assert not any("Failed to stop PlacementGroupCleaner" in log for log in logs)
