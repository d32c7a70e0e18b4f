"""Reads a config: a YAML file with overrides. An error is one line that names the key."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pada_ray.config.models import Config
from pada_ray.config.plain_file import what_instead
from pada_ray.config.yaml_text import line_of, load_yaml
from pada_ray.errors import ConfigError

MOST_BYTES = 2**18  # of a config's file


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
    raw = load_yaml(_text(path), path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a config is a mapping of keys; see configs/demo.yaml")
    return raw


def _text(path: str) -> str:
    if (other := what_instead(path)) is not None:
        raise ConfigError(f"{path}: this is {other}; give a file with a config")
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ConfigError(f"{path}: larger than {MOST_BYTES:,} bytes; a config is some kilobytes")
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file") from None
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path}: not UTF-8 ({e.reason} at byte {e.start}); save it as UTF-8") from None
    except (OSError, ValueError) as e:
        raise ConfigError(f"{path}: not readable: {' '.join(str(e).split())}") from None


def check_config(raw: dict[str, Any], source: str) -> Config:
    """The config in `raw`. Raises ConfigError, naming `source` and the first wrong key."""
    try:
        return Config.model_validate(raw)
    except ValidationError as e:
        line = _line(source, raw, e.errors()[0]["loc"])
        raise ConfigError(f"{source}{line}: {_first_error(e)}") from None


def _line(source: str, raw: dict[str, Any], path: tuple[int | str, ...]) -> str:
    """`:LINE` of a key in the file `source`; empty where the value comes from elsewhere, such as from `--set`."""
    try:
        text = _text(source)
        here, there = _at(load_yaml(text, source), path), _at(raw, path)
    except ConfigError:
        return ""
    line = line_of(text, path) if repr(here) == repr(there) else None  # nan equals nothing
    return "" if line is None else f":{line}"


def _at(raw: Any, path: tuple[int | str, ...]) -> Any:
    """The value at a key's path, or of the last section on it that there is."""
    for part in path:
        if not (isinstance(raw, dict) and part in raw):
            break
        raw = raw[part]
    return raw


def dump_config(config: Config) -> str:
    """The resolved config as YAML, with all defaults."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def lay_over(raw: dict[str, Any], override: str) -> None:
    """Puts the value of `key.path=value` (YAML) into `raw`. Raises ConfigError."""
    key, equals, text = override.partition("=")
    override = override if len(override) <= 100 else f"{override[:100]}..."
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: write it as key.path=value, such as --set data.regime=300")
    try:
        value = load_yaml(text, "--set")
    except ConfigError:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from None
    put(raw, key.strip(), value, f"--set {override}")


def put(raw: dict[str, Any], key: str, value: Any, source: str) -> None:
    """Sets the value at a key's path in `raw`, adding missing sections. Raises ConfigError, naming `source`."""
    *parents, last = key.split(".")
    node = raw
    for parent in parents:
        section = node.get(parent)
        if section is not None and not isinstance(section, dict):
            raise ConfigError(f"{source}: {parent} is not a section")
        node[parent] = dict(section or {})  # a copy: by an alias another key may have the same section
        node = node[parent]
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
    given = f" (given: {_short(error['input'])})" if shown else ""
    return f"{path}: {message}{given}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


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
