"""Frozen linear layers whose weights lie in memory as a CPU multiplies them.

For a product in bfloat16 oneDNN orders a weight in blocks, and does so again at every product. A weight that does not
change is brought into this order once; the products are the same. In float32 torch multiplies as fast without.
"""

from __future__ import annotations

from typing import Any

import torch


class PackedLinear(torch.nn.Linear):
    """As `layer`, whose weight and bias it shares and whose weight gets no gradient."""

    def __init__(self, layer: torch.nn.Linear):
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        with torch.no_grad():
            # What torch's own compiler packs with, which has no other name.
            self._packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight, None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x`: ... x inputs, to ... x outputs."""
        product: torch.Tensor = _Product.apply(x.to(self.weight.dtype), self.weight, self.bias, self._packed)
        return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, packed: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(weight)
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
        return product

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        return gradient.to(weight.dtype) @ weight, None, None, None


def can_pack() -> bool:
    """Whether this machine's oneDNN multiplies in bfloat16."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def with_packed_weights(model: Any) -> Any:
    """A model whose frozen linear layers are packed, if it is on a CPU in bfloat16."""
    if model.device.type != "cpu" or not can_pack():
        return model
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            frozen = type(layer) is torch.nn.Linear and not layer.weight.requires_grad
            if frozen and layer.weight.dtype == torch.bfloat16:
                setattr(parent, name, PackedLinear(layer))
    return model
