"""Keeps runs within their budgets: no call starts that could exceed one.

Before a call starts, its maximum cost is reserved: the whole prompt and a reply up to the token limit. A call that does
not fit waits for the run's other calls, because most of them cost less than was reserved. If it does not fit while none
is in flight, the budget is reached. So a run ends with all its calls answered and stored, less than one call's maximum
below its budget. A gateway knows only its own calls in flight. The run's calls at its other endpoint count once they
are paid; only they can exceed the budget.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from pada_ray.config import Budget
from pada_ray.errors import BudgetReached
from pada_ray.llm.account import Cost
from pada_ray.llm.chat import Payer

_NOTHING = Cost(0, 0.0)


class BudgetKeeper:
    """`spent` returns what a run has paid so far."""

    def __init__(self, spent: Callable[[str], Cost]):
        self._spent = spent
        self._reserved: dict[str, Cost] = {}
        self._in_flight: Counter[str] = Counter()
        self._released = asyncio.Event()

    async def reserve(self, payer: Payer, most: Cost) -> None:
        """Returns when a call that costs at most `most` fits. Raises BudgetReached when it never will."""
        if payer.budget == Budget():
            return
        run = payer.run
        while True:
            spent = self._spent(run)
            reserved = self._reserved.get(run, _NOTHING)
            if _fits(spent.plus(reserved).plus(most), payer.budget):
                break
            if not self._in_flight[run]:
                raise BudgetReached(_explain(payer, spent, most))
            await self._released.wait()
        self._in_flight[run] += 1
        self._reserved[run] = reserved.plus(most)

    def release(self, payer: Payer, most: Cost) -> None:
        """The call has been paid or has failed."""
        if payer.budget == Budget():
            return
        self._in_flight[payer.run] -= 1
        self._reserved[payer.run] = self._reserved[payer.run].minus(most)
        self._released.set()
        self._released = asyncio.Event()


def _fits(cost: Cost, budget: Budget) -> bool:
    within_tokens = budget.tokens is None or cost.tokens <= budget.tokens
    return within_tokens and (budget.usd is None or cost.usd <= budget.usd)


def _explain(payer: Payer, spent: Cost, most: Cost) -> str:
    budget = payer.budget
    tokens_reached = budget.tokens is not None and spent.tokens + most.tokens > budget.tokens
    if tokens_reached:
        account = f"{spent.tokens:,} of {budget.tokens:,} tokens are spent, and the next call may take {most.tokens:,}"
    else:
        account = f"{spent.usd:.2f} of {budget.usd:.2f} USD are spent, and the next call may cost {most.usd:.4f}"
    key = "budget.tokens" if tokens_reached else "budget.usd"
    return f"the budget is reached: {account}; continue with `pada resume {payer.run} --set {key}=...`"
