import asyncio

import pytest
from virtual_time import run_in_virtual_time

from pada_ray.config import Budget
from pada_ray.errors import BudgetReached
from pada_ray.llm.account import Cost
from pada_ray.llm.budget import BudgetKeeper
from pada_ray.llm.chat import Payer

MOST = Cost(100, 0.10)


class Spending:
    """Runs whose calls reserve 100 tokens, 0.10 USD, and take a second and `cost`."""

    def __init__(self, cost=MOST):
        self.cost = cost
        self.spent = Cost(0, 0.0)
        self.in_flight = self.most_in_flight = self.calls = 0
        self.keeper = BudgetKeeper(lambda name: self.spent)

    async def call(self, payer):
        await self.keeper.reserve(payer, MOST)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(1)
        self.spent = self.spent.plus(self.cost)
        self.calls += 1
        self.in_flight -= 1
        self.keeper.release(payer, MOST)

    def run(self, budget, count):
        """What the calls end with: None or BudgetReached."""
        payer = Payer(run="runs/a", budget=budget)

        async def main():
            calls = (self.call(payer) for _ in range(count))
            return await asyncio.gather(*calls, return_exceptions=True)

        return run_in_virtual_time(main())


@pytest.mark.parametrize("budget", [Budget(tokens=1000), Budget(usd=1.0 + 1e-9)])
def test_no_call_starts_that_could_go_over(budget):
    spending = Spending()
    ends = spending.run(budget, 50)
    assert spending.calls == 10
    assert sum(isinstance(e, BudgetReached) for e in ends) == 40


def test_calls_that_cost_less_make_room_for_others():
    spending = Spending(cost=Cost(10, 0.01))
    spending.run(Budget(tokens=1000), 200)
    assert 1000 - MOST.tokens < spending.spent.tokens <= 1000
    assert spending.most_in_flight == 10


def test_the_end_comes_only_when_nothing_is_in_flight():
    spending = Spending()
    payer = Payer(run="runs/a", budget=Budget(tokens=150))

    async def main():
        first = asyncio.create_task(spending.call(payer))
        await asyncio.sleep(0.5)
        with pytest.raises(BudgetReached):
            await spending.call(payer)
        assert first.done()

    run_in_virtual_time(main())


def test_it_says_what_was_spent_and_how_to_go_on():
    spending = Spending()
    spending.spent = Cost(1950, 1.96)
    tokens = spending.run(Budget(tokens=2000), 1)[0]
    assert "1,950 of 2,000 tokens" in str(tokens)
    assert "`pada resume runs/a --set budget.tokens=...`" in str(tokens)
    usd = spending.run(Budget(usd=2), 1)[0]
    assert "1.96 of 2.00 USD" in str(usd)
    assert "--set budget.usd=" in str(usd)


def test_a_higher_budget_goes_on_from_what_was_spent():
    spending = Spending()
    spending.run(Budget(tokens=500), 20)
    spending.run(Budget(tokens=800), 20)
    assert spending.calls == 8


def test_without_a_budget_nothing_waits():
    spending = Spending()
    assert spending.run(Budget(), 50) == [None] * 50
    assert spending.most_in_flight == 50


def test_one_budget_is_no_one_elses():
    keeper = BudgetKeeper(lambda name: Cost(0, 0.0))

    async def main():
        await keeper.reserve(Payer(run="a", budget=Budget(tokens=100)), MOST)
        await keeper.reserve(Payer(run="b", budget=Budget(tokens=100)), MOST)

    run_in_virtual_time(main())
