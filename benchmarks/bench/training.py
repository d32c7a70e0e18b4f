"""One LoRA fine-tuning by one of the programs that are compared. Runs in a process of its own (`processes.call`).

All get the same encoded samples, the same LoRA, learning rate and number of steps, and count loss on the completion
alone. Time runs from the first step to the last: imports, loading and encoding stay out.
"""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers.trainer_pt_utils import get_length_grouped_indices

from pada_ray.config import FineTuneConfig, StudentConfig
from pada_ray.records import Sample
from pada_ray.storage import Folder
from pada_ray.student.chat_encoder import IGNORED, Encoded, load_encoder
from pada_ray.student.fine_tune import FineTuneJob, fine_tune_here, forget_checkpoints

WARMUP = 0.05  # share of the steps
LONGEST_GRADIENT = 1.0  # transformers' default
TRAINING_SET = "training_set.jsonl"  # in the folder of the work
HELD_OUT = "held_out.jsonl"


class Work(NamedTuple):
    """What every program is to do."""

    model: str
    folder: str  # with TRAINING_SET and HELD_OUT
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int


class Recorder:
    """What a training took: time, memory, tokens, and the loss of each step."""

    def __init__(self, held_out: Sequence[Encoded]):
        self._held_out = held_out
        self._cpu = self._wall = 0.0
        self._losses: list[tuple[torch.Tensor, int]] = []  # of each step, with its labels
        self._real = self._padded = 0
        self.taken: dict[str, Any] = {}

    def begin(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def take(self, inputs: dict[str, torch.Tensor]) -> int:
        """Counts a batch; the number of its labels."""
        self._real += int(inputs["attention_mask"].sum())
        self._padded += inputs["input_ids"].numel()
        return int((inputs["labels"] != IGNORED).sum())

    def add_loss(self, loss: torch.Tensor, labels: int) -> None:
        self._losses.append((loss.detach(), labels))

    def end(self, model: Any) -> None:
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        base = next(p for name, p in model.named_parameters() if "lora" not in name)
        self.taken = {
            "cpu": cpu,
            "wall": wall,
            "memory": peak_memory(),
            "real": self._real,
            "padded": self._padded,
            "losses": [(float(loss), labels) for loss, labels in self._losses],
            "weights": str(base.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "held_out": loss_on(model, self._held_out),
        }


def peak_memory() -> float:
    """The most that this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


@torch.no_grad()
def loss_on(model: Any, encoded: Sequence[Encoded]) -> float:
    """Mean loss of a token of the completions, without dropout."""
    model.eval()
    total = labels = 0.0
    for one in encoded:
        ids, targets = torch.tensor([one.input_ids]), torch.tensor(one.labels[1:])
        logits = model(input_ids=ids).logits[0, :-1].float()
        total += float(torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum"))
        labels += int((targets != IGNORED).sum())
    return total / labels


def train(way: str, **work: Any) -> dict[str, Any]:
    """Fine-tunes in a way of WAYS; what `Recorder` recorded."""
    one = Work(**work)
    torch.set_num_threads(1)
    folder = Folder(one.folder)
    encoder = load_encoder(StudentConfig(model=one.model))
    encoded, held_out = (
        [encoder.conversation(s.messages) for s in folder.read_records(file, Sample)]
        for file in (TRAINING_SET, HELD_OUT)
    )
    recorder = Recorder(held_out)
    _watch_trainers(recorder)
    WAYS[way](one, encoded, recorder)
    steps = one.epochs * math.ceil(len(encoded) / one.batch_size)
    if len(recorder.taken["losses"]) != steps or recorder.taken["threads"] != 1:
        raise RuntimeError(f"{way} was to make {steps} steps with one thread: {recorder.taken}")
    return recorder.taken


def _watch_trainers(recorder: Recorder) -> None:
    """Has `recorder` record what any transformers.Trainer of this process does, ours and TRL's among them."""

    class Clock(transformers.TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            recorder.begin()

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            recorder.end(kwargs["model"])

    step = transformers.Trainer.training_step

    def recorded(self: Any, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        labels = recorder.take(inputs)
        loss = step(self, model, inputs, *args, **kwargs)
        recorder.add_loss(loss, labels)
        return loss

    transformers.trainer.DEFAULT_CALLBACKS.append(Clock)
    transformers.Trainer.training_step = recorded


# The programs


def ours(dtype: str) -> Callable[[Work, Sequence[Encoded], Recorder], None]:
    def run(work: Work, encoded: Sequence[Encoded], recorder: Recorder) -> None:
        job = our_job(work, dtype, f"adapter-{dtype}-{work.seed}")
        forget_checkpoints(job)  # or it would go on from those of an earlier measurement
        fine_tune_here(job)

    return run


def our_job(work: Work, dtype: str, adapter: str) -> FineTuneJob:
    return FineTuneJob(
        run=work.folder,
        training_set=TRAINING_SET,
        adapter=adapter,
        previous_adapter=None,
        name=f"bench-{dtype}-{work.seed}",
        student=StudentConfig.model_validate({"model": work.model, "dtype": dtype}),
        settings=FineTuneConfig(
            epochs=work.epochs,
            batch_size=work.batch_size,
            learning_rate=work.learning_rate,
            warmup=WARMUP,
            cpus_per_worker=1,
            gpus_per_worker=0,
        ),
        seed=work.seed,
    )


def trl(**settings: Any) -> Callable[[Work, Sequence[Encoded], Recorder], None]:
    def run(work: Work, encoded: Sequence[Encoded], recorder: Recorder) -> None:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        with tempfile.TemporaryDirectory() as output:
            SFTTrainer(
                model=work.model,
                args=SFTConfig(**_arguments(work, output), **settings),
                train_dataset=Dataset.from_list([e._asdict() for e in encoded]),
                peft_config=lora(FineTuneConfig().lora),
            ).train()

    return run


def trainer(dtype: str, **settings: Any) -> Callable[[Work, Sequence[Encoded], Recorder], None]:
    def run(work: Work, encoded: Sequence[Encoded], recorder: Recorder) -> None:
        transformers.set_seed(work.seed)
        with tempfile.TemporaryDirectory() as output:
            transformers.Trainer(
                model=_with_lora(work, dtype),
                args=transformers.TrainingArguments(
                    **_arguments(work, output), **settings, train_sampling_strategy="group_by_length"
                ),
                train_dataset=[e._asdict() for e in encoded],
                data_collator=_collator(work),
            ).train()

    return run


def plain_loop(work: Work, encoded: Sequence[Encoded], recorder: Recorder) -> None:
    """peft and a loop of torch, in bfloat16."""
    transformers.set_seed(work.seed)
    model, collate = _with_lora(work, "bfloat16"), _collator(work)
    recorder.begin()
    for inputs in plain_steps(model, encoded, work, collate):
        labels = recorder.take(inputs)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**inputs).loss
        loss.backward()
        recorder.add_loss(loss, labels)
    recorder.end(model)


def plain_steps(model: Any, encoded: Sequence[Encoded], work: Work, collate: Any) -> Iterator[Any]:
    """The batches of all epochs, of like length each. When the next one is asked for, the gradients of the last one
    are used up, as transformers' Trainer does it."""
    model.train()
    learned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, work.learning_rate, weight_decay=0)
    steps = work.epochs * math.ceil(len(encoded) / work.batch_size)
    schedule = transformers.get_linear_schedule_with_warmup(optimiser, math.ceil(WARMUP * steps), steps)
    chance = torch.Generator().manual_seed(work.seed)
    for _ in range(work.epochs):
        order = get_length_grouped_indices([len(e.input_ids) for e in encoded], work.batch_size, generator=chance)
        for start in range(0, len(order), work.batch_size):
            yield collate([encoded[i]._asdict() for i in order[start : start + work.batch_size]])
            torch.nn.utils.clip_grad_norm_(learned, LONGEST_GRADIENT)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()


def _arguments(work: Work, output: str) -> dict[str, Any]:
    """What does not concern speed, for transformers.TrainingArguments and TRL's."""
    return {
        "output_dir": output,
        "per_device_train_batch_size": work.batch_size,
        "num_train_epochs": work.epochs,
        "learning_rate": work.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": WARMUP,
        "weight_decay": 0.0,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": work.seed,
    }


def lora(settings: Any) -> LoraConfig:
    """The adapter of `FineTuneConfig.lora`."""
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
    )


def _with_lora(work: Work, dtype: str) -> Any:
    base = transformers.AutoModelForCausalLM.from_pretrained(work.model, dtype=getattr(torch, dtype))
    return get_peft_model(base, lora(FineTuneConfig().lora))


def _collator(work: Work) -> Any:
    tokenizer = transformers.AutoTokenizer.from_pretrained(work.model)
    return transformers.DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)


WAYS: dict[str, Callable[[Work, Sequence[Encoded], Recorder], None]] = {
    "ours": ours("auto"),
    "ours, float32": ours("float32"),
    "TRL": trl(),
    "TRL, bfloat16": trl(model_init_kwargs={"dtype": "bfloat16"}, gradient_checkpointing=False),
    "Trainer, float32": trainer("float32"),
    "Trainer, bfloat16": trainer("bfloat16", bf16=True),
    "plain loop, bfloat16": plain_loop,
}
