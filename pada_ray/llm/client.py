"""A run's own handle on a gateway that it shares with other runs."""

from __future__ import annotations

from pada_ray.llm.chat import ChatReply, ChatRequest, Payer, Usage
from pada_ray.llm.gateway import LlmGateway
from pada_ray.llm.waiting import Waiting


class GatewayLlm:
    """Asks `gateway` (or its actor) on behalf of a run. `role` is the endpoint's role in that run: teacher or judge."""

    def __init__(self, gateway: LlmGateway, payer: Payer, role: str):
        self._gateway = gateway
        self._payer = payer
        self._role = role

    async def chat(self, request: ChatRequest) -> ChatReply:
        """See `LlmGateway.chat`."""
        return await self._gateway.chat(request, self._payer, self._role)

    async def waiting(self) -> Waiting | None:
        """The run's calls in this role that have waited for long or are made again."""
        return await self._gateway.waiting(self._payer.run, self._role)

    async def usage(self) -> list[Usage]:
        """What the run used, in both roles."""
        return await self._gateway.usage(self._payer.run)
