"""The HTML page of a report: one file with style, scripts, the chart library and all data. It needs no network, and its
content security policy allows none.

Texts of models and data are always shown as text: jinja escapes them, and scripts set them as text.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from pada_ray.config import dump_config
from pada_ray.printable import visible
from pada_ray.report.best import Best, examples
from pada_ray.report.charts import Chart
from pada_ray.report.evidence import Evidence
from pada_ray.report.headline import Headline
from pada_ray.report.items import PageItems
from pada_ray.report.results import Run, Sweep
from pada_ray.report.tables import Table, groups_of_rows, text_of

_HERE = Path(__file__).parent
CHART_LIBRARY = _HERE / "vendor" / "plotly-basic.min.js"
_SCRIPTS = ("tables.js", "charts.js", "items.js", "fold.js")


class Contents(NamedTuple):
    """Tables and charts by name. A section without any is left out."""

    headlines: list[Headline]
    tables: dict[str, Table]
    charts: dict[str, Chart]


def run_page(run: Run, contents: Contents, evidence: Evidence, items: PageItems, best: Best | None) -> str:
    """The page of a run, finished or not. `best` is None before the run knows its best model."""
    return _render(
        "run.html.jinja",
        contents,
        run.changed,
        title=run.config.name,
        data={"charts": _figures(contents), "items": items.model_dump(mode="json")},
        run=run,
        evidence=evidence,
        items=items,
        best=best,
        examples=examples(run, best) if best else [],
        colours={i: category.id for i, category in enumerate(evidence.lineage.categories)},
        config=dump_config(run.config),
    )


def sweep_page(sweep: Sweep, contents: Contents, links: dict[int, str], changed: float) -> str:
    """The page of a sweep. `links` has the address of each cell's page, by the cell's position; `changed` is the time
    of the last change of a run, in seconds since the epoch."""
    return _render(
        "sweep.html.jinja",
        contents,
        changed,
        title=sweep.name,
        data={"charts": _figures(contents)},
        sweep=sweep,
        links=links,
    )


def stamp(changed: float) -> str:
    """The text in the head of a page that identifies its state and version. `changed`: seconds since the epoch."""
    return f"{changed:.6f} {version('pada-ray')}"


def as_json(value: Any) -> str:
    """JSON for a script element. No text in it can close the element, and hidden marks are visible."""
    text = visible(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    text = re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def policy(scripts: Sequence[str]) -> str:
    """The content security policy: only these scripts run, and nothing is loaded or sent."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return "; ".join(
        [
            "default-src 'none'",
            "script-src " + " ".join(f"'sha256-{each}'" for each in hashes),
            "style-src 'unsafe-inline'",  # the chart library sets styles as it draws
            "img-src data: blob:",  # charts saved as pictures
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _render(
    template: str, contents: Contents, changed: float, *, title: str, data: dict[str, Any], **values: Any
) -> str:
    scripts = [CHART_LIBRARY.read_text(encoding="utf-8")] if contents.charts else []
    scripts += [(_HERE / "assets" / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    page = _environment().get_template(template)
    return page.render(
        title=title,
        policy=policy(scripts),
        scripts=scripts,
        style=(_HERE / "assets" / "page.css").read_text(encoding="utf-8"),
        data={name: as_json(value) for name, value in data.items()},
        headlines=contents.headlines,
        tables=contents.tables,
        charts=contents.charts,
        stamp=stamp(changed),
        version=version("pada-ray"),
        changed=datetime.fromtimestamp(changed, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        **values,
    )


@functools.cache  # a sweep has a page for each run, and to compile a template takes longer than to fill it
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"text_of": text_of, "groups_of_rows": groups_of_rows}
    return environment


def _shown(value: object) -> object:
    """The value as a page shows it. Markup is ours: style, scripts, and JSON that is ready."""
    return visible(value) if type(value) is str else value


def _figures(contents: Contents) -> dict[str, Any]:
    return {name: chart.figures for name, chart in contents.charts.items()}
