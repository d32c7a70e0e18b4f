"""What every agent needs to ask an LLM, whichever LLM it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from pada_ray.agents.brief import Brief
from pada_ray.config import Config


@dataclass(frozen=True)
class Asking:
    """It pickles, since Ray's actors are made with it. Each agent therefore reads the templates itself."""

    prompts: str | None  # the user's folder of templates
    max_reasks: int  # how often an unreadable reply is asked for again
    seed: int
    brief: Brief = field(default_factory=Brief)

    @classmethod
    def of(cls, config: Config, brief: Brief) -> Asking:
        return cls(config.prompts, config.llm.max_reasks, config.seed, brief)
