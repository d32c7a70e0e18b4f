"""Evaluate a model outside a run: `pada evaluate CONFIG_OR_RUN`, or on a cluster
`ray job submit --working-dir . -- python -m jobs.evaluate CONFIG_OR_RUN`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.command import main
from jobs.local.capacity import check_room, need_of_evaluation
from jobs.local.checks import check_student
from jobs.local.ray_session import connected, log_folder
from jobs.local.run_folder import cache_file, lasting, new_folder
from jobs.local.runner import RunFailed
from jobs.local.shared_disk import check_shared_disk
from jobs.run import Overrides, Verbose
from pada_ray.agents.grading import is_judged
from pada_ray.config import Config
from pada_ray.data.given import knowledge_of
from pada_ray.data.splits import Samples, read_data
from pada_ray.errors import ConfigError, lost_process, root_cause
from pada_ray.records import Split
from pada_ray.runs import run_files
from pada_ray.runs.configs import load, read_config
from pada_ray.runs.run_folder import RunFolder, check_adapter
from pada_ray.runs.state import Score, scores_of
from pada_ray.storage import Folder
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.tasks import Knowledge

ADAPTER = "adapter"
PREDICTIONS = "predictions.jsonl"

ConfigOrRun = Annotated[
    str, typer.Argument(metavar="CONFIG_OR_RUN", help="Source of data and student: a YAML file, or a run's folder.")
]
Adapter = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="An adapter, such as runs/demo/iteration-2/adapter; without: the base model."),
]
Splits = Annotated[
    list[str] | None,
    typer.Option("--split", metavar="SPLIT", help="Only this split: train, val, val_apart, test. May be repeated."),
]


def evaluate(
    config_or_run: ConfigOrRun,
    adapter: Adapter = None,
    split: Splits = None,
    set_: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Print the accuracy of a base model, or of an adapter on it, on the data of a config or of a run. Without --split
    it takes all splits but train. Replies are kept next to the runs. It calls no LLM, so it refuses judged tasks.

    Example: pada evaluate runs/demo --adapter runs/demo/iteration-2/adapter --split test
    """
    console = Console(file=sys.stdout, soft_wrap=True, highlight=False, markup=False)
    config, samples, knowledge = _read(lasting(config_or_run), config_or_run, set_)
    samples = _chosen(samples, split or [name for name in samples if name != "train"])
    check_student(config, samples, knowledge)
    if is_judged(s for members in samples.values() for s in members):
        raise ConfigError(f"{config_or_run}: its task needs a judge; evaluate it within a run")
    source = None if adapter is None else _adapter(adapter)
    target = new_folder(config.model_copy(update={"name": f"{config.name}-evaluation"}))
    job = _lay_out(config, samples, knowledge, source, target)
    log = str(Path(cache_file(config, target.url)).with_name("evaluation.log"))
    with connected(verbose, log, "stopped; the same command starts again from the beginning"):
        check_shared_disk({target.url: config})
        check_room([need_of_evaluation(config.evaluation)])
        from pada_ray.student.evaluation import evaluate as predict

        try:
            predictions = predict(job)
        except Exception as e:  # of Ray, which is not to be imported before
            if (lost := lost_process(root_cause(e))) is None:
                raise
            raise RunFailed(
                f"the evaluation stopped: {lost}; logs in {log_folder()}; the same command starts again from the "
                "beginning"
            ) from None
    scores = scores_of(predictions)
    for name in samples:
        console.print(f"{name}: {describe(scores[name])}")
    # Last, since the disk may have no room for them.
    target.write_records(PREDICTIONS, predictions)
    console.print(f"predictions: {target.at(PREDICTIONS)}")


def describe(score: Score) -> str:
    """Accuracy in % with its 95% interval over the items, and the number of replies that were cut off."""
    from pada_ray.report.results import interval_over_items

    low, high = interval_over_items(score)
    cut_off = f", {score.truncated} replies cut off" if score.truncated else ""
    return f"{100 * score.accuracy:.1f}% of {score.samples} right (95%: {low:.1f} to {high:.1f}){cut_off}"


def _read(place: str, given: str, set_: list[str] | None) -> tuple[Config, Samples, Knowledge]:
    folder = Folder(place)
    if not folder.exists(run_files.CONFIG):
        config = load(given, set_)
        samples = read_data(config)
        return config, samples, knowledge_of(config.data, samples["train"])
    if set_:
        raise ConfigError("--set: a run's settings are fixed; give a config instead")
    folder = RunFolder(place)
    config = read_config(folder)
    config = config.model_copy(update={"runs": folder.url.rpartition("/")[0]})
    return config, run_files.read_samples(folder, config.data.task), run_files.read_knowledge(folder)


def _chosen(samples: Samples, names: list[str]) -> Samples:
    unknown = [name for name in names if name not in samples]
    if unknown:
        raise ConfigError(f"--split {unknown[0]}: no such split; use one of {', '.join(samples)}")
    wanted: Samples = {name: members for name, members in samples.items() if name in names}
    return wanted


def _adapter(given: str) -> Folder:
    """An adapter's folder. Raises ConfigError where there is none, and DamagedFile."""
    folder = Folder(lasting(given))
    if not folder.exists("adapter_config.json"):
        raise ConfigError(f"--adapter {given}: no adapter here (it has no adapter_config.json)")
    check_adapter(folder.url)
    return folder


def _lay_out(
    config: Config, samples: Samples, knowledge: Knowledge, adapter: Folder | None, target: Folder
) -> EvaluationJob:
    """Writes what the workers read into `target`, laid out as in a run, and returns their job."""
    files: dict[Split, str] = {name: run_files.split(name) for name in samples}
    if adapter is not None:
        for file in adapter.names():
            if file.startswith("adapter_"):
                adapter.copy_to(file, target, f"{ADAPTER}/{file}")
    for name, members in samples.items():
        target.write_records(files[name], members)
    return EvaluationJob(
        run=target.url,
        splits=files,
        adapter=ADAPTER if adapter is not None else None,
        student=config.student,
        settings=config.evaluation,
        knowledge=knowledge,
    )


if __name__ == "__main__":
    main(evaluate)
