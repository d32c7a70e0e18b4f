import asyncio

import pytest
from builders import batch, candidate

from actors.attempts import outcome_of, row_of, through
from pada_ray.errors import BudgetReached
from pada_ray.records import Attempt

ATTEMPT = Attempt(batch=batch(2), number=1, feedback={"train-0": "The sum is off."})


def rows_of(*rows):
    return {column: [row[column] for row in rows] for column in rows[0]}


def row(rows, i=0):
    return {column: values[i] for column, values in rows.items()}


async def write(attempt, candidates):
    assert (attempt, candidates) == (ATTEMPT, [])
    return [candidate(attempt.batch, 0)]


async def refuse(attempt, candidates):
    raise BudgetReached("the budget is reached: 10 of 10 tokens")


async def never(attempt, candidates):
    raise AssertionError("a row with an error goes through no stage")


def test_what_a_stage_makes_is_the_rows_outcome():
    rows = asyncio.run(through(rows_of(row_of(ATTEMPT)), write))
    assert outcome_of(row(rows)) == [candidate(ATTEMPT.batch, 0)]
    assert rows["id"] == ["batch-1"]


def test_an_error_of_ours_passes_all_later_stages_and_is_raised_as_it_was():
    rows = asyncio.run(through(rows_of(row_of(ATTEMPT)), refuse))
    rows = asyncio.run(through(rows, never))
    with pytest.raises(BudgetReached, match=r"^the budget is reached: 10 of 10 tokens$"):
        outcome_of(row(rows))
