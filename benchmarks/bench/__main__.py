"""Fine-tuning, generation and the demo beside TRL, transformers' Trainer, lm-eval and one process.

    python -m benchmarks.bench --out benchmarks/results/bench.md

`make bench` runs it in an environment that has the other programs. Each measurement is a process of its own with one
thread; the programs take turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.bench import machine, report
from benchmarks.bench.demo import run_demo
from benchmarks.bench.figures import Claim, Result, rate
from benchmarks.bench.processes import call, in_turn

PROGRAMS = (
    "ours",
    "TRL",
    "Trainer, float32",
    "Trainer, bfloat16",
    "TRL, bfloat16",
    "plain loop, bfloat16",
    "ours, float32",
)
GENERATORS = tuple((dtype, way) for dtype in ("bfloat16", "float32") for way in ("ours", "lm-eval", "products alone"))
BATCH = 8
LEARNING_RATE = 1e-3
PARTS = ("fine-tuning", "generation", "demo")


class DataSet(NamedTuple):
    """How much of a dataset is used."""

    name: str
    samples: int  # to fine-tune on, once
    held_out: int
    questions: int
    max_new_tokens: int
    repeats: int


class Sizes(NamedTuple):
    sets: Sequence[DataSet]
    demo_repeats: int
    demo: dict[str, str]  # keys of its config
    quick: bool = False


FULL = Sizes([DataSet("arc_challenge", 48, 16, 48, 8, 2), DataSet("gsm8k", 16, 6, 16, 64, 2)], 2, {})
QUICK = Sizes(
    [DataSet("arc_challenge", 16, 4, 8, 4, 1), DataSet("gsm8k", 16, 2, 4, 8, 1)],
    1,
    {"iterations": "1", "data.regime": "40", "data.eval_samples": "20", "fine_tune.epochs": "1"},
    quick=True,
)


class Section(NamedTuple):
    lines: list[str]
    claims: list[Claim]


class Bench(NamedTuple):
    """One run of this program."""

    model: str
    data: Path
    folder: Path  # for what is written meanwhile
    sizes: Sizes
    at_once: int

    def fine_tuning(self) -> list[Section]:
        sections = []
        for one in self.sizes.sets:
            folder = self._folder(one)

            def measure(way: str, repeat: int, folder: Path = folder) -> Result:
                result = call("benchmarks.bench.training:train", 1, way=way, **self._work(folder, seed=repeat))
                print(f"{folder.name}: {way}: {rate(result):.0f} tokens per CPU s", flush=True)
                return result

            found = in_turn(PROGRAMS, one.repeats, measure, self.at_once)
            lines, claims = report.fine_tuning(one.name, found), report.fine_tuning_claims(one.name, found)
            sections.append(Section(lines, claims))
        return sections

    def generation(self) -> list[Section]:
        sections = []
        for one in self.sizes.sets:
            folder = self._folder(one)
            adapter = folder / "adapter-auto-0"  # as `training.ours` names it
            if not adapter.is_dir():
                call("benchmarks.bench.training:train", 1, way="ours", **self._work(folder, seed=0))

            work = {
                "model": self.model,
                "adapter": str(adapter),
                "questions": str(folder / "questions.jsonl"),
                "max_new_tokens": one.max_new_tokens,
                "batch_size": BATCH,
            }

            def measure(way: tuple[str, str], repeat: int, name: str = one.name, work: dict[str, Any] = work) -> Result:
                dtype, program = way
                result = call("benchmarks.bench.generation:generate", 1, way=program, dtype=dtype, **work)
                print(f"{name}: {program}, {dtype}: {rate(result):.0f} new tokens per CPU s", flush=True)
                return result

            found = in_turn(GENERATORS, one.repeats, measure, self.at_once)
            sections.append(Section(report.generation(one.name, found), report.generation_claims(one.name, found)))
        return sections

    def demo(self) -> list[Section]:
        runs = []
        for _ in range(self.sizes.demo_repeats):
            runs.append(run_demo(self.sizes.demo))
            print(f"demo: {runs[-1].wall:.0f} s, in one process {runs[-1].one_process:.0f} s", flush=True)
        return [Section(report.demo(runs), report.demo_claims(runs))]

    def _folder(self, one: DataSet) -> Path:
        """A folder with the samples that the processes read."""
        folder = self.folder / one.name
        folder.mkdir(exist_ok=True)
        source = self.data / one.name
        _head(source / "train_300.jsonl", folder / "training_set.jsonl", one.samples)
        _head(source / "val.jsonl", folder / "held_out.jsonl", one.held_out)
        _head(source / "test.jsonl", folder / "questions.jsonl", one.questions)
        return folder

    def _work(self, folder: Path, seed: int) -> dict[str, object]:
        return {
            "model": self.model,
            "folder": str(folder),
            "epochs": 1,
            "batch_size": BATCH,
            "learning_rate": LEARNING_RATE,
            "seed": seed,
        }


def _head(source: Path, target: Path, lines: int) -> None:
    with source.open(encoding="utf-8") as file:
        target.write_text("".join(islice(file, lines)), encoding="utf-8")


def why_not(part: str, bench: Bench) -> str:
    """Why a part cannot be measured here; "" where it can."""
    if part == "demo":
        return ""
    missing = [str(bench.data / s.name) for s in bench.sizes.sets if not (bench.data / s.name).is_dir()]
    if missing:
        return f"there are no samples in {', '.join(missing)}; give their folder with --data"
    if bench.model.startswith((".", "/", "models/")) and not Path(bench.model).is_dir():
        return f"there is no model in {bench.model}; `make real-student` fetches one, or give --model"
    return ""


def tell(sections: Sequence[Section], skipped: Sequence[str], bench: Bench, others: float, minutes: float) -> str:
    claims = [claim for section in sections for claim in section.claims]
    sets = "; ".join(
        f"{s.name}: {s.samples} samples once, {s.questions} questions with at most {s.max_new_tokens} new tokens, "
        f"each measured {s.repeats} times"
        for s in bench.sizes.sets
    )
    return "\n".join(
        [
            "# Speed beside other programs",
            "",
            *(["Only a try with a few samples: its figures say nothing.", ""] if bench.sizes.quick else []),
            *report.claims_table(claims),
            *(f"Not measured: {reason}.\n" for reason in skipped),
            *(line for section in sections for line in section.lines),
            "### How it was measured",
            "",
            f"The student is `{bench.model}`, the batch has {BATCH}, LoRA is that of the defaults (r 32, alpha 32, "
            f"dropout 0.05, all linear layers), the learning rate {LEARNING_RATE}. {sets}; the demo "
            f"{bench.sizes.demo_repeats} times. A figure is a median with the least and the most; for fine-tuning a "
            f"repeat is another seed. Each measurement is a process with one thread, {bench.at_once} at a time, in "
            "turn; the demo and what it is compared with may use all cores. Tokens are counted without padding, and "
            "CPU seconds without imports and loading; memory is the most that the process held. TRL is at its "
            "defaults: float32 weights, autocast to bfloat16, gradient checkpointing; in bfloat16 it is without "
            "checkpointing. Trainer groups by length. Its type is a choice of who loads the model: transformers 5 "
            "keeps that of the files unless told otherwise, those before took float32.",
            "",
            f"{machine.hardware()}; other programs took {others:.1f} cores meanwhile. {machine.versions()}. Commit "
            f"{machine.commit()}. {minutes:.0f} minutes.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="models/smollm2-135m-instruct", help="a folder or an id of the Hub")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of the datasets")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--quick", action="store_true", help="a few samples, once: whether it works, not how fast")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="processes of one thread at a time")
    parser.add_argument("--out", type=Path, help="a Markdown file")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    if options.repeats:
        sets = [one._replace(repeats=options.repeats) for one in sizes.sets]
        sizes = sizes._replace(sets=sets, demo_repeats=options.repeats)
    others, began = machine.Others(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.model, options.data, Path(folder), sizes, options.at_once)
        parts = {"fine-tuning": bench.fine_tuning, "generation": bench.generation, "demo": bench.demo}
        sections: list[Section] = []
        skipped = []
        for part in (p for p in PARTS if p in options.only):
            reason = why_not(part, bench)
            try:
                sections += [] if reason else parts[part]()
            except RuntimeError as e:  # the other parts are worth having
                reason = " ".join(str(e).split())[-report.END_OF_REASON :]
            skipped += [f"{part}: {reason}"] if reason else []
    text = tell(sections, skipped, bench, others.cores(), (time.monotonic() - began) / 60)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
