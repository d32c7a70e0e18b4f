"""An experiment's own handle on a gateway that it shares with others."""

from __future__ import annotations

from typing import Protocol

from pada_ray.llm.chat import ChatReply, ChatRequest, Experiment, Usage


class Gateway(Protocol):
    """A gateway, or its actor."""

    async def chat(self, request: ChatRequest, experiment: Experiment, role: str) -> ChatReply: ...
    async def usage(self, experiment: str) -> list[Usage]: ...


class GatewayLlm:
    """Asks in the name of `experiment`. `role` is what the endpoint is to it: teacher or judge."""

    def __init__(self, gateway: Gateway, experiment: Experiment, role: str):
        self._gateway = gateway
        self._experiment = experiment
        self._role = role

    async def chat(self, request: ChatRequest) -> ChatReply:
        """See `LlmGateway.chat`."""
        return await self._gateway.chat(request, self._experiment, self._role)

    async def usage(self) -> list[Usage]:
        """What the experiment has paid for, in all its roles."""
        return await self._gateway.usage(self._experiment.name)
