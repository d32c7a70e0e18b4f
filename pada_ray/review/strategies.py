"""Strategies as a person edits them: a list in YAML, an entry for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from pada_ray.agents.leak_guard import LeakGuard
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
    return _HEAD.format(run=run) + yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=110)


def edited(text: str, file: str, drafted: Sequence[Strategy], guard: LeakGuard, first_own: int) -> list[Strategy]:
    """The strategies that a person's file holds, with what the person did to each. Those that are added get clusters
    from `first_own` on, which no failures are in.

    Raises DataError, naming file, line and key.
    """
    by_cluster = {strategy.cluster: strategy for strategy in drafted}
    strategies: dict[int, Strategy] = {}
    seen: set[int] = set()
    own = max([first_own, *(cluster + 1 for cluster in by_cluster)])
    for given, lines in _entries(text, file):

        def where(key: str, lines: dict[str, int] = lines) -> str:
            return f"{file}:{lines.get(key, lines[''])}"

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
        strategies[cluster] = _strategy(entry, cluster, by_cluster.get(cluster))
        if strategies[cluster].person:
            for key in _TEXTS:
                value = getattr(entry, key)
                for part in [value] if isinstance(value, str) else value:
                    check_free_of_held_out(guard, part, where(key), key)
    if not strategies:
        raise DataError(f"{file}: no strategy is left; accept one, or `pada resume` with --set 'review=[]'")
    return list(strategies.values())


def _strategy(entry: StrategyEntry, cluster: int, drafted: Strategy | None) -> Strategy:
    texts = entry.model_dump(include=set(_TEXTS))
    texts["category_name"] = texts["category_name"] or entry.strategy_name
    if drafted is None:
        return Strategy(cluster=cluster, **texts, person="added by a person")
    changed = texts != drafted.model_dump(include=set(_TEXTS))
    return drafted.model_copy(update=texts | {"person": "edited by a person"}) if changed else drafted


def _entries(text: str, file: str) -> list[tuple[Any, dict[str, int]]]:
    """Each entry with the lines of its keys, its own under `""`."""
    try:
        node, values = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except yaml.MarkedYAMLError as e:
        line = f":{e.problem_mark.line + 1}" if e.problem_mark else ""
        raise DataError(f"{file}{line}: not readable as YAML: {e.problem}") from None
    except yaml.YAMLError as e:
        raise DataError(f"{file}: not readable as YAML: {' '.join(str(e).split())}") from None
    if not isinstance(node, yaml.SequenceNode):
        raise DataError(f"{file}: not a list of strategies; begin each with `- decision: accept`")
    return [(value, _lines(item)) for value, item in zip(values, node.value, strict=True)]


def _lines(node: yaml.Node) -> dict[str, int]:
    keys = node.value if isinstance(node, yaml.MappingNode) else []
    return {"": node.start_mark.line + 1} | {str(key.value): key.start_mark.line + 1 for key, _ in keys}
