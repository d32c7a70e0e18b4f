"""Pack the results of a sweep, without its models and texts, so that another machine can report or continue it.

    python -m benchmarks.kept_sweep pack runs/demo-table benchmarks/results/demo_table.tar.xz
    python -m benchmarks.kept_sweep unpack benchmarks/results/demo_table.tar.xz runs/demo-table
    pada report runs/demo-table

Of each finished run it keeps the config, the state (scores, counts, tokens, times), which items failed, and hashes that
tell which runs had the same items. Replies, samples and adapters are left out. `pada sweep` therefore runs the missing
cells, and repeats the stages that they would have shared.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
from pathlib import Path

from pada_ray.config import Config, check_config, dump_config, put
from pada_ray.records import Message, Prediction, Sample
from pada_ray.report.comparison import split_for_results
from pada_ray.report.results import read_run
from pada_ray.runs import run_files
from pada_ray.runs.configs import named_models, read_config
from pada_ray.runs.state import FILE as STATE
from pada_ray.runs.state import is_done, read_state, state_file
from pada_ray.runs.sweep import CELLS
from pada_ray.runs.sweep import FILE as SWEEP
from pada_ray.storage import Folder, as_lines


def pack(sweep: str, archive: str) -> int:
    """Writes the finished runs of a sweep's folder to a tar.xz. Returns their number."""
    folder = Folder(sweep)
    names = [f"{CELLS}/{cell['name']}" for cell in folder.read_yaml(SWEEP)["cells"]]
    done = [name for name in names if is_done(Folder(folder.at(name)))]
    kept = {f"{name}/{file}": text for name in done for file, text in _kept_files(Folder(folder.at(name))).items()}
    write_archive(archive, {SWEEP: folder.read_text(SWEEP), **kept})
    return len(done)


def unpack(archive: str, sweep: str) -> int:
    """Adds the kept runs to a sweep's folder; files that are there stay. Returns the number of runs added."""
    place = Path(sweep)
    with tarfile.open(archive) as tar:
        new = [entry for entry in tar if not (place / entry.name).exists()]
        tar.extractall(place, new, filter="data")
    return sum(entry.name.endswith(f"/{STATE}") for entry in new)


def write_archive(archive: str | Path, files: dict[str, str]) -> None:
    """Writes texts by path to a tar.xz. Equal texts give an equal tar."""
    with tarfile.open(archive, "w:xz") as tar:
        for file, text in sorted(files.items()):
            data = text.encode()
            entry = tarfile.TarInfo(file)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def extract(archive: str | Path, to: str) -> Folder:
    """The folder `to` with what `write_archive` wrote."""
    with tarfile.open(archive) as tar:
        tar.extractall(to, filter="data")
    return Folder(to)


def config_to_keep(config: Config) -> str:
    """The config without the places of this machine, as YAML. Models in the current folder are named from there, as
    in the sweep's file."""
    raw = config.model_dump(mode="json") | {"runs": "runs", "shared_stages": None}
    raw["llm"] |= {"cache": None}
    for key, model in named_models(config).items():
        put(raw, key, model.removeprefix(f"{os.getcwd()}/"), "config")
    return dump_config(check_config(raw, "config"))


def _kept_files(run: Folder) -> dict[str, str]:
    """The files to keep of a run: path -> text."""
    config, state = read_config(run), read_state(run)
    state.files = {}  # the checksums of the whole files
    files = {run_files.CONFIG: config_to_keep(config), STATE: state_file(state).decode()}
    for model in state.scores:
        file = run_files.predictions(model)
        verdicts = [p.model_copy(update={"reply": ""}) for p in run.read_records(file, Prediction)]
        files[file] = as_lines(verdicts)
    items = run_files.split(split_for_results([read_run(run)]))
    files[items] = as_lines(map(hashed, run.read_records(items, Sample)))
    return files


def hashed(item: Sample) -> Sample:
    """The item with a hash in place of its messages. An item that is already hashed stays as it is."""
    if not item.messages[-1].content:
        return item
    text = "".join(message.model_dump_json() for message in item.messages)
    short = hashlib.sha256(text.encode()).hexdigest()[:8]
    messages = [Message(role="user", content=short), Message(role="assistant", content="")]
    return item.model_copy(update={"messages": messages, "meta": {}})


if __name__ == "__main__":
    action, source, target = sys.argv[1:]
    print({"pack": pack, "unpack": unpack}[action](source, target), "runs")
