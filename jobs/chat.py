"""Talk to a run's model: `pada chat RUN`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import typer

from jobs.command import main
from jobs.export import Model
from jobs.local.run_folder import lasting
from jobs.resume import Run
from pada_ray.printable import printable
from pada_ray.records import Message
from pada_ray.storage import Folder

RESET = "/reset"


def chat(run: Run, model: Model = None) -> None:
    """Talk to RUN's best model. At a terminal the conversation goes on until /reset, and ends with Ctrl-D. Where
    questions are piped in, each line is one of its own.

    Example: echo "What is 2 + 3?" | pada chat runs/demo
    """
    from pada_ray.export.chosen import chosen_model

    chosen = chosen_model(Folder(lasting(run)), model)
    from pada_ray.export.load import load_student, reply_choices, reply_ends
    from pada_ray.student.streaming import stream_reply

    most, stop = reply_ends(chosen)
    choices = reply_choices(chosen)
    student = load_student(chosen)
    at_terminal = sys.stdin.isatty()
    if at_terminal:
        typer.echo(f"{chosen.model} of {run}; {RESET} begins anew, Ctrl-D ends")

    def say(piece: str) -> None:
        typer.echo(printable(piece), nl=False)

    def answer(messages: list[Message]) -> str:
        reply = stream_reply(student, messages, most, say, stop, choices)
        typer.echo()
        if reply.truncated:
            typer.echo(f"(cut off at {most} tokens, or at student.max_length; {RESET} begins anew)", err=True)
        return reply.text

    converse(_typed() if at_terminal else (line.rstrip("\n") for line in sys.stdin), answer, keeps=at_terminal)


def converse(lines: Iterator[str], answer: Callable[[list[Message]], str], keeps: bool) -> None:
    """Has each line answered; with `keeps` along with what was said before it."""
    said: list[Message] = []
    for line in filter(str.strip, lines):
        if line.strip() == RESET or not keeps:
            said = []
        if line.strip() == RESET:
            continue
        said.append(Message(role="user", content=line))
        said.append(Message(role="assistant", content=answer(said)))


def _typed() -> Iterator[str]:
    while True:
        try:
            yield input("> ")
        except (EOFError, KeyboardInterrupt):
            typer.echo()
            return


if __name__ == "__main__":
    main(chat)
