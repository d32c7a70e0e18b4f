"""Whether a processor multiplies faster in bfloat16 than in float32: products of SmolLM2-135M's shapes on one thread.

    python -m benchmarks.products

`student.dtype: auto` goes by this on a CPU, but by what kind of processor it is: a measurement would differ from worker
to worker.
"""

from __future__ import annotations

import time

import torch
from torch.nn.functional import linear

from benchmarks.bench.machine import hardware
from pada_ray.config import StudentConfig
from pada_ray.student.model import dtype_for

SHAPES = ((1024, 576, 576), (1024, 576, 1536), (1024, 1536, 576), (64, 576, 1536), (256, 576, 49152))
_OPERATIONS = 2e9  # of multiply and add, at least, in each measurement
_REPEATS = 5  # of which the fastest counts


def rate(rows: int, inputs: int, outputs: int, dtype: torch.dtype) -> float:
    """Billions of floating-point operations a second in a linear layer."""
    given, weights = torch.randn(rows, inputs, dtype=dtype), torch.randn(outputs, inputs, dtype=dtype)
    operations = 2 * rows * inputs * outputs
    times = int(_OPERATIONS / operations) + 1

    def seconds() -> float:
        began = time.perf_counter()
        for _ in range(times):
            linear(given, weights)
        return time.perf_counter() - began

    return operations * times / min(seconds() for _ in range(_REPEATS)) / 1e9


def main() -> None:
    torch.set_num_threads(1)
    print(f"{hardware()}; `auto` takes {dtype_for(StudentConfig())}")
    print("| rows, inputs, outputs | float32, GFLOPS | bfloat16, GFLOPS | ratio |\n|---|---:|---:|---:|")
    for shape in SHAPES:
        float32, bfloat16 = rate(*shape, torch.float32), rate(*shape, torch.bfloat16)
        print(f"| {', '.join(map(str, shape))} | {float32:.0f} | {bfloat16:.0f} | {bfloat16 / float32:.2f} |")


if __name__ == "__main__":
    main()
