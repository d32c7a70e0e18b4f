"""Estimate what a run or a sweep will take, before anything is spent: `pada plan FILE`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.command import main
from jobs.run import Overrides
from jobs.sweep import Only
from pada_ray.config import Config, read_raw
from pada_ray.data.splits import read_each
from pada_ray.llm.account import by_which_list, money
from pada_ray.runs import plan as planning
from pada_ray.runs.axes import METHOD, SEED, setting_of
from pada_ray.runs.configs import load
from pada_ray.runs.sweep import Cell, chosen, load_sweep

File = Annotated[str, typer.Argument(metavar="FILE", help="A config, or a config with a grid.")]


def plan(file: File, only: Only = None, set_: Overrides = None) -> None:
    """Estimate what FILE will take: runs, fine-tunings, LLM calls, tokens. Makes no LLM call and writes no run.

    Example: pada plan configs/paper/table1.yaml
    """
    overrides = set_ or []
    console = Console()
    if "grid" in read_raw(file):
        cells = chosen(load_sweep(file, overrides), only or [])
        configs = [cell.config for cell in cells]
        for line in _by_setting(cells):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
    else:
        configs = [load(file, overrides)]
    plans = [planning.plan(config, samples) for config, samples in zip(configs, read_each(configs), strict=True)]
    trainings = {t.content: t for p in plans for t in p.trainings}
    asked_for = sum(len(p.trainings) for p in plans)
    console.print(
        f"{len(configs)} {'run' if len(configs) == 1 else 'runs'}: {len(trainings)} fine-tunings with their "
        f"evaluations ({asked_for - len(trainings)} more are shared), "
        f"{sum(t.steps for t in trainings.values()):,} optimiser steps",
        highlight=False,
        soft_wrap=True,
    )
    calls = _distinct_calls(plans)
    console.print(_calls_table(calls))
    console.print(_total(calls, configs), highlight=False, soft_wrap=True)
    console.print(
        f"Assumed: {planning.CLUSTERS} clusters, {planning.SENT_BACK:.0%} of the drafts sent back at every attempt, "
        f"{planning.CHARACTERS_PER_TOKEN} characters per token. "
        f"data_generation.candidate_budget allows up to {configs[0].data_generation.candidate_budget:g} first drafts "
        "per sample, and quality_control.max_regenerations allows "
        f"{configs[0].quality_control.max_regenerations} more attempts at each.",
        highlight=False,
        soft_wrap=True,
    )


def _by_setting(cells: Sequence[Cell]) -> Iterator[str]:
    """A line for the cells of each setting: their methods and seeds."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        method, seed = (str(cell.coordinates.get(axis, "")) for axis in (METHOD, SEED))
        seeds.setdefault((setting_of(cell.coordinates), method), []).append(seed)
    methods: dict[tuple[str, str], list[str]] = {}
    for (setting, method), seed_labels in seeds.items():
        methods.setdefault((setting, ", ".join(seed_labels)), []).append(method)
    for (setting, joined_seeds), method_labels in methods.items():
        parts = [("", setting), (f"{METHOD} ", ", ".join(method_labels)), (f"{SEED} ", joined_seeds)]
        yield "; ".join(axis + labels for axis, labels in parts if labels)


def _distinct_calls(plans: Sequence[planning.Plan]) -> list[planning.Calls]:
    """The calls of all runs. Those that runs share count once."""
    distinct: dict[object, planning.Calls] = {}
    for i, p in enumerate(plans):
        for j, calls in enumerate(p.calls):
            distinct[(calls.shared, calls.purpose, calls.model) if calls.shared else (i, j)] = calls
    return list(distinct.values())


def _calls_table(calls: Sequence[planning.Calls]) -> Table:
    """Calls by role and purpose."""
    table = Table(title="LLM calls expected", title_justify="left")
    table.add_column("role")
    table.add_column("purpose")
    for column in ("calls", "prompt tokens", "completion tokens", "USD"):
        table.add_column(column, justify="right")
    for role, purpose in dict.fromkeys((c.role, c.purpose) for c in calls):
        mine = [c for c in calls if (c.role, c.purpose) == (role, purpose)]
        prompt, completion = sum(c.prompt_tokens for c in mine), sum(c.completion_tokens for c in mine)
        shown = "no price" if any(c.price is None for c in mine) else f"{_usd(mine):,.2f}"
        table.add_row(role, purpose, f"{sum(c.calls for c in mine):,}", f"{prompt:,}", f"{completion:,}", shown)
    return table


def _total(calls: Sequence[planning.Calls], configs: Sequence[Config]) -> str:
    """In one line: calls, tokens and money of all purposes, and which role has no price and is missing in the sum."""
    tokens = sum(c.prompt_tokens + c.completion_tokens for c in calls)
    parts = [f"In all: {sum(c.calls for c in calls):,} calls", f"{tokens:,} tokens"]
    parts += [f"{_usd(calls):,.2f} USD{by_which_list(configs)}"] * any(c.price for c in calls)
    parts += [f"no price for llm.{role}" for role in dict.fromkeys(c.role for c in calls if c.price is None)]
    return ", ".join(parts)


def _usd(calls: Sequence[planning.Calls]) -> float:
    """What the calls with a price cost."""
    return sum(money(c.price, c.prompt_tokens, c.completion_tokens) or 0.0 for c in calls)


if __name__ == "__main__":
    main(plan)
