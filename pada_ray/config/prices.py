"""The prices of common models, which ship with this package (prices.yaml) with the day on which each was seen.

A price belongs to a host and a model. A model's name is as listed, or a listed name with a date behind it, which names
a snapshot of it: `gpt-4.1-2025-04-14` costs what `gpt-4.1` costs. For anything else there is no price.
"""

from __future__ import annotations

import functools
import re
from datetime import date
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


class ListedPrice(NamedTuple):
    """The keys of `Price` in the config."""

    prompt: float  # USD per million tokens
    completion: float
    listed: date
    listed_for: str  # host and model


def listed_price(base_url: str, model: str) -> ListedPrice | None:
    """What the host of `base_url` charges for `model`, by the list; None where it is not listed."""
    host = urlsplit(base_url).hostname
    listed = _listed()
    return listed.get((host, model), listed.get((host, _SNAPSHOT.sub("", model))))


@functools.cache
def _listed() -> dict[tuple[str | None, str], ListedPrice | None]:
    """By host and model; None for a snapshot whose price is not that of its model."""
    sellers: list[dict[str, Any]] = yaml.safe_load(files("pada_ray.config").joinpath("prices.yaml").read_text("utf-8"))
    listed: dict[tuple[str | None, str], ListedPrice | None] = {}
    for seller in sellers:
        host = seller["host"]
        for model, (prompt, completion) in seller["usd_per_million"].items():
            listed[host, model] = ListedPrice(prompt, completion, seller["seen"], f"{host} {model}")
        listed |= {(host, model): None for model in seller.get("not_priced", [])}
    return listed
