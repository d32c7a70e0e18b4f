"""Write a first config for a file of data: `pada init FILE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.command import main
from pada_ray.config import check_config
from pada_ray.data.columns import Columns
from pada_ray.data.first_config import DEFAULT_STUDENT, first_config, run_name
from pada_ray.data.own_files import cut, read_fields
from pada_ray.data.proposal import propose
from pada_ray.data.tables import read_rows
from pada_ray.errors import ConfigError
from pada_ray.printable import printable

File = Annotated[str, typer.Argument(metavar="FILE", help="CSV, TSV, JSON, JSONL, Parquet, Arrow, or a folder.")]
To = Annotated[str | None, typer.Option("--to", metavar="CONFIG", help="The config to write; default: NAME.yaml.")]
Student = Annotated[str, typer.Option("--student", metavar="MODEL", help="The model to fine-tune.")]


def init(file: File, to: To = None, student: Student = DEFAULT_STUDENT) -> None:
    """Look at FILE and write a first config: its layout, columns, task, split and student. At a terminal it asks where
    the columns leave a doubt; elsewhere it never asks.

    Example: pada init tickets.csv
    """
    target = Path(to or f"{run_name(file)}.yaml")
    if target.exists():
        raise ConfigError(f"{target}: already exists; give another name with --to")
    if not target.parent.is_dir():
        raise ConfigError(f"{target}: there is no folder {target.parent}; make it, or give another place with --to")
    rows = read_rows(file)
    proposal = propose(file, rows)
    if proposal.columns is not None and not proposal.sure_columns and _at_terminal():
        names = list(dict.fromkeys(name for _, row in rows for name in row))
        proposal = propose(file, rows, _asked(names, proposal.columns))
    fields = read_fields(file, proposal.columns)
    longest = max(sum(len(m["content"]) for m in sample["messages"]) for _, sample in fields)
    text = first_config(proposal, student, longest)
    config = check_config(_parsed(text), str(target))
    assert config.data.split is not None
    parts = cut(fields, config.data.split, file)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as e:
        target.unlink(missing_ok=True)  # the half of it that had room
        raise ConfigError(f"{target}: cannot be written: {e.strerror}") from None
    console = Console(soft_wrap=True, markup=False, highlight=False)
    console.print(text, end="")
    sizes = ", ".join(f"{len(members)} {split}" for split, members in parts.items())
    console.print(f"\nconfig: {target} ({sizes})")
    console.print(f"next: pada run {target} --rehearse")


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _asked(names: list[str], columns: Columns) -> Columns:
    """The columns that a person names. A stranger's names are shown without what would control the terminal."""
    shown = {printable(name): name for name in [*columns, *names]}
    listed = ", ".join(map(printable, names))
    found = [
        typer.prompt(f"{key} column ({listed})", default=printable(guess)) for key, guess in columns._asdict().items()
    ]
    return Columns(*(shown.get(name, name) for name in found))


def _parsed(text: str) -> dict[str, object]:
    import yaml

    found: dict[str, object] = yaml.safe_load(text)
    return found


if __name__ == "__main__":
    main(init)
