"""Workers of a fine-tuning that are lost on the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
