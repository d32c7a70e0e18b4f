"""The schema of the replies to a task `json`: learned from values, or given; and what a value breaks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from jsonschema_specifications import REGISTRY as SPECIFICATIONS  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

_ENOUGH = 10  # objects that show which keys are always there; what fewer have in common may be chance
_ARGUMENTS = ("arguments", "parameters")  # how the arguments of a call are called


def learned(values: Sequence[Any]) -> dict[str, Any]:
    """A JSON Schema of one or more values: types, names of fields and which are always there. Objects of a `name` and
    `arguments` (or `parameters`) are function calls: each function has its own arguments."""
    kinds = {_kind(value) for value in values}
    kinds -= {"integer"} if "number" in kinds else set()
    schema: dict[str, Any] = {"type": sorted(kinds) if len(kinds) > 1 else kinds.pop()}
    objects = [value for value in values if isinstance(value, dict)]
    items = [item for value in values if isinstance(value, list) for item in value]
    schema |= _of_objects(objects) if objects else {}
    return schema | ({"items": learned(items)} if items else {})


def of_tools(tools: Sequence[Any]) -> dict[str, Any]:
    """The schema of a call of one of these tools, each as in OpenAI's API or its `function` alone.

    Raises:
        ValueError: an entry is no tool.
    """
    functions = {}
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, dict) else {}
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ValueError("a list of tools has objects with `name` and `parameters`")
        functions[function["name"]] = function.get("parameters") or {"type": "object"}
    return {"type": "object", **_of_calls("arguments", functions)}


def check_schema(schema: Any) -> None:
    """Raises ValueError unless it is a JSON Schema that needs nothing from elsewhere."""
    if not isinstance(schema, dict):
        raise ValueError("a JSON Schema is an object")
    try:
        kind = validator_for(schema, jsonschema.Draft202012Validator)
        kind.check_schema(schema)
        resource = specification_with(kind.META_SCHEMA["$schema"]).create_resource(schema)
        _check_references(resource, SPECIFICATIONS.resolver_with_root(resource))
        problem(schema, None)
    except jsonschema.SchemaError as err:
        raise ValueError(f"{err.json_path}: {err.message}") from err
    except Exception as err:  # a reference that leads nowhere, a pattern that is none
        raise ValueError(str(err)) from err


def problem(schema: Mapping[str, Any], value: Any) -> str | None:
    """What a value breaks of a schema, as `PLACE: what`; None if nothing."""
    kind = validator_for(schema, jsonschema.Draft202012Validator)
    # With a registry of its own the validator fetches no reference from the network.
    error = best_match(kind(schema, registry=Registry()).iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message}"


def outline(schema: Mapping[str, Any]) -> str:
    """The schema for a reader: a line `name(argument, argument?)` for each function where it is one of calls, else as
    JSON. `?` marks what may be absent."""
    parts = schema.get("allOf")
    if not isinstance(parts, list) or not all(map(_is_function, parts)):
        return json.dumps(schema, ensure_ascii=False)
    return "\n".join(map(_signature, parts))


def _check_references(resource: Resource[Any], resolver: Any) -> None:
    """Raises ValueError if a reference leads nowhere. A validator sees only those that a value makes it follow."""
    contents = resource.contents if isinstance(resource.contents, dict) else {}
    for reference in (contents[key] for key in ("$ref", "$dynamicRef") if key in contents):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise ValueError(f"{reference!r} leads nowhere in this schema") from None
    for inner in resource.subresources():
        _check_references(inner, resolver.in_subresource(inner))


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _of_objects(objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    arguments = next((key for key in _ARGUMENTS if all(_is_call(value, key) for value in objects)), None)
    if arguments is not None:
        by_name: dict[str, list[Any]] = {}
        for call in objects:
            by_name.setdefault(call["name"], []).append(call[arguments])
        return _of_calls(arguments, {name: learned(given) for name, given in sorted(by_name.items())})
    keys = sorted({key for value in objects for key in value})
    return {
        "properties": {key: learned([value[key] for value in objects if key in value]) for key in keys},
        "required": [key for key in keys if all(key in value for value in objects)] if len(objects) >= _ENOUGH else [],
        "additionalProperties": False,
    }


def _is_call(value: dict[str, Any], arguments: str) -> bool:
    return (
        value.keys() == {"name", arguments} and isinstance(value["name"], str) and _kind(value[arguments]) == "object"
    )


def _of_calls(arguments: str, functions: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "properties": {"name": {"enum": list(functions)}, arguments: {"type": "object"}},
        "required": ["name", arguments],
        "additionalProperties": False,
        "allOf": [
            {"if": {"properties": {"name": {"const": name}}}, "then": {"properties": {arguments: schema}}}
            for name, schema in functions.items()
        ],
    }


def _is_function(part: Any) -> bool:
    """Whether a part of `allOf` says of one name which arguments it takes, as `_of_calls` writes it."""
    match part:
        case {"if": {"properties": {"name": {"const": str()}}}, "then": {"properties": {**arguments}}}:
            return [type(schema) for schema in arguments.values()] == [dict]
    return False


def _signature(part: Mapping[str, Any]) -> str:
    name = part["if"]["properties"]["name"]["const"]
    (schema,) = part["then"]["properties"].values()
    required = schema.get("required", [])
    shown = [
        key + ("" if key in required else "?") + _type(inner) for key, inner in schema.get("properties", {}).items()
    ]
    return f"{name}({', '.join(shown)})"


def _type(schema: Any) -> str:
    """`: TYPE`, but for a text, which most arguments are."""
    kind = schema.get("type", "string") if isinstance(schema, dict) else "string"
    return "" if kind == "string" else f": {' or '.join(kind) if isinstance(kind, list) else kind}"
