"""Handles on actors, typed as the plain objects that the logic of `pada_ray` calls with await."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import ray

T = TypeVar("T")

# An actor lost with its node or its process comes back, and the calls that it left are made again. They may be: what
# costs money is answered from the reply cache, and what an agent holds follows from its constructor.
ACTOR_OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_restarts": 3, "max_task_retries": 3}
NODE_ID = "ray.io/node-id"  # the label that Ray gives to every node


def on_this_node(*, must: bool = False) -> dict[str, Any]:
    """Options that put an actor beside whoever calls this. All actors of a run are beside its driver, for they hold no
    CPU: on another node they would keep an autoscaler from taking it away, and be lost with it. Ray Data and Ray Train
    put their own coordinators beside whoever calls them, and Ray Data's stays there for good.

    `must`: nowhere else, even if that node is lost. (A soft NodeAffinitySchedulingStrategy does not do for the others:
    an actor that holds no CPU comes to any node by it, in Ray 2.60.)
    """
    here = {"label_selector": {NODE_ID: ray.get_runtime_context().get_node_id()}}
    return here if must else here | {"fallback_strategy": [{"label_selector": {}}]}


def knowing_this_cluster() -> dict[str, Any]:
    """The runtime env of an actor that starts Ray Train. Ray Train asks, by Ray's state API, whether its controller is
    alive, and that API takes the cluster that was last started on a machine by `ray start`, dead or alive, or any that
    it finds, unless it is told which. With a wrong one every fine-tuning ended twelve seconds late."""
    return {"env_vars": {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}}


class RemoteActor:
    """`await actor.method(...)` on the actor of this name. It holds the name alone, so that an actor which is made
    again after a crash finds the others in its arguments."""

    def __init__(self, name: str):
        self._name = name
        self._handle: Any = None

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):  # as pickle asks for, before there is anything
            raise AttributeError(method)
        if self._handle is None:
            self._handle = ray.get_actor(self._name)
        remote: Callable[..., Any] = getattr(self._handle, method).remote
        return remote

    def __reduce__(self) -> tuple[type[RemoteActor], tuple[str]]:
        return RemoteActor, (self._name,)


def handle(kind: type[T], name: str) -> T:
    """The actor of this name as an object of `kind`, whose methods are awaited: type checkers know them and what they
    take and give."""
    return cast(T, RemoteActor(name))
