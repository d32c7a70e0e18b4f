"""Every fault of an endpoint at once: the run ends well, and nothing unreadable is ever a score."""

from __future__ import annotations

import pytest
from conftest import ROOT, pada, read_state, settings

from pada_ray.config.teacher import FAULT_NAMES
from pada_ray.records import Candidate
from pada_ray.runs import run_files
from pada_ray.storage import Folder
from pada_ray.teacher.access_log import read_access_log


@pytest.mark.timeout(900)
def test_all_faults_at_ten_percent(tmp_path):
    log = tmp_path / "teacher.jsonl"
    faults = {f"offline.faults.{name}": 0.1 for name in FAULT_NAMES}
    patience = {"offline.hang_seconds": 3, "offline.retry_after_seconds": 0.2, "offline.access_log": log}
    patience |= {f"llm.{role}.first_token_timeout": 1.5 for role in ("teacher", "judge")}
    small = {"data_generation.batch_size": 2, "pattern_analysis.batch_size": 2, "evaluation.max_new_tokens": 32}
    pada("run", str(ROOT / "configs/demo.yaml"), *settings(**faults, **patience, **small), cwd=tmp_path, timeout=800)
    run = Folder(str(tmp_path / "runs" / "demo"))
    state = read_state(tmp_path / "runs" / "demo")
    assert state.status == "done"

    seen = {access.fault for access in read_access_log(log) if access.fault}
    assert seen == set(FAULT_NAMES)

    accepted = run.read_records(run_files.accepted(1), Candidate)
    assert len(accepted) == 20 == state.counts["iteration-1"]["quota"]
    assert state.counts["iteration-1"]["shortfall"] == 0
    assert all(c.ratings is not None for c in accepted)
    rejected = run.read_records(run_files.rejected(1), Candidate)
    for candidate in rejected:
        assert (candidate.ratings is not None) == (candidate.rejected in ("low score", "duplicate"))
