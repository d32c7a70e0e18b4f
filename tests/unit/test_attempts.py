import asyncio

import pytest
from builders import batch, candidate

from actors.attempts import outcome_of, row_of, through
from pada_ray.errors import BudgetReached

BATCH = batch(2)


def rows_of(*rows):
    return {column: [row[column] for row in rows] for column in rows[0]}


def row(rows, i=0):
    return {column: values[i] for column, values in rows.items()}


async def write(batch, candidates):
    assert (batch, candidates) == (BATCH, [])
    return [candidate(batch, 0)]


async def refuse(batch, candidates):
    raise BudgetReached("the budget is reached: 10 of 10 tokens")


async def never(batch, candidates):
    raise AssertionError("a row with an error goes through no stage")


def test_what_a_stage_makes_is_the_rows_outcome():
    rows = asyncio.run(through(rows_of(row_of("write", BATCH)), write))
    assert outcome_of(row(rows)) == [candidate(BATCH, 0)]
    assert rows["id"] == ["batch"]


def test_a_review_begins_with_what_was_written():
    written = [candidate(BATCH, 0)]

    async def judge(batch, candidates):
        return [c.model_copy(update={"rejected": "low score"}) for c in candidates]

    rows = asyncio.run(through(rows_of(row_of("review", BATCH, written)), judge))
    assert [(c.id, c.rejected) for c in outcome_of(row(rows))] == [(written[0].id, "low score")]


def test_an_error_of_ours_passes_all_later_stages_and_is_raised_as_it_was():
    rows = asyncio.run(through(rows_of(row_of("write", BATCH)), refuse))
    rows = asyncio.run(through(rows, never))
    with pytest.raises(BudgetReached, match=r"^the budget is reached: 10 of 10 tokens$"):
        outcome_of(row(rows))
