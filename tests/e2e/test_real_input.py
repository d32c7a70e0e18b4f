"""The whole loop on real benchmark items, with the tiny student and the offline teacher."""

from __future__ import annotations

import pytest
from conftest import ROOT, pada, read_state

from pada_ray.data.paper_sets import FOLDER_SETS
from pada_ray.storage import Folder

SHARED = ROOT.parent / "shared" / "data"
ARTEFACTS = [
    "config.yaml",
    "state.json",
    "base/predictions.jsonl",
    "iteration-0/adapter/adapter_model.safetensors",
    *(
        f"iteration-1/{name}"
        for name in (
            "analyses.jsonl",
            "clusters.yaml",
            "patterns.yaml",
            "strategies.yaml",
            "leaks.jsonl",
            "accepted.jsonl",
            "rejected.jsonl",
            "quotas.yaml",
            "training_set.jsonl",
            "adapter/adapter_model.safetensors",
            "predictions.jsonl",
        )
    ),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name",
    ["gsm8k", "humaneval", "arc_challenge", "hellaswag", "squad", "banking77", "snips"],
)
def test_from_the_first_to_the_last_stage(tmp_path, name):
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"no benchmark splits at {folder}")
    train = "train_limited" if name == "humaneval" else "train_300"
    data = {
        "data.train": folder / f"{train}.jsonl",
        "data.val": folder / "val.jsonl",
        "data.test": folder / "test.jsonl",
    }
    if name in FOLDER_SETS:
        data = {"data.folder": SHARED}
    args = [part for key, value in data.items() for part in ("--set", f"{key}={value}")]
    done = pada("run", str(ROOT / f"configs/smoke/{name}.yaml"), *args, cwd=tmp_path, timeout=800)
    run = tmp_path / "runs" / f"smoke-{name}"
    missing = [file for file in ARTEFACTS if not (run / file).is_file()]
    assert not missing
    state = read_state(run)
    assert state.status == "done"
    counts = state.counts["iteration-1"]
    assert counts["accepted"] == counts["quota"] == 20
    assert len(Folder(str(run)).read_text("iteration-1/training_set.jsonl").splitlines()) == 60
    assert "pada iteration 1" in done.stdout
