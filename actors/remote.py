"""Ray handles that look like the plain objects which the logic of `pada_ray` calls with await."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# An actor lost with its node or its process comes back, and the calls that it left are made again. They may be: what
# costs money is answered from the reply cache, and what an agent holds follows from its constructor.
ACTOR_OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_restarts": 3, "max_task_retries": 3}


class RemoteAgent:
    """`await agent.method(...)` on an actor's handle."""

    def __init__(self, handle: Any):
        self._handle = handle

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):  # as pickle asks for, before the handle is there
            raise AttributeError(method)
        remote: Callable[..., Any] = getattr(self._handle, method).remote
        return remote


class RemoteTask:
    """`await task(...)` on a function that runs as a Ray task and blocks there, not in an actor's event loop."""

    def __init__(self, function: Callable[..., Any], **bound: Any):
        self._function = function
        self._bound = bound

    async def __call__(self, *args: Any) -> Any:
        import ray

        task = ray.remote(num_cpus=0, max_retries=3)(self._function)
        return await task.remote(*args, **self._bound)
