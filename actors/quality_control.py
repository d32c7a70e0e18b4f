"""The Quality Control Agent, as an actor. It reads the run's data itself, so that its constructor takes a path."""

from __future__ import annotations

import ray

from actors.remote import ACTOR_OPTIONS
from pada_ray.agents import quality_control
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.config import Config
from pada_ray.llm.chat import Llm
from pada_ray.run import run_files
from pada_ray.storage import Folder


class QualityControlAgent(quality_control.QualityControlAgent):  # the name is what Ray shows
    def __init__(self, llm: Llm, config: Config, run: str):
        samples = run_files.read_samples(Folder(run))
        train = samples["train"]
        guard = LeakGuard(run_files.held_out(samples), train, config.leak_guard.words)
        super().__init__(llm, config.quality_control, config.prompts, config.llm.max_reasks, train=train, guard=guard)


QualityControlActor = ray.remote(**ACTOR_OPTIONS)(QualityControlAgent)
