"""Run the offline teacher alone: `pada teacher`."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import ValidationError

from jobs.command import main
from pada_ray.config import lay_over
from pada_ray.config.teacher import FAULT_NAMES, TeacherSettings
from pada_ray.errors import ConfigError

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting: "
        + ", ".join(name for name in TeacherSettings.model_fields if name != "faults")
        + ", or faults.NAME=RATE with NAME one of "
        + ", ".join(FAULT_NAMES)
        + ".",
    ),
]


def teacher(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8100,
    set_: Settings = None,
) -> None:
    """Serve the rule-based offline teacher as an OpenAI-compatible endpoint, to rehearse without a key.

    Example: pada teacher --port 8100 --set wrong_rate=0.3 --set faults.rate_limit=0.1
    """
    from pada_ray.teacher.server import serve

    values: dict[str, object] = {}
    for setting in set_ or []:
        lay_over(values, setting)
    try:
        settings = TeacherSettings.model_validate(values)
    except ValidationError as e:
        first = e.errors()[0]
        raise ConfigError(f"--set {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    serve(settings, host, port)


if __name__ == "__main__":
    main(teacher)
