"""The image, built and run where Docker is."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from conftest import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("docker") is None, reason="Docker is not here; tests/unit/test_dockerfile.py reads it"
    ),
    pytest.mark.timeout(3600),
]


def test_the_image_is_built_and_has_the_command():
    build = subprocess.run(["docker", "build", "-q", "."], cwd=ROOT, capture_output=True, text=True, timeout=3500)
    assert build.returncode == 0, build.stderr[-2000:]
    image = build.stdout.strip()
    for arguments, told in ((["--version"], "pada-ray "), (["--help"], "fine-tune")):
        done = subprocess.run(["docker", "run", "--rm", image, *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout
