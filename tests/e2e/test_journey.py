"""The tutorial, replayed from a wheel on 16 samples, beside the packages that the tests have. `make journey` installs
all of them, and with STUDENT=FOLDER takes a real student and all samples."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.timeout(3600)


def test_every_command_of_the_tutorial_does_what_it_says(tmp_path):
    smaller = ["--reuse", "--samples", "16", "--keep", str(tmp_path / "journey")]
    done = subprocess.run(
        [sys.executable, "tests/e2e/journey.py", *smaller], cwd=ROOT, capture_output=True, text=True, timeout=3500
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-2000:]}"
    assert "every command of docs/tutorial.md did what it says" in done.stdout
