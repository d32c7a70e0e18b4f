"""How a student attends while it is fine-tuned.

On a CPU the backward pass of torch's fused attention multiplies small blocks one by one. In bfloat16 each of these
products costs more to begin than to compute, so that for short samples transformers' plain attention is faster. It
holds all weights of the attention in memory, whose number grows with the square of the length, so longer samples keep
the fused one. Without a backward pass the fused one was as fast or faster.
"""

from __future__ import annotations

from typing import Any

import torch

SHORT = 128
"""Tokens. Up to here plain attention takes little memory: 0.2 GB for eight samples and a model of 135 M parameters."""


class ShortAttention:
    """Switches the attention of a peft model before each pass. Does nothing where the fused one is as fast."""

    def __init__(self, model: Any):
        base = model.get_base_model()
        slow = base.device.type == "cpu" and base.dtype == torch.bfloat16 and base.config._attn_implementation == "sdpa"
        self._base = base if slow else None

    def choose(self, tokens: int) -> None:
        """For a pass over samples of so many tokens, with padding."""
        if self._base is not None:
            self._base.set_attn_implementation("eager" if tokens <= SHORT else "sdpa")
