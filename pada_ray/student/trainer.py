"""transformers' Trainer as a fine-tuning uses it: the same optimiser steps with any number of workers, and logits only
where there is something to learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from ray.train.huggingface.transformers import RayTrainReportCallback
from torch.nn.functional import cross_entropy, pad
from transformers.trainer_utils import get_last_checkpoint

from pada_ray.student.chat_encoder import IGNORED, Encoded
from pada_ray.student.checkpoints import OwnCheckpoints
from pada_ray.student.micro_batches import EpochLoader, MicroBatches


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
    """Reports each epoch's checkpoint with its figures to Ray Train, and to `own` checkpoints where there are some.

    All workers report theirs, and what they hold is put together: DeepSpeed's optimiser state is split among them.
    """

    def __init__(self, figures: dict[str, Any], own: OwnCheckpoints | None):
        super().__init__()
        self._figures = figures
        self._own = own

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        figures = self._figures | {"steps": state.global_step, "losses": losses, "loss": losses[-1]}
        if self._own is not None:
            self._own.keep(Path(get_last_checkpoint(args.output_dir)), figures)
            return
        state.log_history.append(figures)
        super().on_save(args, state, control, **kwargs)
        state.log_history.pop()
