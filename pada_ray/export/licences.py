"""What is known of the licences of a student and a teacher. What is not known is called unknown, never guessed."""

from __future__ import annotations

from pathlib import Path

import yaml
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from pada_ray.config import EndpointConfig
from pada_ray.student.model import model_location

UNKNOWN = "unknown"
_OURS = "apache-2.0"  # of this project, and with it of the demo student and what the offline teacher writes


def licence_of_student(model: str) -> str:
    """The licence that a model's own card names, on this machine: in its folder, or in the Hub's cache."""
    if model == "demo":
        return _OURS
    location = model_location(model)
    if Path(location).is_dir():
        return licence_in(Path(location) / "README.md")
    try:
        cached = try_to_load_from_cache(location, "README.md")
    except HFValidationError:  # a folder that is not here
        return UNKNOWN
    return licence_in(Path(cached)) if isinstance(cached, str) else UNKNOWN


def licence_in(card: Path) -> str:
    """The `license` of a model card's YAML head; its `license_name` where the Hub has no word for it."""
    try:
        head = card.read_text(encoding="utf-8").split("---")[1]
        fields = yaml.safe_load(head)
        named = fields.get("license")
    except (OSError, IndexError, AttributeError, UnicodeDecodeError, yaml.YAMLError):
        return UNKNOWN
    found = fields.get("license_name") or named if named == "other" else named
    return str(found) if found else UNKNOWN


def licence_of_teacher(endpoint: EndpointConfig) -> str:
    """The licence of what an endpoint's model writes: known for the offline teacher, and for a model that is served
    from a folder or the Hub's cache on this machine."""
    if endpoint.base_url == "offline":
        return _OURS
    return licence_of_student(endpoint.model) if endpoint.base_url == "vllm" else UNKNOWN
