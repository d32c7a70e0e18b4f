"""Serve a run's model behind OpenAI's API: `pada serve RUN`."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.command import main
from jobs.export import Model
from jobs.local.run_folder import lasting
from jobs.resume import Run
from pada_ray.errors import ConfigError
from pada_ray.storage import Folder


def serve(
    run: Run,
    model: Model = None,
    host: Annotated[str, typer.Option(help="Address to listen on; there is no key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.", min=1, max=65535)] = 8200,
) -> None:
    """Serve RUN's best model as an OpenAI-compatible endpoint, to try it in a program: greedy, one reply at a time. For
    many users, export it and serve it by vLLM or llama.cpp (docs/export.md).

    Example: pada serve runs/demo --port 8200
    """
    from pada_ray.export.chosen import chosen_model

    chosen = chosen_model(Folder(lasting(run)), model)
    from aiohttp import web

    from pada_ray.export.load import load_student, reply_choices, reply_ends
    from pada_ray.student.chat_server import ChatServer

    most, stop = reply_ends(chosen)
    server = ChatServer(load_student(chosen), chosen.name, most, stop, reply_choices(chosen))
    typer.echo(f"model: {chosen.name}\nbase_url: http://{host}:{port}/v1")
    try:
        web.run_app(server.app(), host=host, port=port, print=None)
    except OSError as e:
        raise ConfigError(f"--port {port}: {e.strerror or e}; give another one") from None


if __name__ == "__main__":
    main(serve)
