"""Keeps experiments to their budgets: no call starts that could take one over it.

Before a call the most that it can cost is reserved: its whole prompt and a reply to the token limit. What does not fit
beside the other calls of the experiment waits for them, as most of them cost less than was reserved. What does not fit
when none is under way has reached the budget. So an experiment ends with all its calls answered and stored, less than
one call's most below its budget. A gateway knows its own calls in flight; those at the experiment's other endpoint
count when they are paid, and only they can take it over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from pada_ray.config import Budget
from pada_ray.errors import BudgetReached
from pada_ray.llm.account import Cost
from pada_ray.llm.chat import Experiment

_NOTHING = Cost(0, 0.0)


class BudgetKeeper:
    """`spent` tells what an experiment has paid so far."""

    def __init__(self, spent: Callable[[str], Cost]):
        self._spent = spent
        self._reserved: dict[str, Cost] = {}
        self._under_way: Counter[str] = Counter()
        self._released = asyncio.Event()

    async def reserve(self, experiment: Experiment, most: Cost) -> None:
        """Returns when the call fits. Raises BudgetReached when it never will."""
        if experiment.budget == Budget():
            return
        name = experiment.name
        while True:
            spent = self._spent(name)
            reserved = self._reserved.get(name, _NOTHING)
            if _fits(spent.plus(reserved).plus(most), experiment.budget):
                break
            if not self._under_way[name]:
                raise BudgetReached(_told(experiment, spent, most))
            await self._released.wait()
        self._under_way[name] += 1
        self._reserved[name] = reserved.plus(most)

    def release(self, experiment: Experiment, most: Cost) -> None:
        """The call has been paid, or has failed."""
        if experiment.budget == Budget():
            return
        self._under_way[experiment.name] -= 1
        self._reserved[experiment.name] = self._reserved[experiment.name].minus(most)
        self._released.set()
        self._released = asyncio.Event()


def _fits(cost: Cost, budget: Budget) -> bool:
    within_tokens = budget.tokens is None or cost.tokens <= budget.tokens
    return within_tokens and (budget.usd is None or cost.usd <= budget.usd)


def _told(experiment: Experiment, spent: Cost, most: Cost) -> str:
    budget = experiment.budget
    tokens_reached = budget.tokens is not None and spent.tokens + most.tokens > budget.tokens
    if tokens_reached:
        account = f"{spent.tokens:,} of {budget.tokens:,} tokens are spent, and the next call may take {most.tokens:,}"
    else:
        account = f"{spent.usd:.2f} of {budget.usd:.2f} USD are spent, and the next call may cost {most.usd:.4f}"
    key = "budget.tokens" if tokens_reached else "budget.usd"
    return f"the budget is reached: {account}; go on with `pada resume {experiment.name} --set {key}=...`"
