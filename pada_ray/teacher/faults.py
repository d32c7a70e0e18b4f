"""Simulated faults of an LLM endpoint: which one hits a request, and its effect on the reply.

In the order in which they are drawn:
  rate_limit    status 429 with a Retry-After header
  server_error  status 500
  hang          the reply comes only after `hang_seconds`
  cut_off       the JSON ends in the middle, though the finish reason claims "stop"
  prose         sentences before and after the JSON
  fenced_prose  the same, with the JSON in a fenced block
  wrong_count   one entry too few or too many
  empty         a reply without content
"""

from __future__ import annotations

import json
import random

from pada_ray.config.teacher import FAULT_NAMES, FaultName, TeacherSettings

_BEFORE = ("Certainly! Here is what you asked for:", "Here you go.", "Sure. My result {as JSON}:")
_AFTER = ("Let me know if anything should be changed.", "I hope this helps!", "Note: I checked {everything}.")


def draw_fault(settings: TeacherSettings, content: str, attempt: int) -> FaultName | None:
    """The fault of the `attempt`-th arrival (from 1) of the request with hash `content`.

    Each arrival has its own draw, so a retry can succeed.
    """
    point = random.Random(f"fault {settings.seed} {content} {attempt}").random()
    for name in FAULT_NAMES:
        point -= settings.faults.get(name, 0.0)
        if point < 0:
            return name
    return None


def spoil(reply: str, fault: FaultName | None, rng: random.Random) -> str:
    """The reply's text after a fault. Faults that do not concern the text leave it unchanged.

    So does `wrong_count` for a reply that is one entry (a single pattern).
    """
    if fault == "cut_off":
        return reply[: int(len(reply) * rng.uniform(0.2, 0.9))]
    if fault == "prose":
        return f"{rng.choice(_BEFORE)}\n\n{reply}\n\n{rng.choice(_AFTER)}"
    if fault == "fenced_prose":
        return f"{rng.choice(_BEFORE)}\n\n```json\n{reply}\n```\n\n{rng.choice(_AFTER)}"
    if fault == "wrong_count":
        return _miscount(reply, rng)
    if fault == "empty":
        return ""
    return reply


def _miscount(reply: str, rng: random.Random) -> str:
    try:
        value = json.loads(reply)
    except ValueError:
        return reply
    if not all(isinstance(entry, dict) for entry in value.values()):
        return reply
    if rng.random() < 0.5:
        value.pop(rng.choice(list(value)))
    else:
        value["another"] = next(iter(value.values()), {})
    return json.dumps(value, ensure_ascii=False)
