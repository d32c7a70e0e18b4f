"""Whether a processor multiplies faster in bfloat16 than in float32, and with packed weights faster still: products of
SmolLM2-135M's shapes on one thread.

    python -m benchmarks.products

`student.dtype: auto` goes by this on a CPU, but by what kind of processor it is: a measurement would differ from worker
to worker.
"""

from __future__ import annotations

import time

import torch

from benchmarks.bench.machine import hardware
from pada_ray.config import StudentConfig
from pada_ray.student.model import dtype_for
from pada_ray.student.packed import PackedLinear, can_pack

SHAPES = ((1024, 576, 576), (1024, 576, 1536), (1024, 1536, 576), (64, 576, 1536), (8, 576, 1536), (8, 576, 49152))
_OPERATIONS = 2e9  # of multiply and add, at least, in each measurement
_REPEATS = 5  # of which the fastest counts


@torch.inference_mode()
def rate(rows: int, inputs: int, outputs: int, dtype: torch.dtype, *, packed: bool = False) -> float:
    """Billions of floating-point operations a second in a linear layer."""
    plain = torch.nn.Linear(inputs, outputs, bias=False, dtype=dtype).requires_grad_(False)
    given, layer = torch.randn(rows, inputs, dtype=dtype), PackedLinear(plain) if packed else plain
    operations = 2 * rows * inputs * outputs
    times = int(_OPERATIONS / operations) + 1

    def seconds() -> float:
        began = time.perf_counter()
        for _ in range(times):
            layer(given)
        return time.perf_counter() - began

    return operations * times / min(seconds() for _ in range(_REPEATS)) / 1e9


def main() -> None:
    torch.set_num_threads(1)
    print(f"{hardware()}; `auto` takes {dtype_for(StudentConfig())}")
    print("| rows, inputs, outputs | float32, GFLOPS | bfloat16 | bfloat16, packed |\n|---|---:|---:|---:|")
    for shape in SHAPES:
        rates = [rate(*shape, torch.float32), rate(*shape, torch.bfloat16)]
        rates += [rate(*shape, torch.bfloat16, packed=True)] if can_pack() else []
        print("|", ", ".join(map(str, shape)), *(f"| {each:.0f}" for each in rates), "|")


if __name__ == "__main__":
    main()
