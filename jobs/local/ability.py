"""Asks the teacher and the judge of a config what a run would ask, five calls in all, and tells how able they are."""

from __future__ import annotations

import asyncio
import tempfile

from rich.console import Console
from rich.markup import escape

from jobs.local.endpoints import addresses_of, offline_teachers
from pada_ray.agents.ability import Abilities
from pada_ray.agents.brief import brief_on
from pada_ray.config import Config
from pada_ray.data.given import knowledge_of
from pada_ray.data.splits import read_data
from pada_ray.errors import ConfigError
from pada_ray.llm.chat import Payer, spent
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.gateway import LlmGateway
from pada_ray.printable import printable

_ROLES = ("teacher", "judge")


def tell_abilities(config: Config, console: Console) -> None:
    """Prints a line for each call, and at last what the calls took. Raises ConfigError where no endpoint is there to be
    asked, and EndpointError where one fails."""
    for role in _ROLES:
        if getattr(config.llm, role).base_url in ("vllm", "none"):
            raise ConfigError(f"--teacher: llm.{role}: served with each run, so that it cannot be asked before")
    with offline_teachers([config]) as started, tempfile.TemporaryDirectory() as folder:
        asyncio.run(_tell(config, addresses_of(config, started), folder, console))


async def _tell(config: Config, started: dict[str, str], folder: str, console: Console) -> None:
    gateways = {}
    for role in _ROLES:
        endpoint = getattr(config.llm, role)
        endpoint = endpoint.model_copy(update={"base_url": started.get(role, endpoint.base_url)})
        gateways[role] = LlmGateway(endpoint, f"{folder}/{role}.sqlite")
    teacher, judge = (GatewayLlm(gateways[role], Payer(run=folder), role) for role in _ROLES)
    train = read_data(config)["train"]
    abilities = Abilities(teacher, judge, config, train, brief_on(train, knowledge_of(config.data, train)))
    try:
        async for found in abilities.findings():
            mark = "[yellow]poor[/]   " if found.advice else "[green]ok[/]      "
            advice = f"; try {found.advice}" if found.advice else ""
            console.print(
                f"{mark}{found.what}: {escape(printable(found.told + advice))}", highlight=False, soft_wrap=True
            )
        total = spent([u for role in _ROLES for u in await gateways[role].usage(folder)])
    finally:
        for gateway in gateways.values():
            await gateway.close()
    console.print(f"asked: {total.calls} calls, {total.tokens:,} tokens", highlight=False)
