"""Screens that workers can import."""

from __future__ import annotations

import os
import time

from pada_ray.agents.screening import Screen


class Slow(Screen):
    """Takes half a second for a batch, turns every candidate down, and leaves its process's number on it."""

    def screen(self, batch, candidates):
        time.sleep(0.5)
        found = super().screen(batch, candidates)
        return [c.model_copy(update={"rejected": "wrong", "feedback": str(os.getpid())}) for c in found]
