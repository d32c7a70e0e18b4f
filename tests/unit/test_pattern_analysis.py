import asyncio

import pytest
from builders import ScriptedLlm, math_sample

from pada_ray.agents.pattern_analysis import PatternAnalysisAgent
from pada_ray.config import PatternAnalysisConfig
from pada_ray.records import Analysis, Failure, Pattern


def agent(llm, **settings):
    return PatternAnalysisAgent(llm, PatternAnalysisConfig(embedding="tfidf", **settings), None, 1, seed=0)


def failures(number):
    return [Failure(sample=math_sample(f"v{i}"), reply=f"wrong {i}") for i in range(number)]


def analyses(*indices):
    return {f"failure-{i}": {"error_cause": f"cause {i}", "scenario_category": "sums"} for i in indices}


def pattern(k, name=None):
    return Pattern(cluster=k, category_name=name or f"category {k}", error_pattern=f"pattern {k}", size=3)


def drafted(*numbers, approach="write {}", of="pattern"):
    return {
        f"{of}-{n}": {
            "strategy_name": f"strategy for {n}",
            "generation_approach": approach.format(n),
            "key_elements": ["a"],
        }
        for n in numbers
    }


def test_failures_are_analysed_in_batches_and_keep_their_ids():
    llm = ScriptedLlm(analyses(2, 1), analyses(1))
    found = asyncio.run(agent(llm, batch_size=2).error_analysis(failures(3)))
    assert [(a.sample_id, a.error_cause) for a in found] == [("v0", "cause 1"), ("v1", "cause 2"), ("v2", "cause 1")]
    assert "wrong 0" in llm.requests[0].messages[0].content
    assert all(r.temperature == 0 for r in llm.requests)


def test_nine_of_ten_are_kept_and_the_tenth_is_asked_for_alone():
    llm = ScriptedLlm(analyses(*range(1, 10)), analyses(10))
    found = asyncio.run(agent(llm).error_analysis(failures(10)))
    assert [a.error_cause for a in found] == [f"cause {i}" for i in range(1, 11)]
    again = llm.requests[1]
    assert list(again.reply_schema["properties"]) == ["failure-10"]
    assert "wrong 9" in again.messages[0].content and "wrong 8" not in again.messages[0].content
    assert again.messages[0].content.count("failure-10: It is missing.") == 1


def test_nine_of_ten_are_kept_when_the_tenth_stays_unreadable():
    found = asyncio.run(agent(ScriptedLlm(analyses(*range(1, 10)), "no")).error_analysis(failures(10)))
    assert [a.sample_id for a in found] == [f"v{i}" for i in range(9)]


@pytest.mark.parametrize("indices", [(1, 2), ("failure-1", "failure-2"), ("1", "2")])
def test_an_array_of_0_1_is_read_by_its_indices(indices):
    old = [{"sample_idx": i, "error_cause": f"cause {i}", "scenario_category": "s"} for i in reversed(indices)]
    llm = ScriptedLlm({"analyses": old})
    found = asyncio.run(agent(llm).error_analysis(failures(2)))
    assert [a.error_cause for a in found] == [f"cause {i}" for i in indices]
    assert len(llm.requests) == 1


@pytest.mark.parametrize("indices", [(0, 1), (1, 1)])
def test_an_array_whose_indices_leave_a_doubt_is_asked_for_again(indices):
    old = [{"sample_idx": i, "error_cause": f"c{n}", "scenario_category": "s"} for n, i in enumerate(indices)]
    llm = ScriptedLlm({"analyses": old}, analyses(1, 2))
    found = asyncio.run(agent(llm).error_analysis(failures(2)))
    assert [a.error_cause for a in found] == ["cause 1", "cause 2"]


def test_unreadable_analyses_are_missing_not_made_up():
    llm = ScriptedLlm("no", "no", analyses(1))
    found = asyncio.run(agent(llm, batch_size=1, max_failures=2).error_analysis(failures(1)))
    assert found == []


def test_a_pattern_per_cluster():
    llm = ScriptedLlm({"category_name": "Sums", "error_pattern": "off by one", "representative_samples": ["x"]})
    member = Analysis(sample_id="v0", error_cause="c", scenario_category="s")
    found = asyncio.run(agent(llm).pattern_categorization({0: [member, member], 1: [member]}))
    assert [(p.cluster, p.size, p.category_name) for p in found] == [(0, 2, "Sums"), (1, 1, "Sums")]
    assert len(llm.requests) == 2


def test_strategies_go_by_the_key_of_their_pattern():
    llm = ScriptedLlm(drafted(2, 1))
    found = asyncio.run(agent(llm).strategy_drafting([pattern(0), pattern(1)]))
    assert [(s.cluster, s.strategy_name) for s in found] == [(0, "strategy for 1"), (1, "strategy for 2")]
    assert len(llm.requests) == 1


def test_strategies_of_0_1_in_an_array_go_by_their_category():
    first, second = drafted(1, 2).values()
    old = [{"category_name": "category 1", **second}, {"category_name": "category 0", **first}]
    llm = ScriptedLlm({"strategies": old})
    found = asyncio.run(agent(llm).strategy_drafting([pattern(0), pattern(1)]))
    assert [(s.cluster, s.strategy_name) for s in found] == [(0, "strategy for 1"), (1, "strategy for 2")]
    assert len(llm.requests) == 1


def test_strategies_must_differ():
    llm = ScriptedLlm(drafted(1, 2, approach="the same"), drafted(2))
    assert len(asyncio.run(agent(llm).strategy_drafting([pattern(0), pattern(1)]))) == 2
    assert "pattern-2: It must differ in name and approach" in llm.requests[1].messages[-1].content
    assert "category 0" not in llm.requests[1].messages[-1].content


def test_patterns_are_tried_alone_when_the_common_draft_is_unreadable():
    def reply(request):
        return drafted(1) if "category 1" not in request.messages[0].content else "no"

    found = asyncio.run(agent(ScriptedLlm(reply)).strategy_drafting([pattern(0), pattern(1)]))
    assert [s.cluster for s in found] == [0]


def test_representative_samples_go_no_further():
    quoting = pattern(0).model_copy(update={"representative_samples": ["SECRET VALIDATION TEXT"]})
    llm = ScriptedLlm(drafted(1))
    asyncio.run(agent(llm).strategy_drafting([quoting]))
    assert "SECRET" not in llm.requests[0].messages[0].content


def handfuls(number):
    return {i: [math_sample(f"t{i}{j}") for j in range(2)] for i in range(number)}


def test_a_blind_strategy_is_drafted_for_each_handful_of_training_samples():
    llm = ScriptedLlm(drafted(2, 1, of="handful"))
    found = asyncio.run(agent(llm).blind_strategy_drafting(handfuls(2)))
    assert [(s.cluster, s.strategy_name) for s in found] == [(0, "strategy for 1"), (1, "strategy for 2")]
    shown = llm.requests[0].messages[0].content
    assert all(f"t{i}{j} has" in shown for i in range(2) for j in range(2))
    assert "error" not in shown and "wrong" not in shown


def test_blind_strategies_must_differ_and_one_that_stays_unreadable_is_missing():
    llm = ScriptedLlm(drafted(1, 2, approach="the same", of="handful"), drafted(2, approach="the same", of="handful"))
    found = asyncio.run(agent(llm).blind_strategy_drafting(handfuls(2)))
    assert [s.cluster for s in found] == [0]
    assert "differ" in llm.requests[1].messages[-1].content
