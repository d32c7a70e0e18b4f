"""The command line: `pada`."""

from __future__ import annotations

import typer

from jobs.attach import attach
from jobs.command import command
from jobs.convert import convert
from jobs.doctor import doctor
from jobs.evaluate import evaluate
from jobs.plan import plan
from jobs.report import report
from jobs.resume import resume
from jobs.run import run
from jobs.show import show
from jobs.status import status
from jobs.sweep import sweep
from jobs.teacher import teacher

app = typer.Typer(
    name="pada",
    help="PaDA-Agent on Ray: fine-tune a small language model, find why it fails, and train it on data made for that.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for job in (run, sweep, plan, resume, attach, status, show, report, evaluate, teacher, convert, doctor):
    app.command()(command(job))


if __name__ == "__main__":
    app()
