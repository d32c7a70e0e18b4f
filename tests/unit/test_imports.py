"""Imports go jobs -> actors -> pada_ray, in no circle; the config is a leaf; few modules of the method import Ray."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pada_ray", "actors", "jobs")
FORBIDDEN = {"pada_ray": {"actors", "jobs"}, "actors": {"jobs"}, "jobs": set()}
MAY_IMPORT_RAY = {
    "pada_ray/resources.py",
    "pada_ray/student/evaluation_transformers.py",
    "pada_ray/student/evaluation_vllm.py",
    "pada_ray/student/fine_tune.py",
    "pada_ray/student/fine_tune_worker.py",
    "pada_ray/student/progress.py",
    "pada_ray/student/trainer.py",
}
ROOMS = {
    "agents", "config", "data", "demo", "export", "findings", "llm", "methods", "prompts", "report", "review", "runs",
    "sandbox", "student", "tasks", "teacher", "ui",
}  # fmt: skip
FLAT = {
    "__init__", "algorithm", "errors", "orchestrator", "printable", "randomness", "records", "resources", "steps",
    "storage",
}  # fmt: skip


def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name; a package by its own."""
    found = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            found[".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = file
    return found


def imported(file: Path) -> set[str]:
    """The dotted names that a file imports, `from a import b` as both a and a.b. What only type checkers read is left
    out."""
    tree = ast.parse(file.read_text())
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in set(ast.walk(tree)) - skipped:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_direction(package):
    files = list((ROOT / package).rglob("*.py"))
    assert len(files) > 3
    wrong = {f.name: {name.partition(".")[0] for name in imported(f)} & FORBIDDEN[package] for f in files}
    assert not any(wrong.values()), wrong


def test_no_module_imports_itself_in_a_circle():
    ours = modules()
    arrows = {name: (imported(file) & ours.keys()) - {name} for name, file in ours.items()}
    # A module's import of its own package's face is no arrow: the face only hands names on.
    arrows = {name: {other for other in to if not name.startswith(f"{other}.")} for name, to in arrows.items()}
    assert list(TopologicalSorter(arrows).static_order())


def test_the_config_is_a_leaf():
    files = list((ROOT / "pada_ray" / "config").glob("*.py"))
    ours = {name for f in files for name in imported(f) if name.startswith("pada_ray")}
    allowed = ("pada_ray.config", "pada_ray.errors")
    assert {name for name in ours if not name.startswith(allowed)} == set()


def test_few_modules_of_the_method_import_ray():
    files = (ROOT / "pada_ray").rglob("*.py")
    importing = {str(f.relative_to(ROOT)) for f in files if "ray" in {n.partition(".")[0] for n in imported(f)}}
    assert importing == MAY_IMPORT_RAY


def test_what_lies_flat_belongs_to_no_room():
    inside = [path for path in (ROOT / "pada_ray").iterdir() if path.name != "__pycache__"]
    assert {path.name for path in inside if path.is_dir()} == ROOMS
    assert {path.stem for path in inside if path.is_file()} == FLAT


def required(requirements: list[str]) -> set[str]:
    """The packages in a list of requirements, written as pip compares them."""
    return {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower() for line in requirements}


def test_every_package_that_is_imported_is_declared():
    declared = required([line for line in importlib.metadata.requires("pada-ray") if not re.search(r"\bdev\b", line)])
    # Inside the sandbox the modules of its program are imported by their own names.
    ours = {*PACKAGES, "tests", *(name.rpartition(".")[2] for name in modules())}
    imports = {name.partition(".")[0] for file in modules().values() for name in imported(file)}
    distributions = importlib.metadata.packages_distributions()
    others = imports - ours - sys.stdlib_module_names
    assert "torch" in others
    assert {name for name in others if not required(distributions.get(name, [name])) & declared} == set()


def loaded_by(code: str, *names: str) -> set[str]:
    """Which of the modules a program loads."""
    code = f"import sys\n{code}\nprint(*{set(names)!r} & sys.modules.keys(), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_no_command_waits_for_what_only_some_of_them_need():
    code = (
        "from importlib import import_module; from jobs import cli; [import_module(f'jobs.{c}') for c in cli.COMMANDS]"
    )
    assert loaded_by(code, "numpy", "ray", "scipy", "sklearn", "torch") == set()


def test_help_loads_no_command():
    code = "from jobs.cli import app; app(['--help'], standalone_mode=False)"
    assert (
        loaded_by(code, "jobs.run", "jobs.doctor", "pydantic", "yaml", "fsspec", "jinja2", "pada_ray.config") == set()
    )


def test_showing_a_run_loads_no_statistics():
    code = "from pada_ray.report import run_tables, results; from pada_ray.findings import lineage"
    assert loaded_by(code, "scipy", "sklearn", "threadpoolctl", "kneed") == set()
