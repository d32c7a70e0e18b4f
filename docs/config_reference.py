"""Writes docs/config.md: every key of a config and of a sweep, from the models that check them.

python docs/config_reference.py
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pada_ray.config import Config
from pada_ray.runs.sweep import SweepKeys

TARGET = Path(__file__).with_name("config.md")
_MACHINE = 2**62  # a bound from here on is the machine's and tells a reader nothing
_HEAD = """\
# Every key of a config

<!-- Written by docs/config_reference.py from the models in pada_ray/config. Change the texts there. -->

A config is a YAML file with these keys; `--set KEY=VALUE` overrides one. `pada init` writes a first one for your file.
Unknown keys are errors. Where the paper gives a value, it is the default. A run writes its config with all defaults
into its folder.
"""
_SWEEP = (
    "A sweep's file is a config with these keys beside the others. "
    "[Reports](report.md#primary-comparisons) has examples.\n"
)


def reference() -> str:
    """The page, as Markdown."""
    parts = [_HEAD]
    for model, paths in _sections(Config).items():
        title = " and ".join(f"`{path}`" for path in paths) if paths[0] else "The run"
        parts.append(f"## {title}\n\n{_about(model)}\n\n{_table(model)}")
    return "\n".join([*parts, "## Sweeps\n", _SWEEP, _table(SweepKeys)])


def _sections(model: type[BaseModel], path: str = "") -> dict[type[BaseModel], list[str]]:
    """Every model under `model` with the paths of the keys where it stands, in order."""
    found = {model: [path]}
    for name, field in model.model_fields.items():
        if section := _model_of(field):
            for below, paths in _sections(section, f"{path}.{field.alias or name}".lstrip(".")).items():
                found.setdefault(below, []).extend(p for p in paths if p not in found.get(below, []))
    return found


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a section; None where the key is no section."""
    kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
    return next((kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel)), None)


def _about(model: type[BaseModel]) -> str:
    return _one_line(inspect.getdoc(model) or "")


def _table(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True)
    required = set(schema.get("required", ()))
    about = _docstrings(model)
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        key = field.alias or name
        told = schema["properties"][key]
        default = "required" if key in required else _default(model, name)
        section = _model_of(field)
        said = about.get(name) or (_about(section) if section else "")
        rows.append(f"| `{key}` | {_cell(_kind(told))} | {_cell(default)} | {_cell(said)} |")
    return "\n".join(rows) + "\n"


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """What stands below each field in the source of a model and of those that it is derived from."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[ast.unparse(field.target)] = _one_line(inspect.cleandoc(text.value.value))
    return found


def _kind(schema: dict[str, Any]) -> str:
    """What may stand there, in words, from a JSON Schema."""
    if "$ref" in schema:
        return "a section"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(way) for way in schema["anyOf"] if way.get("type") != "null"))
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return "two whole numbers"
    if schema.get("type") == "array":
        items = schema.get("items", {})
        if "enum" in items:
            return "a list of any of " + ", ".join(f"`{value}`" for value in items["enum"])
        return f"a list of {_kind(items).removeprefix('a ')}s" if "type" in items else "a list"
    kind = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "object": "a mapping"}
    return kind.get(schema.get("type", ""), "a text") + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    found = {key: schema[key] for key in words if abs(schema.get(key, _MACHINE)) < _MACHINE}
    return "".join(f", {words[key]} {value:,}" for key, value in found.items())


def _default(model: type[BaseModel], name: str) -> str:
    value = model.model_fields[name].get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return ""
    return "none" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`".replace('"', "")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
