"""Charts as Plotly figures without colours. A trace's `meta.colour` is an index into the page's palette, which has a
light and a dark version."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, NamedTuple

from pada_ray.records import SPLITS
from pada_ray.report.comparison import Pairing
from pada_ray.report.evidence import Evidence
from pada_ray.report.groups import OverSeeds, groups_of, over_seeds
from pada_ray.report.labels import label
from pada_ray.report.results import Run, Sweep
from pada_ray.runs import run_files
from pada_ray.student.fine_tune import REPORT, FineTuneReport

Figure = dict[str, Any]

NEUTRAL = -1  # the colour of failures without a category
_FEW_POINTS = 30  # of a curve, so that each is worth a mark
_SPREAD = 0.06  # distance between the marks of neighbouring series, so that their intervals do not overlap


class Chart(NamedTuple):
    name: str
    title: str
    description: str
    """What it shows, for screen readers."""
    figures: dict[str, Figure]
    """By the names that the reader chooses from; a chart without a choice has one."""


class Curve(NamedTuple):
    name: str
    colour: int
    points: dict[int, OverSeeds]
    """By the position of the model on the axis."""
    strong: bool = False


def accuracy_chart(run: Run) -> Chart | None:
    """Accuracy of the run's models on every split; None before any model is evaluated."""
    curves = []
    for colour, split in enumerate(SPLITS):
        scores = {x: score for x, model in enumerate(run.models) if (score := run.score(model, split))}
        if scores:
            curves.append(
                Curve(split.replace("_", " "), colour, {x: over_seeds([score]) for x, score in scores.items()})
            )
    if not curves:
        return None
    figure = _curve_figure(curves, [label(model, run.method) for model in run.models], "accuracy, %")
    about = "Accuracy of each model on every split with 95% intervals over the items."
    return Chart("accuracy", "Accuracy over the iterations", about, {"": figure})


def loss_chart(run: Run) -> Chart | None:
    """The loss of every fine-tuning over its steps, by model; None before there is any."""
    curves = {model: curve for model in run.models if (curve := _loss_curve(run, model))}
    if not curves:
        return None
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers" if len(curve) < _FEW_POINTS else "lines",
            "name": _plain(label(model, run.method)),
            "x": [step for step, _ in curve],
            "y": [loss for _, loss in curve],
            "customdata": [_plain(label(model, run.method))] * len(curve),
            "hovertemplate": "%{customdata}, step %{x}: %{y:.3f}<extra></extra>",
            "meta": {"colour": colour, "strong": model == run.state.best},
        }
        for colour, (model, curve) in enumerate(curves.items())
    ]
    layout = {
        "height": 360,
        "xaxis": {"title": {"text": "optimiser steps"}, "showgrid": False, "zeroline": False},
        "yaxis": {"title": {"text": "training loss"}, "rangemode": "tozero"},
    }
    about = "Training loss of each fine-tuning over its optimiser steps."
    return Chart("losses", "Training loss", about, {"": {"data": traces, "layout": layout}})


def _loss_curve(run: Run, model: str) -> list[tuple[float, float]]:
    """Steps with the loss; by epochs for a run of 0.1, which kept no other."""
    file = f"{model}/adapter/{REPORT}"
    if not run.folder.exists(file):
        return []
    report = FineTuneReport.model_validate(run.folder.read_yaml(file))
    each = report.steps / max(1, len(report.losses))
    return list(report.curve) or [(each * (i + 1), loss) for i, loss in enumerate(report.losses)]


def iteration_chart(sweep: Sweep, against: str) -> Chart | None:
    """Every method's accuracy over the iterations, by setting and split; None before any model is evaluated. The base
    model is left out: it is equal for all methods, and so low that it would squeeze the scale."""
    groups = groups_of(sweep)
    colours = {method: i for i, method in enumerate(dict.fromkeys(g.method for g in groups))}
    figures = {}
    for setting in dict.fromkeys(g.setting for g in groups):
        members = [g for g in groups if g.setting == setting]
        models = [m for m in max((g.models for g in members), key=len) if m != run_files.BASE]
        for split in reversed(SPLITS):
            curves = []
            for g in members:
                found = {
                    x: over_seeds([score for run in g.runs if (score := run.score(model, split))])
                    for x, model in enumerate(models)
                }
                points = {x: point for x, point in found.items() if point.seeds}
                if points:
                    curves.append(Curve(g.method, colours[g.method], points, g.method == against))
            if curves:
                names = [label(model, "").strip() for model in models]
                figures[", ".join(filter(None, (setting, split)))] = _curve_figure(
                    curves, names, f"{split.replace('_', ' ')} accuracy, %"
                )
    about = "Mean accuracy of each method over the iterations with 95% intervals."
    return Chart("iterations", "Accuracy over the iterations", about, figures) if figures else None


def difference_chart(pairings: Sequence[Pairing], against: str) -> Chart | None:
    """The difference between `against` and each other method, with intervals, by setting; None without comparisons."""
    figures = {}
    for setting in dict.fromkeys(p.setting for p in pairings):
        found = [(p, p.found) for p in pairings if p.setting == setting and p.found]
        if found:
            trace = {
                "type": "scatter",
                "mode": "markers",
                "x": [c.difference for _, c in found],
                "y": [_plain(p.other) for p, _ in found],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [c.high - c.difference for _, c in found],
                    "arrayminus": [c.difference - c.low for _, c in found],
                },
                "marker": {
                    "symbol": ["circle" if p.significant else "circle-open" for p, _ in found],
                    "size": 9,
                },
                "meta": {"colour": 0},
                "hovertemplate": "%{y}: %{x:+.1f} points<extra></extra>",
            }
            axis = {"title": {"text": f"{_plain(against)} minus the other method, points"}, "zeroline": True}
            layout = {
                "xaxis": axis,
                "yaxis": {"autorange": "reversed", "automargin": True, "showgrid": False},
                "height": 110 + 34 * len(found),
                "showlegend": False,
            }
            figures[setting] = {"data": [trace], "layout": layout}
    about = f"Difference between {against} and each other method with 95% intervals; filled where significant."
    title = f"{against} against the others, filled where significant"
    return Chart("differences", title, about, figures) if figures else None


