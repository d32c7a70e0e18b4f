"""Workers that are lost on the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray

from pada_ray.tasks.math import Math

Train = Callable[[dict[str, Any]], None]


def dying_in_the_second_epoch(train_on_worker: Train, marker: Path, rank: int = 0) -> Train:
    """`train_on_worker`, whose worker `rank` ends its process once, leaving its step in the file `marker`."""

    def dies(config: dict[str, Any]) -> None:
        import transformers
        from ray import train

        class Die(transformers.TrainerCallback):
            def on_epoch_begin(self, args, state, control, **kwargs):
                if train.get_context().get_world_rank() == rank and state.global_step and not marker.exists():
                    marker.write_text(str(state.global_step))
                    os._exit(1)

        init = transformers.Trainer.__init__

        def with_die(self, *args, callbacks=(), **kwargs):
            init(self, *args, callbacks=[*callbacks, Die()], **kwargs)

        transformers.Trainer.__init__ = with_die
        try:
            train_on_worker(config)
        finally:
            transformers.Trainer.__init__ = init

    return dies


class FatalOnAWorker(Math):
    """A task that ends the process which asks how long a reply may be, as the kernel ends one that took all memory."""

    @property
    def max_new_tokens(self):
        if ray.get_runtime_context().get_actor_id() is not None:
            os._exit(1)
        return 24
