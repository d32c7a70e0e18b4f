"""Strategies as a person edits them: a list in YAML, an entry for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.config.yaml_text import line_of, load_yaml
from pada_ray.errors import DataError
from pada_ray.records import Strategy
from pada_ray.review.entries import StrategyEntry, check_free_of_held_out, parsed

_TEXTS = ("category_name", "strategy_name", "generation_approach", "key_elements")
_HEAD = """\
# Samples are written by these strategies. Edit any text; `decision: drop` leaves one out, and so does deleting it. An
# entry without `cluster` is a strategy of your own. Then `pada resume {run}` checks this file and goes on.
"""


def to_edit(drafted: Sequence[Strategy], run: str) -> str:
    """The file that a person edits."""
    keys = ("cluster", *_TEXTS)
    entries = [{"decision": "accept", **s.model_dump(include=set(keys))} for s in drafted]
    return text_of(entries, run)


def text_of(entries: Sequence[Mapping[str, Any]], run: str) -> str:
    """The file with these entries."""
    return _HEAD.format(run=run) + yaml.safe_dump(list(entries), sort_keys=False, allow_unicode=True, width=110)


def edited(text: str, file: str, drafted: Sequence[Strategy], guard: LeakGuard, first_own: int) -> list[Strategy]:
    """The strategies that a person's file holds, with what the person did to each. Those that are added get clusters
    from `first_own` on, which no failures are in, and count as large as the drafted ones on average where quotas follow
    the clusters' sizes.

    Raises DataError, or ConfigError for what is no YAML, naming file, line and key.
    """
    by_cluster = {strategy.cluster: strategy for strategy in drafted}
    strategies: dict[int, Strategy] = {}
    seen: set[int] = set()
    size = round(sum(strategy.size for strategy in drafted) / len(drafted))
    own = max([first_own, *(cluster + 1 for cluster in by_cluster)])
    entries = load_yaml(text, file)
    if not isinstance(entries, list):
        raise DataError(f"{file}: not a list of strategies; begin each with `- decision: accept`")
    for i, given in enumerate(entries):

        def where(key: str, i: int = i) -> str:
            return f"{file}:{line_of(text, (i, key))}"

        entry = parsed(StrategyEntry, given, where)
        if entry.cluster is not None and entry.cluster not in by_cluster:
            known = ", ".join(map(str, by_cluster))
            raise DataError(f"{where('cluster')}: cluster: none of {known}; leave it out to add a strategy of your own")
        if entry.cluster in seen:
            raise DataError(f"{where('cluster')}: cluster: {entry.cluster} is there twice; leave it out of one of them")
        seen |= set() if entry.cluster is None else {entry.cluster}
        if entry.decision == "drop":
            continue
        cluster = own + len(strategies) if entry.cluster is None else entry.cluster
        strategies[cluster] = _strategy(entry, cluster, by_cluster.get(cluster), size)
        if strategies[cluster].person:
            for key in _TEXTS:
                value = getattr(entry, key)
                for part in [value] if isinstance(value, str) else value:
                    check_free_of_held_out(guard, part, where(key), key)
    if not strategies:
        raise DataError(f"{file}: no strategy is left; accept one, or `pada resume` with --set 'review=[]'")
    return list(strategies.values())


def _strategy(entry: StrategyEntry, cluster: int, drafted: Strategy | None, size: int) -> Strategy:
    texts = entry.model_dump(include=set(_TEXTS))
    texts["category_name"] = texts["category_name"] or entry.strategy_name
    if drafted is None:
        return Strategy(cluster=cluster, **texts, size=size, person="added by a person")
    changed = texts != drafted.model_dump(include=set(_TEXTS))
    return drafted.model_copy(update=texts | {"person": "edited by a person"}) if changed else drafted
