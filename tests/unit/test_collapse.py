"""An LLM that says the same of different things is noticed, and asked again about fewer of them."""

from __future__ import annotations

import asyncio

import pytest
from builders import ASKING, ScriptedLlm, batch, strategy
from stub_workers import run
from test_orchestrator import World, prepared
from test_pattern_analysis import agent, failures, pattern

from pada_ray.agents.collapse import echoes, follow_the_calls, has_collapsed, smaller
from pada_ray.agents.data_generation import DataGenerationAgent
from pada_ray.config import DataGenerationConfig
from pada_ray.records import Analysis
from pada_ray.runs.event_log import read_events
from pada_ray.storage import Folder

SAME = "The model misunderstood the question and gave a wrong answer."
OTHERS = [
    "It took a delivery time for a delivery.",
    "Two amounts were added instead of subtracted.",
    "The last word was overlooked.",
    "A city was read as a country.",
]


@pytest.mark.parametrize(
    ("texts", "collapsed"),
    [
        ([SAME] * 10, True),
        ([SAME, SAME, SAME.replace("wrong", "false"), *OTHERS[:2]], True),
        ([SAME, SAME, *OTHERS[:2]], False),
        (OTHERS, False),
        ([SAME, SAME], False),
        ([], False),
    ],
)
def test_texts_have_collapsed_where_most_are_alike(texts, collapsed):
    assert has_collapsed(texts) == collapsed


def test_echoes_are_counted_and_calls_get_smaller():
    assert (echoes([SAME, *OTHERS, SAME, SAME]), echoes(OTHERS), echoes([])) == (2, 0, 0)
    assert [smaller(size) for size in (20, 10, 4, 3, 2, 1)] == [3, 3, 3, 1, 1, None]


@pytest.mark.parametrize(
    ("clusters", "calls", "follow"),
    [
        ([0, 0, 0, 1, 1, 1], ["1", "1", "1", "2", "2", "2"], True),
        ([0, 1, 0, 1, 0, 1], ["1", "1", "1", "2", "2", "2"], False),
        ([0, 0, 1, 1], ["1"] * 4, False),
        ([0, 1, 2], ["1", "2", "3"], False),
        ([0, 0, 1], [""] * 3, False),  # runs of 0.1
    ],
)
def test_clusters_that_are_the_calls(clusters, calls, follow):
    assert follow_the_calls(clusters, calls) == follow


def parrot(able):
    """Says one sentence of all things, unless it is asked about `able` or fewer."""

    def reply(request):
        names = list(request.reply_schema["properties"])
        own = len(names) <= able
        shown = request.messages[0].content
        causes = {name: f"cause {shown[shown.index('wrong ') :][:8]} {name}" if own else SAME for name in names}
        return {name: {"error_cause": cause, "scenario_category": "s"} for name, cause in causes.items()}

    return reply


@pytest.mark.parametrize(("able", "calls"), [(10, [10]), (3, [10, 3, 3, 3, 1]), (1, [10, 3, 1, 1, 1, 3, 3, 1])])
def test_equal_analyses_are_asked_for_again_in_smaller_calls(able, calls):
    llm = ScriptedLlm(parrot(able))
    found = asyncio.run(agent(llm).error_analysis(failures(10)))
    asked = [len(request.reply_schema["properties"]) for request in llm.requests]
    assert sorted(set(asked)) == sorted(set(calls))
    assert [a.sample_id for a in found] == [f"v{i}" for i in range(10)]
    assert all((a.error_cause == SAME) == (able < 1) for a in found)
    assert all(("." in a.call) == (able < 10) for a in found)


def test_what_stays_equal_is_kept_after_the_smallest_calls():
    llm = ScriptedLlm(parrot(0))
    found = asyncio.run(agent(llm).error_analysis(failures(4)))
    assert [a.error_cause for a in found] == [SAME] * 4
    assert [len(r.reply_schema["properties"]) for r in llm.requests].count(1) == 4


def test_strategies_that_say_nearly_the_same_are_asked_for_again():
    approach = "Write ten new examples about a bank with other words and other names each time"
    drafts = {
        f"pattern-{i}": {"strategy_name": f"s{i}", "generation_approach": f"{approach}{i * '!'}", "key_elements": []}
        for i in (1, 2)
    }
    llm = ScriptedLlm(drafts, {"pattern-2": drafts["pattern-2"] | {"generation_approach": OTHERS[0]}})
    found = asyncio.run(agent(llm).strategy_drafting([pattern(0), pattern(1)]))
    assert [s.generation_approach for s in found] == [f"{approach}!", OTHERS[0]]


@pytest.mark.parametrize("copies", [True, False])
def test_drafts_that_are_one_text_or_copy_their_seeds_are_asked_for_again_in_smaller_calls(copies):
    of = batch(4, strategy())

    def reply(request):
        names = list(request.reply_schema["properties"])
        alone, shown = len(names) == 1, request.messages[0].content
        texts = {
            n: f"train-{int(n[-1]) - 1} has 2 apples and gets 3 more. How many now?" if copies else SAME for n in names
        }
        seed = shown[shown.index("train-") :][:7]
        return {
            n: {"question": f"{seed} is new {OTHERS[int(seed[-1])]}" if alone else texts[n], "reply": "r"}
            for n in names
        }

    llm = ScriptedLlm(reply)
    found = asyncio.run(DataGenerationAgent(llm, DataGenerationConfig(), ASKING).generate(of))
    assert [c.seed_id for c in found] == [f"train-{i}" for i in range(4)]
    assert all("is new" in c.messages[0].content for c in found)
    assert len({request.seed for request in llm.requests}) == len(llm.requests)


def test_what_stays_is_told_once(tmp_path):
    class Parrot(World):
        async def error_analysis(self, failed):
            of = zip(failed * 2, ["1", "1", "2", "2.1"], strict=False)
            return [Analysis(sample_id=f.sample.id, error_cause=SAME, scenario_category="s", call=c) for f, c in of]

        async def cluster(self, analyses):
            return [int(a.call != "1") for a in analyses]

    folder = prepared(tmp_path)
    state = run(folder, Parrot(), iterations=1)
    told = [e.figures for e in read_events(Folder(folder.url)) if e.event == "collapse"]
    assert {"model": "iteration-1", "what": "analyses", "how": "most are one text"} in told
    assert {figures["what"] for figures in told} >= {"analyses", "patterns", "strategies"}
    assert len({str(figures) for figures in told}) == len(told)
    assert "analysed_again" in state.counts["iteration-1"]
