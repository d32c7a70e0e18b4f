"""Fine-tune the student with LoRA by Ray Train: lines 2 and 24 of Algorithm 1.

The loop is transformers' Trainer inside a Ray Train worker, so that one GPU, many GPUs and DeepSpeed are the same
code. Ray Train keeps a checkpoint per epoch and goes on from it when a worker or the whole run was lost.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pada_ray.config import FineTuneConfig, StudentConfig
from pada_ray.errors import ConfigError
from pada_ray.records import Record, Sample
from pada_ray.resources import gpus_for
from pada_ray.storage import Folder

CHECKPOINTS = "checkpoints"  # folder in the run's folder for Ray Train's own storage
REPORT = "fine_tune.yaml"  # file beside the adapter, written last


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


class FineTuneReport(Record):
    job: str  # the job's name
    samples: int
    left_out: int  # samples longer than student.max_length
    steps: int
    final_loss: float  # mean over the last epoch


def fine_tune(job: FineTuneJob) -> FineTuneReport:
    """Trains an adapter on `job.training_set` and writes it with its report to `job.adapter`, loadable by plain peft.

    Blocks until training ends; a job that ended before is not done again. Raises what the workers raised when
    `max_failures` is used up.
    """
    run = Folder(job.run)
    finished = read_report(run, job.adapter)
    if finished is not None and finished.job == job.name:
        return finished

    from ray import train
    from ray.train.torch import TorchTrainer

    gpus = gpus_for(job.settings.gpus_per_worker)
    resources = {"CPU": job.settings.cpus_per_worker} | ({"GPU": gpus} if gpus else {})
    trainer = TorchTrainer(
        train_on_worker,
        train_loop_config={"job": job.model_dump_json()},
        scaling_config=train.ScalingConfig(
            num_workers=job.settings.workers, use_gpu=gpus > 0, resources_per_worker=resources
        ),
        run_config=train.RunConfig(
            name=job.name,
            storage_path=run.at(CHECKPOINTS),
            failure_config=train.FailureConfig(max_failures=job.settings.max_failures),
            checkpoint_config=train.CheckpointConfig(num_to_keep=1),
        ),
    )
    result = trainer.fit()
    if result.checkpoint is None:
        raise RuntimeError(f"fine-tuning {job.name} ended without a checkpoint")
    with result.checkpoint.as_directory() as checkpoint:
        trained = Path(checkpoint) / "checkpoint"
        for file in sorted(trained.glob("adapter_*")):
            run.write_bytes(f"{job.adapter}/{file.name}", file.read_bytes())
    metrics = result.metrics or {}
    report = FineTuneReport(
        job=job.name,
        samples=metrics["samples"],
        left_out=metrics["left_out"],
        steps=metrics["steps"],
        final_loss=metrics["loss"],
    )
    run.write_yaml(f"{job.adapter}/{REPORT}", report.model_dump())
    run.remove(f"{CHECKPOINTS}/{job.name}")
    return report


def read_report(run: Folder, adapter: str) -> FineTuneReport | None:
    """How the adapter in a run's folder was trained; None if it is not there or not complete."""
    file = f"{adapter}/{REPORT}"
    return FineTuneReport.model_validate(run.read_yaml(file)) if run.exists(file) else None


def train_on_worker(config: dict[str, Any]) -> None:
    """What each Ray Train worker runs."""
    import torch
    import transformers
    from peft import LoraConfig, PeftModel, get_peft_model
    from ray import train
    from ray.train.huggingface.transformers import RayTrainReportCallback

    from pada_ray import student

    job = FineTuneJob.model_validate_json(config["job"])
    settings = job.settings
    transformers.set_seed(job.seed)
    tokenizer = student.load_tokenizer(job.student)
    base = student.load_model(job.student)
    encoder = student.ChatEncoder(tokenizer, job.student.chat_template, student.end_of_turn_ids(base, tokenizer))
    run = Folder(job.run)
    encoded = [encoder.conversation(s.messages) for s in run.read_records(job.training_set, Sample)]
    fitting = [e._asdict() for e in encoded if len(e.input_ids) <= job.student.max_length]
    if not fitting:
        raise ConfigError(f"student.max_length: every training sample is longer than {job.student.max_length} tokens")

    if job.previous_adapter is not None:
        with run.local_copy(job.previous_adapter) as previous:
            model = PeftModel.from_pretrained(base, previous, is_trainable=True)
    else:
        lora = LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.lora.r,
            lora_alpha=settings.lora.alpha,
            lora_dropout=settings.lora.dropout,
            target_modules=settings.lora.target_modules,
        )
        model = get_peft_model(base, lora)

    class Report(RayTrainReportCallback):
        """Ray Train's report of each epoch's checkpoint, with the figures of `FineTuneReport`."""

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            state.log_history.append(
                {"samples": len(fitting), "left_out": len(encoded) - len(fitting), "steps": state.global_step}
            )
            super().on_save(args, state, control, **kwargs)
            state.log_history.pop()

    with tempfile.TemporaryDirectory() as output:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                output_dir=output,
                per_device_train_batch_size=settings.batch_size // (settings.workers * settings.gradient_accumulation),
                gradient_accumulation_steps=settings.gradient_accumulation,
                num_train_epochs=settings.epochs,
                learning_rate=settings.learning_rate,
                lr_scheduler_type=settings.schedule,
                warmup_steps=settings.warmup,
                weight_decay=settings.weight_decay,
                train_sampling_strategy="group_by_length",
                bf16=student.dtype_for(job.student) is torch.bfloat16,
                use_cpu=not torch.cuda.is_available(),
                dataloader_pin_memory=torch.cuda.is_available(),
                ddp_find_unused_parameters=False,
                remove_unused_columns=False,
                logging_strategy="epoch",
                save_strategy="epoch",
                save_total_limit=1,
                report_to="none",
                disable_tqdm=True,
                seed=job.seed,
            ),
            train_dataset=fitting,
            data_collator=transformers.DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=student.IGNORED),
            callbacks=[Report()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        checkpoint = train.get_checkpoint()
        if checkpoint is None:
            trainer.train()
        else:
            with checkpoint.as_directory() as folder:
                trainer.train(resume_from_checkpoint=str(Path(folder) / "checkpoint"))
    student.assert_adapter_acts(model, fitting[0]["input_ids"])
