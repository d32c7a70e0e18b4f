"""A chart of the report for a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from pada_ray.report.charts import Chart
from pada_ray.report.page import CHART_LIBRARY, as_json

PLOTLY = "application/vnd.plotly.v1+json"
_HEIGHT = 420  # pixels, of a figure that names none


@dataclass(frozen=True)
class Figure:
    """A chart of the report. As the last value of a notebook's cell it draws itself, without a network."""

    title: str
    description: str
    spec: dict[str, Any]
    """`data` and `layout` as Plotly takes them: `plotly.graph_objects.Figure(figure.spec)`, where Plotly is there."""

    def to_html(self) -> str:
        """A whole page with the chart, which opens without a network."""
        library = CHART_LIBRARY.read_text(encoding="utf-8")
        spec = as_json(self.spec)
        return (
            f'<!doctype html><meta charset="utf-8"><title>{html.escape(self.title)}</title><div id="chart"></div>'
            f"<script>{library}</script><script>const spec = {spec};"
            'Plotly.newPlot("chart", spec.data, spec.layout, {responsive: true});</script>'
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """What a notebook shows: whichever of these its front end knows."""
        frame = (
            f'<iframe srcdoc="{html.escape(self.to_html())}" sandbox="allow-scripts" title="{html.escape(self.title)}" '
            f'style="width: 100%; border: 0; height: {self._height + 20}px"></iframe>'
        )
        return {PLOTLY: self.spec, "text/html": frame, "text/plain": f"{self.title}: {self.description}"}

    @property
    def _height(self) -> int:
        return int(self.spec["layout"].get("height", _HEIGHT))


def figures_of(charts: list[Chart]) -> dict[str, Figure]:
    """Every figure of the charts by its name, such as `accuracy`; one of several of a chart by `NAME: CHOICE`."""
    return {
        f"{chart.name}: {choice}" if choice else chart.name: Figure(
            title=": ".join(filter(None, (chart.title, choice))),
            description=chart.description,
            spec={"data": figure["data"], "layout": {"title": {"text": chart.title}, **figure["layout"]}},
        )
        for chart in charts
        for choice, figure in chart.figures.items()
    }
