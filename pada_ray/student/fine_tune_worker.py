"""What each Ray Train worker of a fine-tuning does.

The loop is transformers' Trainer, so that one GPU, many GPUs and DeepSpeed are the same code. Optimiser steps take the
same samples, and weigh every token alike, with any number of workers.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pada_ray.config import FineTuneConfig, StudentConfig
from pada_ray.errors import ConfigError
from pada_ray.records import Record, Sample
from pada_ray.runs.run_files import model_of
from pada_ray.runs.run_folder import RunFolder
from pada_ray.runs.stage_names import stage_name
from pada_ray.storage import Folder, check_free, telling_a_full_disk
from pada_ray.student.checkpoints import BYTES_IN_A_CHECKPOINT, OwnCheckpoints

if TYPE_CHECKING:  # it loads torch
    from pada_ray.student.micro_batches import MicroBatches


class FineTuneJob(Record):
    """All that one fine-tuning depends on, in small values and paths."""

    run: str  # the run's folder
    training_set: str  # file of samples in it
    adapter: str  # folder in it to write
    previous_adapter: str | None  # folder in it that `restart: previous` goes on from
    name: str  # unique per content: Ray Train resumes a name that it knows
    student: StudentConfig
    settings: FineTuneConfig
    seed: int


def train_on_worker(config: dict[str, Any]) -> None:
    """Trains from the last checkpoint, if there is one, and reports one per epoch with the figures of
    `FineTuneReport`. `config`: the `job` as JSON, and whether this worker is `alone`, in Ray Train's local mode."""
    import transformers
    from ray import train

    from pada_ray.student import model as student
    from pada_ray.student.chat_encoder import encode_all, load_encoder, nothing_to_train_on
    from pada_ray.student.dropout import with_fast_dropout
    from pada_ray.student.micro_batches import micro_batches
    from pada_ray.student.packed import with_packed_weights
    from pada_ray.student.progress import teller_of
    from pada_ray.student.trainer import Report, Trainer

    job = _on_this_device(FineTuneJob.model_validate_json(config["job"]))
    settings = job.settings
    own = OwnCheckpoints(Folder(job.run), job.name) if config["alone"] else None
    workers, rank = train.get_context().get_world_size(), train.get_context().get_world_rank()
    encoder = load_encoder(job.student)
    samples = RunFolder(job.run).read_records(job.training_set, Sample)
    fitting, long, refused = encode_all(encoder, samples, job.student.max_length)
    if not fitting:
        raise nothing_to_train_on(job.student, long, refused)
    batches = micro_batches(settings, [len(e.input_ids) for e in fitting], workers, rank, job.seed)
    with tempfile.TemporaryDirectory() as output:
        # These come before the model, which ZeRO-3 splits among the workers while it is loaded.
        arguments = _arguments(job, output, batches, workers, rank)
        transformers.set_seed(job.seed)
        model = with_packed_weights(with_fast_dropout(_with_adapter(job, student.load_model(job.student))))
        _check_room(model, output, job.run)
        trainer = Trainer(
            model,
            arguments,
            fitting,
            batches,
            encoder.tokenizer,
            Report(
                {"samples": len(fitting), "left_out": len(long) + len(refused), "workers": workers},
                own,
                None if rank else teller_of(job.run, stage_name(model_of(job.adapter), "fine-tuning"), "steps"),
            ),
        )
        last = _checkpoint_of_ray_train() if own is None else own.folder()
        with last as checkpoint, telling_a_full_disk(output, job.run), _in_one_dtype(model, arguments):
            trainer.train(resume_from_checkpoint=checkpoint)
        student.assert_adapter_acts(model, fitting[0].input_ids)


def _check_room(model: Any, *folders: str) -> None:
    """Raises DiskFull where a checkpoint has no room: else an epoch is trained, and lost, before anyone says so; and
    again whenever Ray Train starts the workers anew."""
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    for folder in folders:
        check_free(folder, weights * BYTES_IN_A_CHECKPOINT)


