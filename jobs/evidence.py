"""The same config over several seeds, and what PaDA-Agent gains over vanilla fine-tuning on test:
`python -m jobs.evidence configs/demo_1000.yaml --seeds 10,11,12`."""

from __future__ import annotations

import statistics
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.command import main
from jobs.drive import drive_all
from jobs.preparation import prepare
from jobs.run import ConfigPath, Overrides
from pada_ray import run_files
from pada_ray.config import load_config
from pada_ray.errors import ConfigError
from pada_ray.state import is_done, read_state
from pada_ray.storage import Folder


def evidence(
    config: ConfigPath,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas.")] = "10,11,12,13,14",
    parallel: Annotated[int, typer.Option(min=1, help="How many at a time.")] = 4,
    set_: Overrides = None,
) -> None:
    """Run CONFIG once per seed and print test accuracies side by side. Goes on where it was stopped.

    Example: python -m jobs.evidence configs/demo_1000.yaml --seeds 10,11,12
    """
    runs = {seed: _run_of(config, seed, set_ or []) for seed in _numbers(seeds)}
    due = [run for run in runs.values() if not is_done(Folder(run))]
    failures = drive_all(due, parallel, False, Console()) if due else {}
    if failures:
        raise next(iter(failures.values()))
    states = {seed: read_state(Folder(run)) for seed, run in runs.items()}
    models = list(next(iter(states.values())).scores)
    accuracies = {
        seed: {m: 100 * state.scores[m]["test"].accuracy for m in models if "test" in state.scores[m]}
        for seed, state in states.items()
    }
    Console().print(_table(accuracies, models))


def _run_of(config: str, seed: int, overrides: list[str]) -> str:
    """The run of this seed, which is laid out if it is not there."""
    loaded = load_config(config, [*overrides, f"seed={seed}"])
    loaded = loaded.model_copy(update={"name": f"{loaded.name}-seed-{seed}"})
    folder = Folder(f"{loaded.runs}/{loaded.name}")
    return folder.url if folder.exists(run_files.CONFIG) else prepare(loaded)


def _table(accuracies: dict[int, dict[str, float]], models: list[str]) -> Table:
    table = Table(title="Test accuracy (%)", title_justify="left")
    table.add_column("seed")
    for model in models:
        table.add_column(model, justify="right")
    vanilla, last = run_files.model(0), models[-1]
    table.add_column(f"{last} over {vanilla}", justify="right")
    gains = {seed: row[last] - row[vanilla] for seed, row in accuracies.items()}
    for seed, row in accuracies.items():
        table.add_row(
            str(seed), *(f"{row[m]:.1f}" for m in models), f"{gains[seed]:+.1f}", end_section=seed == list(gains)[-1]
        )
    table.add_row("mean", *(f"{statistics.mean(r[m] for r in accuracies.values()):.1f}" for m in models),
                  f"{statistics.mean(gains.values()):+.1f}")  # fmt: skip
    if len(gains) > 1:
        table.add_row("deviation", *(f"{statistics.stdev(r[m] for r in accuracies.values()):.1f}" for m in models),
                      f"{statistics.stdev(gains.values()):.1f}")  # fmt: skip
    return table


def _numbers(seeds: str) -> list[int]:
    try:
        return [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise ConfigError(f"--seeds {seeds}: write numbers with commas, such as 10,11,12") from None


if __name__ == "__main__":
    main(evidence)
