"""The command line: `pada`."""

from __future__ import annotations

import typer

from jobs.command import command
from jobs.doctor import doctor
from jobs.resume import resume
from jobs.run import run
from jobs.show import show
from jobs.status import status
from jobs.teacher import teacher

app = typer.Typer(
    name="pada",
    help="PaDA-Agent on Ray: fine-tune a small language model, find why it fails, and train it on data made for that.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for job in (run, resume, status, show, teacher, doctor):
    app.command()(command(job))


if __name__ == "__main__":
    app()
