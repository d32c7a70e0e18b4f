"""How fast a model of Llama-3.2-1B's shape is fine-tuned and replies on this machine's GPU.

    python benchmarks/gpu_speed.py

Its weights are random, and its texts are as long as GSM8K's: speed depends on shapes alone. The settings are the
paper's: LoRA r = 32, batch 8. Exit code 2: there is no GPU. `--cpu-smoke` takes a toy on the CPU, to see that this
program works.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pada_ray.records import Message, Sample

WORD = " pens"  # one token of the demo student's tokenizer
PROMPT, REPLY = (116, 23), (96, 41)  # mean and deviation of GSM8K's tokens, the chat template's included
SHORTEST = 20  # tokens
TEMPLATE = 8  # tokens that the demo's chat template adds at most
BATCH = 8
UNCOUNTED = 3  # first steps, in which a GPU chooses its programs

PEAKS = {"B200": 2250, "H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "RTX 4090": 165}
"""Products in bfloat16, without sparsity, in TFLOP/s, by a part of the device's name. The first that fits counts."""


class Shape(NamedTuple):
    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    intermediate: int
    vocabulary: int


LLAMA_1B = Shape(2048, 16, 32, 8, 8192, 128_256)
TOY = Shape(64, 2, 4, 2, 128, 1024)


class Sizes(NamedTuple):
    shape: Shape
    samples: int
    prompts: int
    new_tokens: int


class Batch(NamedTuple):
    real: int = 0  # tokens, without padding
    padded: int = 0
    labels: int = 0
    squares: int = 0  # the sum of the samples' squared lengths


class Step(NamedTuple):
    seconds: float
    batch: Batch


class Trained(NamedTuple):
    seconds: float  # of the counted steps
    real: int  # their tokens, without padding
    padded: int
    flops: float  # that the counted steps need
    memory: float  # GB at most; 0 on a CPU


