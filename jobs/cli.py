"""The command line: `pada`."""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from jobs.command import command

COMMANDS = (
    "run", "sweep", "plan", "resume", "attach", "status", "show", "report", "evaluate", "teacher", "convert", "doctor",
    "export", "init", "chat", "serve", "ui"
)  # fmt: skip
_PLAIN: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False}


class Commands(TyperGroup):
    """Imports the module of a command when it is called: all of them would take longer than most of what they do."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name in COMMANDS:
            alone = typer.Typer(**_PLAIN)
            alone.command(name)(command(getattr(import_module(f"jobs.{name}"), name)))
            self.commands[name] = get_command(alone)
        return super().resolve_command(ctx, args)


app = typer.Typer(name="pada", cls=Commands, no_args_is_help=True, **_PLAIN)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"pada-ray {version('pada-ray')}")
        raise typer.Exit


@app.callback()
def pada(
    _: bool = typer.Option(False, "--version", is_eager=True, callback=_tell_version, help="Print the version."),
) -> None:
    """PaDA-Agent on Ray: fine-tune a small language model, find why it fails, and train it on data made for that."""


def _described(name: str) -> str:
    """The docstring of a command's function, read from its file."""
    tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return ast.get_docstring(function) or ""


for _name in COMMANDS:  # for the list of commands, and what a mistyped one may have meant
    app.command(_name, help=_described(_name))(lambda: None)


if __name__ == "__main__":
    app()
