"""The import direction is jobs -> actors -> pada_ray, and only the modules whose work is Ray import it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {"pada_ray": {"actors", "jobs"}, "actors": {"jobs"}, "jobs": set()}
MAY_IMPORT_RAY = {"fine_tune.py", "fine_tune_worker.py", "evaluation.py", "evaluation_vllm.py", "resources.py"}


def imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_direction(package):
    files = list((ROOT / package).rglob("*.py"))
    assert len(files) > 3
    wrong = {f.name: imported(f) & FORBIDDEN[package] for f in files}
    assert not any(wrong.values()), wrong


def test_few_modules_of_the_algorithm_import_ray():
    importing = {f.name for f in (ROOT / "pada_ray").rglob("*.py") if "ray" in imported(f)}
    assert importing == MAY_IMPORT_RAY


def test_no_command_waits_for_what_only_some_of_them_need():
    code = "import sys, jobs.cli; print(*sorted({'numpy', 'ray', 'scipy', 'sklearn', 'torch'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("", "")
