"""Patterns and strategies without held-out text. They are made from validation failures and go on towards training
data, so what an LLM quoted in them is cut out, counted and listed."""

from __future__ import annotations

from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.records import LeakHit, Pattern, Strategy


def redact_pattern(guard: LeakGuard, pattern: Pattern) -> tuple[Pattern, list[LeakHit]]:
    """The pattern without sentences that quote held-out text. Its representative samples stay as they are: they are
    for the report and go no further."""
    where = f"pattern of cluster {pattern.cluster}"
    name, name_hits = _redact(guard, pattern.category_name, where)
    text, text_hits = _redact(guard, pattern.error_pattern, where)
    clean = pattern.model_copy(
        update={"category_name": name or f"Category {pattern.cluster + 1}", "error_pattern": text}
    )
    return clean, [*name_hits, *text_hits]


def redact_strategy(guard: LeakGuard, strategy: Strategy) -> tuple[Strategy | None, list[LeakHit]]:
    """The strategy without sentences and elements that quote held-out text; None when no approach is left."""
    where = f"strategy of cluster {strategy.cluster}"
    name, name_hits = _redact(guard, strategy.strategy_name, where)
    category, category_hits = _redact(guard, strategy.category_name, where)
    approach, approach_hits = _redact(guard, strategy.generation_approach, where)
    elements = [_redact(guard, element, where) for element in strategy.key_elements]
    hits = [*name_hits, *category_hits, *approach_hits, *(hit for _, found in elements for hit in found)]
    if not approach.strip():
        return None, hits
    clean = strategy.model_copy(
        update={
            "strategy_name": name or f"Strategy {strategy.cluster + 1}",
            "category_name": category or f"Category {strategy.cluster + 1}",
            "generation_approach": approach,
            "key_elements": [text for text, _ in elements if text.strip()],
        }
    )
    return clean, hits


def _redact(guard: LeakGuard, text: str, where: str) -> tuple[str, list[LeakHit]]:
    clean, hits = guard.redact(text)
    return clean, [LeakHit(where=where, held_out_id=hit.sample_id, words=hit.words) for hit in hits]
