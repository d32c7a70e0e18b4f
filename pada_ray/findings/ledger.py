"""The least LLM calls that a run's method allows, from the run's files: beside the calls that it made, they show what
pooling is worth and what it misses."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from pada_ray.agents.quotas import ERRORS, GroupReport
from pada_ray.config import Config
from pada_ray.methods import METHODS
from pada_ray.records import Candidate, Prediction
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config
from pada_ray.runs.state import RunState, read_state
from pada_ray.storage import Folder


def least_calls(folder: Folder) -> dict[str, int]:
    """By purpose, the calls that a finished run needs if each holds as many samples as its batch size allows and every
    reply can be read. What is asked again about an unreadable reply comes on top.

    Answers of the judge (`quality_control.verify: agreement`) are none of them: which samples need one is not kept. A
    purpose is absent where the run had nothing to ask, or was made by 0.1, whose files do not tell.
    """
    config, state = read_config(folder), read_state(folder)
    least: Counter[str] = Counter()
    blind = METHODS[config.method].drafts_blindly
    for iteration in range(1, config.iterations + 2):  # the last one analyses the last model
        least["blind_strategy_drafting"] += blind and folder.exists(run_files.strategies(iteration))
        least += _for_patterns(folder, config, state, iteration)
        least += _for_generation(folder, config, iteration)
    if state.judged:
        least["grading"] = sum(_for_grading(folder, config, model) for model in state.scores)
    return {purpose: calls for purpose, calls in least.items() if calls}


def _for_patterns(folder: Folder, config: Config, state: RunState, iteration: int) -> Counter[str]:
    """Error analysis is asked for failures in batches, a pattern for each cluster, and all strategies at once."""
    counts = state.counts.get(run_files.model(iteration), {})
    failures = counts.get("failures_analysed", 0) + counts.get("failures_unread", 0)
    clusters = _yaml(folder, run_files.clusters(iteration)) or {}
    return Counter(
        error_analysis=math.ceil(failures / config.pattern_analysis.batch_size),
        pattern_categorization=len(set(clusters.values())),
        strategy_drafting=int(bool(counts.get("patterns"))),
    )


def _for_generation(folder: Folder, config: Config, iteration: int) -> Counter[str]:
    """Samples are written and reviewed group by group and round by round: what a round is to mend, the one before it
    has shown."""
    method, control = METHODS[config.method], config.quality_control
    least: Counter[str] = Counter()
    if control.rates and folder.exists(run_files.canaries(iteration)):
        canaries = folder.read_records(run_files.canaries(iteration), Candidate)
        least["quality_control"] += math.ceil(len(canaries) / control.batch_size)
    for group in map(GroupReport.model_validate, _yaml(folder, run_files.quotas(iteration)) or []):
        instruction = method.error_instruction if group.group == ERRORS else method.instruction
        size = min(config.data_generation.batch_size, group.pool or 1)  # no seed comes twice in a call
        least[str(instruction)] += sum(math.ceil(asked / size) for asked in group.asked)
        if control.rates:
            least["quality_control"] += sum(math.ceil(n / control.batch_size) for n in group.reviewed)
    return least


def _for_grading(folder: Folder, config: Config, model: str) -> int:
    """The replies of one model that only the judge can rate, in batches."""
    replies = folder.read_records(run_files.replies(model), Prediction)
    return math.ceil(sum(reply.failed is None for reply in replies) / config.grading.batch_size)


def _yaml(folder: Folder, file: str) -> Any:
    return folder.read_yaml(file) if folder.exists(file) else None
