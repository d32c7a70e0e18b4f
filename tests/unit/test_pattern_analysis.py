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
    entries = [{"sample_idx": i, "error_cause": f"cause {i}", "scenario_category": "sums"} for i in indices]
    return {"analyses": entries}


def pattern(k, name=None):
    return Pattern(cluster=k, category_name=name or f"category {k}", error_pattern=f"pattern {k}", size=3)


def drafted(*names, approach="write {}"):
    return {
        "strategies": [
            {
                "category_name": name,
                "strategy_name": f"strategy for {name}",
                "generation_approach": approach.format(name),
                "key_elements": ["a"],
            }
            for name in names
        ]
    }


def test_failures_are_analysed_in_batches_and_keep_their_ids():
    llm = ScriptedLlm(analyses(2, 1), analyses(1))
    found = asyncio.run(agent(llm, batch_size=2).error_analysis(failures(3)))
    assert [(a.sample_id, a.error_cause) for a in found] == [("v0", "cause 1"), ("v1", "cause 2"), ("v2", "cause 1")]
    assert "wrong 0" in llm.requests[0].messages[0].content
    assert all(r.temperature == 0 for r in llm.requests)


@pytest.mark.parametrize("reply", [analyses(1), analyses(1, 1), analyses(1, 2, 3), analyses(0, 1)])
def test_a_wrong_count_is_asked_for_again(reply):
    llm = ScriptedLlm(reply, analyses(1, 2))
    assert len(asyncio.run(agent(llm).error_analysis(failures(2)))) == 2
    assert len(llm.requests) == 2


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


def test_strategies_are_matched_to_patterns_by_name():
    llm = ScriptedLlm(drafted("category 1", "category 0"))
    found = asyncio.run(agent(llm).strategy_drafting([pattern(0), pattern(1)]))
    assert [(s.cluster, s.strategy_name) for s in found] == [
        (0, "strategy for category 0"),
        (1, "strategy for category 1"),
    ]
    assert len(llm.requests) == 1


def test_strategies_must_differ():
    llm = ScriptedLlm(drafted("category 0", "category 1", approach="the same"), drafted("category 0", "category 1"))
    assert len(asyncio.run(agent(llm).strategy_drafting([pattern(0), pattern(1)]))) == 2
    assert "differ" in llm.requests[1].messages[-1].content


def test_patterns_are_tried_alone_when_the_common_draft_is_unreadable():
    def reply(request):
        return drafted("category 0") if "category 1" not in request.messages[0].content else "no"

    found = asyncio.run(agent(ScriptedLlm(reply)).strategy_drafting([pattern(0), pattern(1)]))
    assert [s.cluster for s in found] == [0]


def test_representative_samples_go_no_further():
    quoting = pattern(0).model_copy(update={"representative_samples": ["SECRET VALIDATION TEXT"]})
    llm = ScriptedLlm(drafted("category 0"))
    asyncio.run(agent(llm).strategy_drafting([quoting]))
    assert "SECRET" not in llm.requests[0].messages[0].content
