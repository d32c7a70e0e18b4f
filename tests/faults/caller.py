"""A process that asks a teacher through a gateway, to be killed: `python caller.py URL FILE CALLS`. It prints each
question whose reply it was given."""

from __future__ import annotations

import asyncio
import signal
import sys

from pada_ray.config import EndpointConfig
from pada_ray.llm.chat import ChatRequest, Payer
from pada_ray.llm.gateway import LlmGateway
from pada_ray.records import Message

RUN = "run"


async def main(url: str, file: str, calls: int) -> None:
    gateway = LlmGateway(EndpointConfig(base_url=url, model="a", max_in_flight=8), file)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)

    async def ask(number: int) -> None:
        messages = [Message(role="user", content=f"Question {number}?")]
        request = ChatRequest(messages=messages, reply_schema=None, temperature=0, seed=number, purpose="grading")
        await gateway.chat(request, Payer(run=RUN), "judge")
        print(number, flush=True)

    asking = asyncio.gather(*(ask(number) for number in range(calls)))
    ending = asyncio.create_task(stopped.wait())
    await asyncio.wait([asking, ending], return_when=asyncio.FIRST_COMPLETED)
    if not asking.done():  # those in flight are paid for, and are waited for
        asking.cancel()
        await gateway.finish(RUN)
    await gateway.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
