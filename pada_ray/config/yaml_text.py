"""Reads the YAML that a user wrote, more strictly than PyYAML: no key twice, nothing that grows without bound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from pada_ray.errors import ConfigError

MOST_VALUES = 20_000  # with every alias written out


def load_yaml(text: str, where: str) -> Any:
    """The value in a YAML text. Raises ConfigError, with `where` and the line."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(node, where)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{where}{line}: not readable as YAML: {e.problem or e.context}") from None
    except RecursionError:
        raise ConfigError(f"{where}: not readable as YAML: nested too deep") from None
    except (yaml.YAMLError, ValueError) as e:
        raise ConfigError(f"{where}: not readable as YAML: {' '.join(str(e).split())[:300]}") from None


def line_of(text: str, path: tuple[int | str, ...]) -> int | None:
    """The line, from 1, of the value at a key's path, or of the nearest section round it; None for the whole file.
    `text` can be read."""
    node, line = yaml.compose(text, yaml.SafeLoader), None
    for part in path:
        found = dict(_entries(node)).get(part)
        if found is None:
            break
        line, node = found
    return line


def _entries(node: Any) -> Iterator[tuple[int | str, tuple[int, Any]]]:
    """(key or index, (line, value)) of what is directly inside."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key.value, (key.start_mark.line + 1, value)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield i, (value.start_mark.line + 1, value)


def _check(root: Any, where: str) -> None:
    """Raises ConfigError for a key that stands twice in a mapping, and for what aliases make endless or huge."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any) -> int:
        """Values in a node with every alias written out."""
        if id(node) in sizes:
            return sizes[id(node)]
        at = f"{where}:{node.start_mark.line + 1}"
        if id(node) in open_nodes:
            raise ConfigError(f"{at}: an alias stands inside of what it names; write the value out")
        open_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_twice(node, where)
            inside = [part for pair in node.value for part in pair]
        else:
            inside = node.value if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.ScalarNode) and "\0" in node.value:
            raise ConfigError(f"{at}: a NUL character in a value; leave it out")
        sizes[id(node)] = total = 1 + sum(map(size, inside))
        if total > MOST_VALUES:
            raise ConfigError(f"{at}: more than {MOST_VALUES:,} values; a config has some hundreds")
        open_nodes.remove(id(node))
        return total

    size(root)


def _refuse_twice(node: yaml.MappingNode, where: str) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line, name = key.start_mark.line + 1, (key.tag, key.value)
        if name in lines:
            raise ConfigError(
                f"{where}:{line}: {key.value[:100]}: this key stands at line {lines[name]} already; leave one out"
            )
        lines[name] = line
