"""The tutorial, replayed in an empty environment from a wheel on 16 samples; `make journey STUDENT=FOLDER` takes a real
student and all samples."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.timeout(3600)


def test_every_command_of_the_tutorial_does_what_it_says(tmp_path):
    command = [sys.executable, "tests/e2e/journey.py", "--samples", "16", "--keep", str(tmp_path / "journey")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3500)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-2000:]}"
    assert "every command of docs/tutorial.md did what it says" in done.stdout