def _on_this_device(job: FineTuneJob) -> FineTuneJob:
    """The job with the dtype that `auto` stands for: DeepSpeed trains in float32 where there is no GPU. Raises
    ConfigError for bfloat16, which it cannot do there."""
    import torch

    if job.settings.deepspeed is None or torch.cuda.is_available():
        return job
    if job.student.dtype == "bfloat16":
        raise ConfigError("student.dtype: bfloat16 with fine_tune.deepspeed needs a GPU; take float32 or auto")
    return job.model_copy(update={"student": job.student.model_copy(update={"dtype": "float32"})})


def _in_one_dtype(model: Any, arguments: Any) -> Any:
    """Has the adapters take their inputs in bfloat16 where torch multiplies in it anyway (autocast). peft would first
    turn each input into the float32 of the adapter's weights. DeepSpeed does without autocast."""
    from peft.helpers import disable_input_dtype_casting

    return disable_input_dtype_casting(model, active=arguments.bf16 and arguments.deepspeed is None)


@contextmanager
def _checkpoint_of_ray_train() -> Iterator[str | None]:
    """The last checkpoint of Ray Train's workers as a local folder; None before there is one."""
    from ray import train

    checkpoint = train.get_checkpoint()
    if checkpoint is None:
        yield None
        return
    with checkpoint.as_directory() as folder:
        yield str(Path(folder) / "checkpoint")


def _with_adapter(job: FineTuneJob, base: Any) -> Any:
    """The base model with a fresh adapter, or the previous iteration's, to be trained."""
    from peft import PeftModel, get_peft_model, prepare_model_for_kbit_training

    if job.student.quantization is not None:
        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
    if job.previous_adapter is not None:
        with RunFolder(job.run).local_copy(job.previous_adapter) as previous:
            return PeftModel.from_pretrained(base, previous, is_trainable=True)
    return get_peft_model(base, lora_of(job.settings))


def lora_of(settings: FineTuneConfig) -> Any:
    """peft's config of the adapter."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora.r,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        target_modules=settings.lora.target_modules,
    )


def _arguments(job: FineTuneJob, output: str, batches: MicroBatches, workers: int, rank: int) -> Any:
    import torch
    import transformers

    from pada_ray.student import model as student

    settings = job.settings
    gpu = torch.cuda.is_available()
    bfloat16 = student.dtype_for(job.student) is torch.bfloat16
    on_cpu_with_deepspeed = settings.deepspeed is not None and not gpu
    if on_cpu_with_deepspeed:
        _prepare_deepspeed_on_cpu()
    return transformers.TrainingArguments(
        output_dir=output,
        per_device_train_batch_size=-(-settings.batch_size // (workers * batches.passes)),
        gradient_accumulation_steps=batches.passes,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=warmup_steps(settings.warmup, settings.epochs * batches.steps),
        weight_decay=settings.weight_decay,
        bf16=bfloat16,
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if settings.gradient_checkpointing else None,
        deepspeed=settings.deepspeed,
        use_cpu=not gpu and not on_cpu_with_deepspeed,
        accelerator_config={"use_configured_state": on_cpu_with_deepspeed},
        dataloader_pin_memory=gpu,
        ddp_find_unused_parameters=False,
        remove_unused_columns=False,
        logging_strategy="steps",
        logging_steps=1,
        save_strategy="epoch",
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        seed=job.seed + rank,  # of dropout, which would else hide the same places on every worker
    )


def warmup_steps(share: float, steps: int) -> int:
    """How many of all `steps` the learning rate rises over. It begins at 0, so a warmup that took all of them would
    leave a training of one step without any learning."""
    return min(math.ceil(share * steps), steps - 1)


def _prepare_deepspeed_on_cpu() -> None:
    """Makes DeepSpeed work without an accelerator and without a compiler."""
    os.environ["DS_ACCELERATOR"] = "cpu"
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    import deepspeed.ops
    from accelerate import PartialState
    from accelerate.state import AcceleratorState

    # It would compile collectives of its own, which only inference uses.
    deepspeed.ops.__compatible_ops__ = {}
    # accelerate takes this for a single process unless it is told the backend.
    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState(backend="gloo")
