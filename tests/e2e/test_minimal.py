"""The flat script that shows the method alone."""

from __future__ import annotations

import re
import subprocess
import sys

from conftest import ROOT, environment


def test_the_flat_script_goes_through_algorithm_1_without_ray():
    command = [sys.executable, "-X", "importtime", "examples/minimal.py", "40", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=environment())
    assert done.returncode == 0, done.stderr[-2000:]
    sizes = re.findall(r"iteration (\d): (\d+) training samples, [\d.]+% of test right", done.stdout)
    assert sizes == [("0", "40"), ("1", "60")]
    assert not re.search(r"\| +ray$", done.stderr, re.MULTILINE)  # which lists every import
