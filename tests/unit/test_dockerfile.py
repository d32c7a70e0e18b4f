"""The Dockerfile by plain checks; tests/e2e/test_docker.py builds it where Docker is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {"ARG", "FROM", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD", "ENV"}


def instructions():
    """(instruction, its arguments) of each line, continued lines as one, without comments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def of(kind):
    return [arguments for name, arguments in instructions() if name == kind]


def test_it_has_no_other_instructions():
    assert {name for name, _ in instructions()} <= KNOWN
    assert [name for name, _ in instructions()][:2] == ["ARG", "FROM"]


def test_the_base_image_is_a_supported_python():
    (argument, *_), (image,) = of("ARG"), of("FROM")
    assert image == "python:${PYTHON_VERSION}-slim"
    version = tuple(map(int, argument.removeprefix("PYTHON_VERSION=").split(".")))
    assert (3, 10) <= version <= (3, 13)


def test_every_file_that_it_copies_is_there_and_gets_past_dockerignore():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    sources = {name for arguments in of("COPY") for name in arguments.split()[:-1]}
    assert sources >= {"pada_ray", "actors", "jobs", "pyproject.toml", "constraints.txt"}
    for name in sources:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_it_copies_what_the_wheel_needs():
    config = (ROOT / "pyproject.toml").read_text()
    named = set(re.findall(r'^readme = "(.*)"', config, re.MULTILINE)) | {"LICENSE"}
    assert named <= {name for arguments in of("COPY") for name in arguments.split()[:-1]}


def test_every_argument_is_used_and_every_variable_is_an_argument():
    names = {argument.partition("=")[0] for argument in of("ARG")}
    text = "\n".join(arguments for name, arguments in instructions() if name != "ARG")
    assert set(re.findall(r"\$\{(\w+)\}", text)) == names
    assert all("=" in argument for argument in of("ARG"))  # a build without arguments is the one for CPUs
    assert "TORCH_BACKEND=cpu" in of("ARG")


def test_its_extras_exist():
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    wanted = next(a for a in of("ARG") if a.startswith("EXTRAS=")).removeprefix("EXTRAS=").split(",")
    assert set(wanted) <= extras


def test_versions_are_pinned_and_no_cache_stays():
    installs = [run for run in of("RUN") if "pip install" in run]
    assert len(installs) == 3
    for run in installs:
        assert "--no-cache" in run
        assert "-c constraints.txt" in run or re.search(r"uv==\d", run)


def test_the_command_runs_as_no_root_and_gets_signals():
    names = [name for name, _ in instructions()]
    assert of("USER") == ["pada"]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert not [a for name, a in instructions()[names.index("USER") :] if name in ("RUN", "COPY")]
    assert yaml.safe_load(of("ENTRYPOINT")[0]) == ["pada"]  # in JSON's form there is no shell that keeps Ctrl-C
    assert yaml.safe_load(of("CMD")[0]) == ["--help"]


def test_any_user_has_a_home_to_write_to():
    """`docker run --user` may name one that the image does not know, whose home would be `/`."""
    (home,) = [a.removeprefix("HOME=") for a in of("ENV") if a.startswith("HOME=")]
    (made,) = [run for run in of("RUN") if "useradd" in run]
    assert home == f"/home/{of('USER')[0]}"
    assert f"chmod 1777 {home}" in made.split(" && ")


def test_no_secret_is_built_in():
    assert not re.search(r"(key|token|secret|password)\s*=", (ROOT / "Dockerfile").read_text(), re.IGNORECASE)


@pytest.mark.parametrize("line", of("RUN"))
def test_every_command_is_one_of_the_shell(line):
    done = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
