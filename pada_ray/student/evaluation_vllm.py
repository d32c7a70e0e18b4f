"""Replies of the student by vLLM, through `ray.data.llm`: the backend for an evaluation that is long enough to be worth
the start of an engine (`evaluation.backend: vllm`).

Prompts and replies go through the same `ChatEncoder` as with transformers, so that the two backends differ in nothing
but arithmetic.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pada_ray.config import VLLM_LORA_RANKS
from pada_ray.records import Sample
from pada_ray.resources import cpus_for, gpus_for
from pada_ray.runs import run_files
from pada_ray.runs.run_folder import RunFolder
from pada_ray.runs.stage_names import stage_name
from pada_ray.student.chat_encoder import Reply, load_encoder, model_location
from pada_ray.student.evaluation_job import LOST_WORKERS, EvaluationJob, EvaluationReply, reply_limit
from pada_ray.tasks import get_task


def replies(job: EvaluationJob, samples: Sequence[Sample]) -> list[EvaluationReply]:
    """A greedy reply to each of the samples, in their order."""
    encoder = load_encoder(job.student)
    run = RunFolder(job.run)
    if job.adapter is not None:
        run.check(job.adapter)
    model = model_location(job.student.model) if job.adapter is None else run.at(job.adapter)
    tasks = [get_task(s.task, job.knowledge) for s in samples]
    prompts = [encoder.prompt(s.prompt) for s in samples]
    limits = [
        min(reply_limit(job.settings, [task]), job.student.max_length - len(prompt))
        for task, prompt in zip(tasks, prompts, strict=True)
    ]
    said = [Reply("", truncated=True)] * len(samples)  # what a prompt gets that leaves no room for a reply
    rows = [
        {
            "position": position,
            "tokenized_prompt": prompt,
            "model": model,  # an adapter is asked for by its path
            "sampling_params": {
                "temperature": 0.0,
                "max_tokens": limit,
                "stop": list(task.stop) or None,
                "stop_token_ids": sorted(encoder.end_of_turn),
            },
        }
        for position, (prompt, limit, task) in enumerate(zip(prompts, limits, tasks, strict=True))
        if limit > 0
    ]
    for row in _generate(job, rows):
        position = row["position"]
        said[position] = encoder.reply([int(token) for token in row["generated_tokens"]], tasks[position].stop)
    return [EvaluationReply(position=position, text=r.text, truncated=r.truncated) for position, r in enumerate(said)]


def _generate(job: EvaluationJob, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, in any order, with `generated_tokens`, what vLLM said to each."""
    import ray.data
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    settings = job.settings
    gpus = gpus_for(settings.gpus_per_worker)
    config = vLLMEngineProcessorConfig(
        model_source=model_location(job.student.model),
        engine_kwargs=_engine_arguments(job, gpus),
        placement_group_config={"bundle_per_worker": {"CPU": cpus_for(settings.cpus_per_worker), "GPU": gpus}},
        concurrency=settings.workers,
        batch_size=settings.batch_size,
        chat_template_stage=False,
        tokenize_stage=False,
        detokenize_stage=False,
        log_engine_metrics=False,
    )
    processor = build_processor(config)
    for stage in processor.list_stage_names():  # the engine alone, and the config has no field for this
        processor.get_stage_by_name(stage).map_batches_kwargs.update(LOST_WORKERS)
    dataset = processor(ray.data.from_items(rows))
    stage = stage_name(run_files.model_of(job.adapter), "evaluation")
    dataset.set_name(f"{run_files.run_name(job.run)}: {stage}")
    return dataset.take_all()


def _engine_arguments(job: EvaluationJob, gpus: float) -> dict[str, Any]:
    dtype = job.student.dtype if job.student.dtype != "auto" or gpus else "float32"
    # Nothing of the model's generation_config.json, such as a repetition penalty: replies are greedy.
    arguments: dict[str, Any] = {"max_model_len": job.student.max_length, "dtype": dtype, "generation_config": "vllm"}
    if job.adapter is not None:
        rank = json.loads(RunFolder(job.run).read_text(f"{job.adapter}/adapter_config.json"))["r"]
        arguments |= {"enable_lora": True, "max_lora_rank": next(r for r in VLLM_LORA_RANKS if r >= rank)}
    return arguments | job.settings.vllm
