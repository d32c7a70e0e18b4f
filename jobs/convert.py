"""Convert data from another layout into ours: `pada convert IN OUT`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.console import Console

from jobs.command import main
from pada_ray.data.conversion import Conversion, as_line, cut, read_converted
from pada_ray.data.layouts import LAYOUTS
from pada_ray.errors import ConfigError
from pada_ray.printable import printable
from pada_ray.records import Sample, Split
from pada_ray.storage import Folder
from pada_ray.tasks import Knowledge, get_task, learn

_SHOWN = 10  # rows listed for each reason
_WIDTH = 600  # characters of an example


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="A .json, .jsonl or .parquet file.")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="A new .jsonl file; with --split a folder.")],
    layout: Annotated[str, typer.Option(help=f"IN's layout: auto, {', '.join(LAYOUTS)}.")] = "auto",
    task: Annotated[
        str | None, typer.Option(help="Task of rows that name none; answers are then read from replies and checked.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Shares of train, val and test, such as 0.8/0.1/0.1.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
) -> None:
    """Convert IN from a common layout (Alpaca, ShareGPT, prompt and completion, text and label, messages) into OUT in
    our layout.

    Example: pada convert alpaca.json data --task judged --split 0.8/0.1/0.1
    """
    if layout not in ("auto", *LAYOUTS):
        raise ConfigError(f"--layout {layout}: use one of auto, {', '.join(LAYOUTS)}")
    shares = None if split is None else _shares(split)
    names = ["train", "val", "test"] if shares else []
    files = [f"{target}/{name}.jsonl" for name in names] or [target]
    for file in files:
        folder, name = _place(file)
        if folder.exists(name):
            raise ConfigError(f"{file}: already exists; give another name")
    conversion = read_converted(source, None if layout == "auto" else layout, task)
    samples = [c.sample for c in conversion.converted]
    parts: dict[str, list[Sample]] = {target: samples}
    if shares is not None:
        parts = {f"{target}/{name}.jsonl": members for name, members in cut(samples, shares, seed).items()}
    with ExitStack() as written:  # all files or none
        for file, members in parts.items():
            folder, name = _place(file)
            folder.write_text(name, "".join(as_line(s) + "\n" for s in members))
            written.callback(folder.remove, name)
        written.pop_all()
    _print(conversion, {file: len(members) for file, members in parts.items()})


def _shares(text: str) -> dict[Split, float]:
    try:
        train, val, test = (float(share) for share in text.split("/"))
    except ValueError:
        train, val, test = 0.0, 0.0, 0.0
    if not (min(train, val) > 0 and test >= 0 and abs(train + val + test - 1) <= 1e-6):  # nan is in no order
        raise ConfigError(f"--split {text}: write TRAIN/VAL/TEST, shares that add up to 1, such as 0.8/0.1/0.1")
    return {"train": train, "val": val, "test": test}


def _place(file: str) -> tuple[Folder, str]:
    folder, slash, name = file.rpartition("/")
    return Folder(folder or slash or "."), name


def _print(conversion: Conversion, written: dict[str, int]) -> None:
    """Prints the numbers of rows, the reason and place of each dropped row, and one example."""
    console = Console(soft_wrap=True, markup=False, highlight=False)
    rows = len(conversion.converted) + len(conversion.dropped)
    console.print(f"layout: {conversion.layout}")
    console.print(f"rows in: {rows}")
    console.print(f"rows out: {', '.join(f'{count} in {file}' for file, count in written.items())}")
    console.print(f"dropped: {len(conversion.dropped)}")
    reasons: dict[str, list[str]] = {}
    for dropped in conversion.dropped:
        reasons.setdefault(dropped.why, []).append(dropped.where)
    for why, places in reasons.items():
        more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
        console.print(f"  {printable(why)}: {', '.join(places[:_SHOWN])}{more}")
    for name, told in _learned([c.sample for c in conversion.converted]).items():
        console.print(f"{name}: {_short(told)}")
    first = conversion.converted[0]
    console.print(f"before ({first.where}): {_short(json.dumps(first.row, ensure_ascii=False, default=str))}")
    console.print(f"after: {_short(as_line(first.sample))}")


def _learned(samples: list[Sample]) -> dict[str, str]:
    """By task, what a run would learn of it from these samples, such as the labels."""
    by_task: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.task:
            by_task.setdefault(sample.task, []).append(sample)
    told = {name: get_task(name, learn(members, Knowledge())).describe() for name, members in by_task.items()}
    return {name: text for name, text in told.items() if text}


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}..."


if __name__ == "__main__":
    main(convert)
