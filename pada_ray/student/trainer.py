"""transformers' Trainer as a fine-tuning uses it: the same optimiser steps with any number of workers, logits only
where there is something to learn, and what all samples of a pass begin with is read once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import transformers
from ray.train.huggingface.transformers import RayTrainReportCallback
from torch.nn.functional import cross_entropy, pad
from transformers.trainer_utils import get_last_checkpoint

from pada_ray.student.attention import ShortAttention
from pada_ray.student.chat_encoder import IGNORED, Encoded
from pada_ray.student.checkpoints import OwnCheckpoints
from pada_ray.student.micro_batches import EpochLoader, MicroBatches
from pada_ray.student.progress import StageTeller
from pada_ray.student.shared_beginning import SharedBeginning

POINTS = 200  # of a loss curve, at most
_ROUNDING = 1e-4  # transformers rounds the epoch of a step


class Trainer(transformers.Trainer):
    """Takes the samples `encoded` in `batches`, and tells `report` of every epoch."""

    def __init__(
        self,
        model: Any,
        arguments: transformers.TrainingArguments,
        encoded: Sequence[Encoded],
        batches: MicroBatches,
        tokenizer: Any,
        report: transformers.TrainerCallback,
    ):
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=list(encoded),
            data_collator=transformers.DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
            compute_loss_func=completion_loss,
            callbacks=[report],
        )
        self.remove_callback(transformers.PrinterCallback)
        self._batches = batches
        self._attention = ShortAttention(model)
        alone = arguments.world_size == 1 and arguments.deepspeed is None
        self._beginning = SharedBeginning(model, alone=alone, checkpointing=arguments.gradient_checkpointing)

    def get_train_dataloader(self) -> EpochLoader:
        encoded: list[Encoded] = self.train_dataset
        shortest = min(encoded, key=lambda e: len(e.input_ids))
        without_loss = shortest._replace(labels=[IGNORED] * len(shortest.labels))
        return EpochLoader(
            [e._asdict() for e in [*encoded, without_loss]],
            batch_sampler=self._batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        self._attention.choose(inputs["input_ids"].shape[1])
        inputs = self._beginning.read_once(model, inputs)
        with _logits_only_at(_learned(inputs["labels"]), self.model.get_output_embeddings()):
            return super().compute_loss(model, inputs, *args, **kwargs)


def completion_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int) -> torch.Tensor:
    """The sum of the cross-entropies of all tokens with a label, divided by their number in the whole optimiser step.

    `labels`: samples x tokens; the logits: those tokens' only, or all of the same shape.
    """
    learned = _learned(labels)
    logits = outputs.logits if outputs.logits.dim() == 2 else outputs.logits[learned]
    return cross_entropy(logits.float(), _following(labels)[learned], reduction="sum") / num_items_in_batch


def _following(labels: torch.Tensor) -> torch.Tensor:
    """At each token the label of the next one."""
    return pad(labels[:, 1:], (0, 1), value=IGNORED)


def _learned(labels: torch.Tensor) -> torch.Tensor:
    """Whether there is something to learn at each token: the next one has a label."""
    return _following(labels) != IGNORED


@contextmanager
def _logits_only_at(learned: torch.Tensor, head: torch.nn.Module | None) -> Iterator[None]:
    """Has the model's last layer see the chosen tokens alone. It maps to the whole vocabulary, and a prompt's logits
    would be thrown away."""
    if head is None:
        yield
        return
    hook = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][learned],))
    try:
        yield
    finally:
        hook.remove()


class Report(RayTrainReportCallback):
    """Reports each epoch's checkpoint with its figures to Ray Train, and to `own` checkpoints where there are some, and
    each step to `teller`.

    All workers report theirs, and what they hold is put together: DeepSpeed's optimiser state is split among them.
    """

    def __init__(self, figures: dict[str, Any], own: OwnCheckpoints | None, teller: StageTeller | None = None):
        super().__init__()
        self._figures = figures
        self._own = own
        self._teller = teller

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._tell(state)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._tell(state)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        figures = self._figures | {"steps": state.global_step, **loss_figures(state.log_history)}
        if self._own is not None:
            self._own.keep(Path(get_last_checkpoint(args.output_dir)), figures)
            return
        state.log_history.append(figures)
        super().on_save(args, state, control, **kwargs)
        state.log_history.pop()

    def _tell(self, state: Any) -> None:
        if self._teller is not None:
            losses = [entry["loss"] for entry in state.log_history[-2:] if "loss" in entry]
            self._teller.tell(state.global_step, state.max_steps, losses[-1] if losses else None)


def loss_figures(log: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of a log with the loss of every step: its mean over each epoch, over the last one, and over stretches of steps,
    `POINTS` of them at most, each with its last step."""
    steps = [(entry["step"], entry["epoch"], entry["loss"]) for entry in log if "loss" in entry]
    by_epoch: dict[int, list[float]] = {}
    for _, epoch, loss in steps:  # an epoch ends with its number: 1.0 is the end of the first
        by_epoch.setdefault(math.ceil(epoch - _ROUNDING), []).append(loss)
    losses = [fmean(of_epoch) for of_epoch in by_epoch.values()]
    size = -(-len(steps) // POINTS)
    stretches = [steps[i : i + size] for i in range(0, len(steps), size)]
    curve = [(stretch[-1][0], fmean(loss for *_, loss in stretch)) for stretch in stretches]
    return {"losses": losses, "loss": losses[-1], "curve": curve}
