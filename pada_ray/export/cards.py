"""The cards of an export: what the model and its data are, where they come from, and what they cannot show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pada_ray.export.chosen import Chosen, name_elsewhere
from pada_ray.export.licences import licence_of_student, licence_of_teacher
from pada_ray.export.synthetic_data import COLUMNS, LINES, PARQUET
from pada_ray.printable import printable
from pada_ray.records import SPLITS
from pada_ray.report.results import interval_over_items
from pada_ray.runs import run_files

_TEMPLATES = Environment(
    loader=PackageLoader("pada_ray.export", "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # Markdown; what strangers wrote goes through `_cell`
)


def model_card(chosen: Chosen, parts: Iterable[tuple[str, str]]) -> str:
    """The card of the model. `parts` are the paths of the export and what they are."""
    config = chosen.run.config
    judge, judged = name_elsewhere(config.llm.judge.model), chosen.run.state.judged
    return _TEMPLATES.get_template("model_card.md.jinja").render(
        **_origin(chosen),
        parts=list(parts),
        base=name_elsewhere(config.student.model),
        licence=licence_of_student(config.student.model),
        scores=_scores(chosen),
        tasks=", ".join(f"`{task}`" for task in _tasks(chosen)) + f" (judge: `{judge}`)" * judged,
        chosen_by=_chosen_by(chosen),
        training=_training(chosen),
        lora=config.fine_tune.lora,
        epochs=config.fine_tune.epochs,
        learning_rate=config.fine_tune.learning_rate,
        template_values=f" with {config.student.chat_template}" if config.student.chat_template else "",
        share=_share(chosen),
    )


def data_card(chosen: Chosen, rows: list[dict[str, Any]]) -> str:
    """The card of the synthetic data."""
    config = chosen.run.config
    return _TEMPLATES.get_template("data_card.md.jinja").render(
        **_origin(chosen),
        rows=rows,
        model=chosen.model,
        train=len(chosen.run.texts("train")),
        parquet=PARQUET,
        lines=LINES,
        columns=COLUMNS,
        groups=Counter((row["iteration"], _cell(row["group"])) for row in rows),
        judge=name_elsewhere(config.llm.judge.model),
        judge_licence=licence_of_teacher(config.llm.judge),
        checked=_checked(config.quality_control.computes, rated=any(row["judge"] for row in rows)),
    )


def _checked(computed: bool, rated: bool) -> str:
    if computed:
        others = "only rated" if rated else "not"
        return f"Answers that can be computed or executed were checked; the others were {others}."
    return f"Their answers were {'rated by another model and not' if rated else 'neither rated nor'} checked."


def _origin(chosen: Chosen) -> dict[str, Any]:
    config = chosen.run.config
    return {
        "name": chosen.name,
        "version": version("pada-ray"),
        "method": config.method,
        "seed": config.seed,
        "teacher": name_elsewhere(config.llm.teacher.model),
        "teacher_licence": licence_of_teacher(config.llm.teacher),
    }


def _scores(chosen: Chosen) -> list[dict[str, str]]:
    rows = []
    for split in SPLITS:
        score = chosen.run.score(chosen.model, split)
        if score is None:
            continue
        base, (low, high) = chosen.run.accuracy(run_files.BASE, split), interval_over_items(score)
        rows.append(
            {
                "split": split,
                "items": str(score.samples),
                "base": "–" if base is None else f"{base:.1f}",
                "model": f"{100 * score.accuracy:.1f}",
                "interval": f"{low:.1f} to {high:.1f}",
            }
        )
    return rows


def _tasks(chosen: Chosen) -> list[str]:
    splits = run_files.read_samples(chosen.run.folder, chosen.run.config.data.task).values()
    return sorted({s.task for members in splits for s in members})


def _chosen_by(chosen: Chosen) -> str:
    if chosen.model != chosen.run.state.best:
        return f"This model was named by its user; the best one on val is `{chosen.run.state.best}`."
    return "The model was chosen on val, so its score there flatters; test was measured for the table alone."


def _training(chosen: Chosen) -> str:
    used = chosen.run.training_samples(chosen.model)
    own = len(chosen.run.texts("train"))
    if used is None:
        return f"Trained on {own} samples of its owner."
    return f"Trained on {used} samples: {own} of its owner, {max(used - own, 0)} synthetic or drawn again."


def _share(chosen: Chosen) -> str:
    score = chosen.run.score(chosen.model, "test") or chosen.run.score(chosen.model, "val")
    if score is None:
        return "How often it is wrong was not measured."
    return f"{100 * (1 - score.accuracy):.0f} of 100 such items it still gets wrong."


def _cell(text: str) -> str:
    return printable(text).replace("\n", " ").replace("|", "\\|")