def write_model(shape: Shape, folder: Path) -> None:
    """A Llama of this shape with random weights in bfloat16, and the demo student's tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

    from pada_ray.demo import STUDENT

    tokenizer = AutoTokenizer.from_pretrained(STUDENT)
    config = LlamaConfig(
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        intermediate_size=shape.intermediate,
        vocab_size=shape.vocabulary,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def samples(number: int, seed: int = 0) -> list[Sample]:
    """Conversations as long as GSM8K's."""
    chance = random.Random(seed)

    def words(mean: float, deviation: float) -> str:
        return WORD * max(SHORTEST, round(chance.gauss(mean, deviation)) - TEMPLATE // 2)

    return [
        Sample(
            id=str(i),
            messages=[Message(role="user", content=words(*PROMPT)), Message(role="assistant", content=words(*REPLY))],
            task="math",
            answer="0",
        )
        for i in range(number)
    ]


def flops(shape: Shape, rank: int, tokens: int, labels: int, squares: int) -> float:
    """Floating-point operations that LoRA's steps need over `tokens` tokens, `labels` of which are predicted; `squares`
    is the sum over samples of their length squared.

    A product with a frozen weight takes 2 operations forward and 2 backward, since the weight gets no gradient; with an
    adapter's weight 6. Attention looks back over half of the square, twice forward and four times backward.
    """
    head = shape.hidden // shape.heads
    sides = [
        (shape.hidden, shape.heads * head),  # queries
        (shape.hidden, shape.key_value_heads * head),  # keys
        (shape.hidden, shape.key_value_heads * head),  # values
        (shape.heads * head, shape.hidden),  # output
        (shape.hidden, shape.intermediate),  # gate
        (shape.hidden, shape.intermediate),  # up
        (shape.intermediate, shape.hidden),  # down
    ]
    frozen = shape.layers * sum(a * b for a, b in sides)
    adapter = shape.layers * rank * sum(a + b for a, b in sides)
    attention = 6 * shape.layers * shape.hidden * squares
    return tokens * (4 * frozen + 6 * adapter) + labels * 4 * shape.hidden * shape.vocabulary + attention


def train(sizes: Sizes, folder: Path) -> Trained:
    """One epoch by ours, in this process."""
    import torch

    from pada_ray.config import FineTuneConfig, StudentConfig
    from pada_ray.storage import Folder
    from pada_ray.student.fine_tune import FineTuneJob, fine_tune_here

    run = Folder(str(folder / "run"))
    run.write_records("training_set.jsonl", samples(sizes.samples))
    settings = FineTuneConfig(epochs=1, batch_size=BATCH)
    job = FineTuneJob(
        run=run.url,
        training_set="training_set.jsonl",
        adapter="adapter",
        previous_adapter=None,
        name="gpu-speed",
        student=StudentConfig(model=str(folder / "model"), dtype="bfloat16"),
        settings=settings,
        seed=0,
    )
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with _recorded_steps() as steps:
        fine_tune_here(job)
    memory = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0
    counted = steps[UNCOUNTED:]
    took = Batch(*map(sum, zip(*(step.batch for step in counted), strict=True)))
    return Trained(
        seconds=sum(step.seconds for step in counted),
        real=took.real,
        padded=took.padded,
        flops=flops(sizes.shape, settings.lora.r, took.real, took.labels, took.squares),
        memory=memory,
    )


@contextmanager
def _recorded_steps() -> Iterator[list[Step]]:
    """The steps that a transformers.Trainer makes meanwhile."""
    import torch
    import transformers

    steps: list[Step] = []
    began = 0.0
    batch = Batch()

    def now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    class Clock(transformers.TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            nonlocal began
            began = now()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            steps.append(Step(now() - began, batch))

    original = transformers.Trainer.training_step

    def training_step(self: Any, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal batch
        lengths = inputs["attention_mask"].sum(1)
        labels = int((inputs["labels"] >= 0).sum())
        batch = Batch(int(lengths.sum()), inputs["input_ids"].numel(), labels, int((lengths**2).sum()))
        return original(self, model, inputs, *args, **kwargs)

    transformers.Trainer.training_step = training_step
    transformers.trainer.DEFAULT_CALLBACKS.append(Clock)
    try:
        yield steps
    finally:
        transformers.Trainer.training_step = original
        transformers.trainer.DEFAULT_CALLBACKS.remove(Clock)


def generate(sizes: Sizes, folder: Path) -> float:
    """New tokens per second of ours, with the adapter. Random weights hardly ever end a turn, so that nearly every
    reply has all tokens."""
    from pada_ray.config import StudentConfig
    from pada_ray.student.model import Student

    student = Student(StudentConfig(model=str(folder / "model"), dtype="bfloat16"), str(folder / "run" / "adapter"))
    prompts = [s.prompt for s in samples(sizes.prompts, seed=1)]
    student.replies(prompts[:BATCH], 2, BATCH)  # first-time work
    began = time.perf_counter()
    student.replies(prompts, sizes.new_tokens, len(prompts))
    return len(prompts) * sizes.new_tokens / (time.perf_counter() - began)


def peak_of(device: str) -> float | None:
    """TFLOP/s of a device by its name; None for one that PEAKS does not have."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)


def tell(device: str, peak: float | None, sizes: Sizes, trained: Trained, generated: float) -> str:
    """A Markdown table."""
    reached = trained.flops / trained.seconds / 1e12
    mfu = f"{100 * reached / peak:.1f}% of {peak:.0f}" if peak else "the device's peak is not known: --peak-tflops"
    rows = [
        ("fine-tuning, tokens per second without padding", f"{trained.real / trained.seconds:,.0f}"),
        ("tokens with padding, for each without", f"{trained.padded / trained.real:.2f}"),
        ("TFLOP/s that this takes", f"{reached:.3g}"),
        ("share of the device's peak (MFU)", mfu),
        ("memory at most, GB", f"{trained.memory:.1f}" if trained.memory else "not counted on a CPU"),
        (f"generation, {sizes.prompts} prompts at once, new tokens per second", f"{generated:,.0f}"),
    ]
    return "\n".join([f"{device}: {sizes.shape}", "", "| | |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peak-tflops", type=float, help="products in bfloat16 of a device that the table lacks")
    parser.add_argument("--cpu-smoke", action="store_true", help="a toy on the CPU: whether this works")
    parser.add_argument("--out", type=Path, help="a Markdown file")
    options = parser.parse_args()
    import torch

    gpu = torch.cuda.is_available()
    if not gpu and not options.cpu_smoke:
        print("gpu-speed: torch sees no GPU on this machine, so nothing was measured")
        return 2
    device = torch.cuda.get_device_name(0) if gpu else "CPU"
    sizes = Sizes(TOY, 48, 4, 4) if options.cpu_smoke else Sizes(LLAMA_1B, 400, 64, 128)
    with tempfile.TemporaryDirectory() as folder:
        write_model(sizes.shape, Path(folder) / "model")
        trained = train(sizes, Path(folder))
        generated = generate(sizes, Path(folder))
    text = tell(device, options.peak_tflops or peak_of(device), sizes, trained, generated)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
