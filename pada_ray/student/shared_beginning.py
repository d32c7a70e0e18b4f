"""What several samples begin with, such as a system prompt and an instruction, is read once.

A fine-tuning reads it in a row of its own. All rows of the pass attend to its keys and values, and its gradient is the
sum of theirs. Loss and gradients are those of whole samples, but for dropout: the beginning has one mask for all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from pada_ray.student.chat_encoder import IGNORED

_WORTH_SHARING = 8  # tokens; a shorter common beginning is read with each sample
_WORTH_A_PASS = 8  # an eighth of a pass's tokens: to read the beginning apart is a pass of its own


def common_beginning(rows: Sequence[list[int]]) -> int:
    """How many tokens all rows begin with, leaving at least one to each; 0 if that saves nothing."""
    if len(rows) == 1:
        return 0
    shortest, first, last = min(map(len, rows)), min(rows), max(rows)  # what these two share, all do
    common = next((i for i in range(shortest) if first[i] != last[i]), shortest)
    common = min(common, shortest - 1)
    return common if common >= _WORTH_SHARING else 0


class SharedBeginning:
    """Of the passes of a fine-tuning.

    `model` is a peft model, and `alone` says whether it is one process's: several would have to take the two passes
    together. Does nothing where the model keeps more than the keys and values of each token, or with checkpointed
    activations, which keep none.
    """

    def __init__(self, model: Any, *, alone: bool, checkpointing: bool):
        self._config = model.get_base_model().config
        layers = DynamicCache(config=self._config).layers
        self._possible = alone and not checkpointing and all(type(layer) is DynamicLayer for layer in layers)

    def read_once(self, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """The inputs without what all rows begin with, and what the model has read of it.

        `inputs`: `input_ids`, `attention_mask` and `labels`, rows x tokens each.
        """
        shared = self._length(inputs)
        if not shared:
            return inputs
        ids = inputs["input_ids"]
        read = DynamicCache(config=self._config)
        model(input_ids=ids[:1, :shared], past_key_values=read, use_cache=True, logits_to_keep=1)
        read.batch_repeat_interleave(len(ids))
        rest = {name: inputs[name][:, shared:] for name in ("input_ids", "labels")}
        return inputs | rest | {"past_key_values": read, "use_cache": True}

    def _length(self, inputs: dict[str, Any]) -> int:
        """Tokens that are read once: some of each prompt is left, whose last token the first of the reply follows."""
        if not self._possible:
            return 0
        ids, labels = inputs["input_ids"], inputs["labels"]
        same = (ids == ids[:1]).all(0)
        only_read = ((labels == IGNORED) & inputs["attention_mask"].bool()).all(0)
        # How many columns from the left, in one question to the device.
        equal, prompt = torch.stack([same, only_read]).long().cumprod(1).sum(1).tolist()
        shared = min(equal, prompt - 1)
        worth = shared >= _WORTH_SHARING and (len(ids) - 1) * shared * _WORTH_A_PASS >= ids.numel()
        return shared if worth else 0
