"""Reads a config: a YAML file with overrides. An error is one line that names the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pada_ray.config.models import Config
from pada_ray.errors import ConfigError


def load_config(path: str, overrides: list[str] | None = None) -> Config:
    """Reads a YAML file and applies `a.b=value` overrides (values are YAML).

    Raises ConfigError, in one line, with the key's path and what is allowed there.
    """
    raw = read_raw(path)
    if "grid" in raw:
        raise ConfigError(f"{path}: this file has a grid; run it with `pada sweep {path}`")
    for override in overrides or []:
        lay_over(raw, override)
    return check_config(raw, path)


def read_raw(path: str) -> dict[str, Any]:
    """The mapping in a YAML file, unchecked. Raises ConfigError if the file cannot be read or holds none."""
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as e:
        raise ConfigError(f"{path}: not readable as YAML: {' '.join(str(e).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a config is a mapping of keys; see configs/demo.yaml")
    return raw


def check_config(raw: dict[str, Any], source: str) -> Config:
    """The config in `raw`. Raises ConfigError, naming `source` and the first wrong key."""
    try:
        return Config.model_validate(raw)
    except ValidationError as e:
        raise ConfigError(f"{source}: {_first_error(e)}") from None


def dump_config(config: Config) -> str:
    """The resolved config as YAML, with all defaults."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def lay_over(raw: dict[str, Any], override: str) -> None:
    """Puts the value of `key.path=value` (YAML) into `raw`. Raises ConfigError."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: write it as key.path=value, such as --set data.regime=300")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from None
    put(raw, key.strip(), value, f"--set {override}")


def put(raw: dict[str, Any], key: str, value: Any, source: str) -> None:
    """Sets the value at a key's path in `raw`, adding missing sections. Raises ConfigError, naming `source`."""
    *parents, last = key.split(".")
    node = raw
    for parent in parents:
        if node.get(parent) is None:
            node[parent] = {}
        node = node[parent]
        if not isinstance(node, dict):
            raise ConfigError(f"{source}: {parent} is not a section")
    node[last] = value


def _first_error(e: ValidationError) -> str:
    """One line out of pydantic's report: the key's path, what is wrong, and what is allowed there."""
    error, *others = e.errors()
    path = _path(error["loc"])
    if error["type"] == "extra_forbidden":
        section = _section_at(error["loc"][:-1])
        allowed = ", ".join(field.alias or name for name, field in section.model_fields.items()) if section else ""
        return f"{path}: unknown key; allowed here: {allowed}"
    if error["type"] == "missing":
        return f"{path}: this key is required"
    # A key that takes a number or a word has one error for each.
    ways = [error, *(other for other in others if _path(other["loc"]) == path)]
    message = ", or ".join(way["msg"].removeprefix("Value error, ") for way in ways)
    # The value is hidden where it may be a secret, given in place of its variable's name.
    shown = error["type"] != "value_error" and not {"api_key_env", "headers", "base_url"} & set(error["loc"])
    given = f" (given: {error['input']!r})" if shown else ""
    return f"{path}: {message}{given}"


def _path(loc: tuple[int | str, ...]) -> str:
    """The path of the wrong key, without the parts that pydantic adds for each type that the key may have."""
    keys = [str(part) for part in loc if part not in ("float", "constrained-float", "tuple[str, ...]", "str")]
    return ".".join(key for key in keys if not key.startswith("literal[")) or "config"


def _section_at(path: tuple[int | str, ...]) -> type[BaseModel] | None:
    section: Any = Config
    for part in path:
        field = section.model_fields.get(part)
        if field is None:
            return None
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        section = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if section is None:
            return None
    return section
