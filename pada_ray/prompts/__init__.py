"""The prompts (appendix C, figures 2 to 7, and those of the other methods): jinja templates in this folder, in our own
words.

Values from data or from a model are inserted as JSON between tags whose name stands nowhere in them
(`{{ pairs | fenced("pairs") }}`), so that a text cannot pose as an instruction or close its tag. A user's folder may
replace any template by a file of the same name. It runs in jinja's sandbox.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
import jinja2.sandbox

from pada_ray.errors import ConfigError, one_line
from pada_ray.methods import INSTRUCTIONS
from pada_ray.storage import Folder

NAMES = (
    "error_analysis",
    "pattern_categorization",
    "strategy_drafting",
    "blind_strategy_drafting",
    *INSTRUCTIONS,
    "answering",
    "quality_control",
    "grading",
)


class Prompts:
    """Renders prompts by name, from `folder` (a path or URL) if it has the template, else from the shipped ones.

    The tags around data follow from the data and `seed`. Raises ConfigError if the folder holds no template, or holds
    one that jinja cannot read or that uses a value which no prompt has.
    """

    def __init__(self, folder: str | None = None, seed: int = 0):
        self._seed = seed
        own = read_templates(folder) if folder else {}

        def read_own(name: str) -> tuple[str, str, None] | None:
            return (own[name], f"{folder}/{name}", None) if name in own else None

        shipped = jinja2.FileSystemLoader(Path(__file__).parent)
        self._templates = jinja2.sandbox.ImmutableSandboxedEnvironment(
            loader=jinja2.ChoiceLoader([jinja2.FunctionLoader(read_own), shipped]),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=False,
        )
        self._templates.filters |= {"json": as_json, "fenced": self._fenced}
        if folder and not any(f"{name}.jinja" in own for name in NAMES):
            raise ConfigError(
                f"prompts: no template found in {folder}; expected one or more of "
                + ", ".join(f"{name}.jinja" for name in NAMES)
            )
        for name in NAMES:
            try:
                self._templates.get_template(f"{name}.jinja")
            except jinja2.TemplateSyntaxError as e:
                raise ConfigError(f"prompts: {e.filename}:{e.lineno}: {e.message}") from e
        if own:
            self._check_values(folder, own)

    def _check_values(self, folder: str | None, own: dict[str, str]) -> None:
        shipped = read_templates(str(Path(__file__).parent))
        values = set().union(*map(self._values, shipped.values()))
        for file, template in own.items():
            if unknown := self._values(template) - values:
                raise ConfigError(
                    f"prompts: {folder}/{file}: unknown value {', '.join(sorted(unknown))}; "
                    f"prompts have {', '.join(sorted(values))}"
                )

    def _values(self, template: str) -> set[str]:
        return jinja2.meta.find_undeclared_variables(self._templates.parse(template))

    def render(self, name: str, **values: Any) -> str:
        """The text of prompt `name`. Raises ConfigError when the template fails, as by using an unknown value."""
        try:
            return self._templates.get_template(f"{name}.jinja").render(**values)
        except Exception as e:  # a user's template may do anything
            raise ConfigError(f"prompts: {name}.jinja: {one_line(e)}") from e

    def _fenced(self, value: Any, tag: str) -> str:
        """The value as JSON in a tag of this name, made unique by a mark that the JSON does not hold."""
        text = _json(value)
        marks = (
            hashlib.sha256(f"{self._seed} {i} {text}".encode(errors="replace")).hexdigest() for i in itertools.count()
        )
        mark = next(mark[:8] for mark in marks if mark[:8] not in text)
        return f"<{tag}-{mark}>\n{text}\n</{tag}-{mark}>"


def read_templates(folder: str) -> dict[str, str]:
    """The templates in a user's folder (a path or URL): file name -> text."""
    found = Folder(folder)
    try:
        return {name: found.read_text(name) for name in found.names() if name.endswith(".jinja")}
    except UnicodeDecodeError as e:
        raise ConfigError(f"prompts: {folder}: a template is not UTF-8: {e}") from None


def as_json(value: Any) -> str:
    """JSON for the inside of a tag of a template's own: unable to close the tag."""
    return _json(value).replace("</", "<\\/")


def _json(value: Any) -> str:
    """Indented, with non-ASCII letters as they are."""
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises UndefinedError, which names the missing value
    return json.dumps(value, ensure_ascii=False, indent=1)