def category_chart(run: Run, evidence: Evidence) -> Chart | None:
    """Figure 8: a bar for each model, with a part for each category. A category keeps its place and colour. None
    without categories."""
    bars = evidence.lineage.bars
    if not evidence.lineage.categories:
        return None
    shown = [bar.iteration for bar in bars if bar.analysed or not bar.failures]
    names = [_two_lines(label(bar.model, run.method)) for bar in bars]
    traces = []
    for category in evidence.lineage.categories:
        heights = [category.estimates.get(bar.iteration, 0.0) for bar in bars]
        texts = [
            _part_label(height, category.first, category.last, bar.iteration, shown)
            for height, bar in zip(heights, bars, strict=True)
        ]
        traces.append(_bar_trace(category.name, names, heights, texts, category.id))
    known = [sum(c.estimates.get(bar.iteration, 0.0) for c in evidence.lineage.categories) for bar in bars]
    rest = [bar.failures - part for bar, part in zip(bars, known, strict=True)]
    unpatterned = [left if bar.analysed and left > 0.5 else 0.0 for bar, left in zip(bars, rest, strict=True)]
    unanalysed = [0.0 if bar.analysed else left for bar, left in zip(bars, rest, strict=True)]
    for name, heights in (("without pattern", unpatterned), ("not analysed", unanalysed)):
        if any(heights):
            traces.append(_bar_trace(name, names, heights, [name if h else "" for h in heights], NEUTRAL))
    layout = {
        "barmode": "stack",
        "bargap": 0.35,
        "showlegend": False,
        "height": 440,
        "yaxis": {"title": {"text": "val failures"}, "range": [0, 1.15 * max(bar.failures for bar in bars)]},
        "xaxis": {"type": "category", "showgrid": False, "tickangle": 0},
        "annotations": [
            {
                "x": name,
                "y": bar.failures,
                "text": _above(run, bar.model, bar.failures),
                "showarrow": False,
                "yshift": 20,
            }
            for name, bar in zip(names, bars, strict=True)
        ],
    }
    about = "Stacked bars of val failures by error category, one bar for each model."
    return Chart("figure8", "Error categories over the iterations", about, {"": {"data": traces, "layout": layout}})


def _curve_figure(curves: Sequence[Curve], models: list[str], title: str) -> Figure:
    traces = []
    for i, curve in enumerate(curves):
        points = list(curve.points.values())
        shift = (i - (len(curves) - 1) / 2) * min(_SPREAD, 0.5 / len(curves))
        trace = {
            "type": "scatter",
            "mode": "lines+markers",
            "name": _plain(curve.name),
            "x": [x + shift for x in curve.points],
            "y": [p.mean for p in points],
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [p.interval[1] - p.mean if p.interval and p.mean is not None else 0 for p in points],
                "arrayminus": [p.mean - p.interval[0] if p.interval and p.mean is not None else 0 for p in points],
            },
            "customdata": [_plain(f"{curve.name}, {_tell(models[x], p)}") for x, p in curve.points.items()],
            "hovertemplate": "%{customdata}: %{y:.1f}<extra></extra>",
            "meta": {"colour": curve.colour, "strong": curve.strong},
        }
        traces.append(trace)
    layout = {
        "height": 400,
        "xaxis": {
            "tickvals": list(range(len(models))),
            "tickangle": 0,
            "ticktext": [*map(_two_lines, models)],
            "showgrid": False,
            "zeroline": False,
        },
        "yaxis": {"title": {"text": title}},
    }
    return {"data": traces, "layout": layout}


def _tell(model: str, point: OverSeeds) -> str:
    over = f"{point.seeds} seeds" if point.seeds > 1 else "one seed"
    return f"{model}, {over}" + (f", 95% [{point.interval[0]:.1f}, {point.interval[1]:.1f}]" if point.interval else "")


def _bar_trace(name: str, models: list[str], heights: list[float], texts: list[str], colour: int) -> Figure:
    return {
        "type": "bar",
        "name": _plain(name),
        "x": models,
        "y": heights,
        "text": texts,
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "customdata": [_plain(name)] * len(models),
        "hovertemplate": "%{customdata}: %{y:.0f}<extra></extra>",
        "meta": {"colour": colour},
    }


def _part_label(height: float, first: int, last: int, iteration: int, shown: list[int]) -> str:
    """The height, and whether the category is new or the iteration is its last."""
    if not height:
        return ""
    news = " new" if iteration == first != shown[0] else ""
    return f"{height:.0f}{news}" + (" then gone" if iteration == last != shown[-1] else "")


def _above(run: Run, model: str, failures: int) -> str:
    test = run.accuracy(model, "test")
    return f"{failures} failures" + ("" if test is None else f"<br>test {test:.1f}%")


def _two_lines(name: str) -> str:
    """A model's name on two lines, for narrow screens."""
    return _plain(name).replace(" ", "<br>", 1)


def _plain(text: str) -> str:
    """The text with HTML escaped, because Plotly reads some HTML."""
    return html.escape(text, quote=False)
