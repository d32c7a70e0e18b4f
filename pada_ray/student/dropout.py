"""Dropout for a CPU. torch draws a random number for each element one by one there: with small adapters on frozen
bfloat16 weights, that takes longer than the matrix products."""

from __future__ import annotations

from typing import Any

import torch

_BITS = 16  # of a random word that decide about an element: a rate is held to within 1 / 2**17


class Dropout(torch.nn.Module):
    """As torch.nn.Dropout: while training, each element is 0 with probability `p`, and the others are scaled by
    1 / (1 - p)."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        words = torch.empty(-(-x.numel() * _BITS // 64), dtype=torch.int64).random_(-(2**63), None)
        drawn = words.view(torch.int16)[: x.numel()].view(x.shape)
        kept = drawn >= round(self.p * 2**_BITS) - 2 ** (_BITS - 1)
        return x * (kept.view(torch.uint8).to(x.dtype) * (1 / (1 - self.p)))


def with_fast_dropout(model: Any) -> Any:
    """A peft model whose adapters drop out by `Dropout`, if it is on a CPU."""
    if model.device.type != "cpu":
        return model
    for module in model.modules():
        of_adapters = getattr(module, "lora_dropout", {})
        for name, layer in list(of_adapters.items()):
            if isinstance(layer, torch.nn.Dropout):
                of_adapters[name] = Dropout(layer.p)
    return model
