import asyncio
from dataclasses import replace

import pytest
from builders import ASKING, ScriptedLlm, conversation, math_sample, sample

from pada_ray.agents.brief import Brief, brief_on
from pada_ray.agents.pattern_analysis import PatternAnalysisAgent, commonest
from pada_ray.config import PatternAnalysisConfig
from pada_ray.data.frame import Frame
from pada_ray.records import Analysis, Failure, Message, Mistake, MistakeCount, Pattern
from pada_ray.tasks import Knowledge


def agent(llm, **settings):
    return PatternAnalysisAgent(llm, PatternAnalysisConfig(embedding="tfidf", **settings), ASKING)


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


# --- facts

LABELS = Knowledge(labels=["card_arrival", "card_linking", "top_up"])
ASKED = "Which intent does this message have?\n\nMessage: "
MESSAGES = ["Where is my card?", "It is not here yet.", "Has it been sent?", "I wait for the post.", "No card came."]
TRAIN = [sample("label", ASKED + said, "card_arrival", "card_arrival") for said in MESSAGES * 2]


def confused(*pairs):
    """Failures of the (expected, given) labels, each of a message of its own."""
    return [
        Failure(sample=sample("label", f"{ASKED}Message {i} of the bank", due, due), reply=given)
        for i, (due, given) in enumerate(pairs)
    ]


def analysed(failed, brief):
    llm = ScriptedLlm(analyses(*range(1, len(failed) + 1)))
    agent = PatternAnalysisAgent(llm, PatternAnalysisConfig(embedding="tfidf"), replace(ASKING, brief=brief))
    return asyncio.run(agent.error_analysis(failed)), llm.requests[0].messages[0].content


def test_what_is_known_of_a_failure_is_shown_kept_and_clustered():
    brief = brief_on(TRAIN, LABELS)
    (found,), prompt = analysed(confused(("card_arrival", "card_linking")), brief)
    assert found.facts == {"expected": "card_arrival", "given": "card_linking"}
    assert '"facts": {' in prompt and '"given": "card_linking"' in prompt
    assert "one of these 3 labels: card_arrival, card_linking, top_up" in prompt
    assert '"question": "Message 0 of the bank"' in prompt and prompt.count("Which intent") == 1
    assert found.text == "Message 0 of the bank\nexpected card_arrival; given card_linking\nsums: cause 1"


def after_system(sample):
    return sample.model_copy(update={"messages": [Message(role="system", content="Be kind."), *sample.messages]})


def test_a_conversation_is_shown_and_clustered_with_its_earlier_turns():
    talk = after_system(conversation("v", "My card is lost.", "Send a new one?", "Yes, please."))
    (found,), prompt = analysed([Failure(sample=talk, reply="No.")], Brief())
    assert '"content": "My card is lost."' in prompt and '"content": "Send a new one?"' in prompt
    assert 'Each has the "question", or the "messages" of a conversation that ends with it' in prompt
    assert found.question == "My card is lost.\nYes, please."
    # The leak guard protects no system message, and what stands in this prompt may come back in a pattern.
    assert "Be kind." not in prompt and prompt.count("Answer: 5") == 1


@pytest.mark.parametrize("system", [None, "Be kind.", "Be brief."])
@pytest.mark.parametrize("with_system", [False, True])
def test_a_single_turn_is_shown_as_its_question_whatever_its_system_message(system, with_system):
    asked = math_sample("v")
    failed = Failure(sample=after_system(asked) if with_system else asked, reply="6")
    (found,), prompt = analysed([failed], Brief(frame=Frame(system=system)))
    shown = f'"sample_idx": "failure-1", "question": "{asked.question}", "response": "6",'
    assert shown in " ".join(prompt.split()) and '"messages"' not in prompt
    assert found.question == asked.question


def test_of_a_sample_that_is_right_but_hard_no_facts_are_known():
    (found,), prompt = analysed([Failure(sample=math_sample("t"), reply=None)], Brief())
    assert (found.facts, found.mistakes) == ({}, [])
    assert '"facts": {' not in prompt


def test_an_analysis_of_0_1_is_clustered_as_it_was():
    old = Analysis.model_validate({"sample_id": "v", "error_cause": "c", "scenario_category": "s"})
    assert old.text == "s: c"


def test_failures_that_confuse_the_same_two_labels_stay_in_one_cluster():
    pairs = [("card_arrival", "card_linking"), ("card_linking", "top_up"), ("top_up", "card_arrival")] * 4
    found, _ = analysed(confused(*pairs), brief_on(TRAIN, LABELS))
    noisy = [a.model_copy(update={"error_cause": f"the same words {i % 2}"}) for i, a in enumerate(found)]
    labels = asyncio.run(agent(ScriptedLlm("unused")).cluster(noisy))
    assert all(len({labels[i] for i in range(pair, 12, 3)}) == 1 for pair in range(3))


def test_a_pattern_counts_the_mistakes_of_its_cluster_and_hands_them_to_its_strategy():
    pairs = [("card_arrival", "card_linking")] * 3 + [("card_arrival", "top_up")] * 2 + [("top_up", "nonsense")]
    found, _ = analysed(confused(*pairs), brief_on(TRAIN, LABELS))
    categorized = {"category_name": "Cards", "error_pattern": "p", "representative_samples": []}
    (one,) = asyncio.run(agent(ScriptedLlm(categorized)).pattern_categorization({0: found}))
    assert [(m.text, m.kinds, m.times) for m in one.mistakes] == [
        ("expected card_arrival, replied card_linking", ["card_arrival", "card_linking"], 3),
        ("expected card_arrival, replied top_up", ["card_arrival", "top_up"], 2),
    ]
    llm = ScriptedLlm(drafted(1))
    (made,) = asyncio.run(agent(llm).strategy_drafting([one]))
    assert made.mistakes == one.mistakes
    assert "expected card_arrival, replied card_linking: 3" in llm.requests[0].messages[0].content


def test_of_the_mistakes_that_no_two_failures_share_some_are_shown():
    lone = [
        Analysis(sample_id=f"v{i}", error_cause="c", scenario_category="s", mistakes=[Mistake(text=f"m{i}")])
        for i in range(9)
    ]
    assert commonest(lone) == [MistakeCount(text=f"m{i}", times=1) for i in range(5)]
    assert commonest([]) == []


def test_no_text_of_a_held_out_sample_is_told_to_who_drafts_strategies():
    secret = "zanzibar"
    failed = [Failure(sample=sample("label", f"{ASKED}{secret}", "top_up", "top_up"), reply=secret)]
    found, _ = analysed(failed, brief_on(TRAIN, LABELS))
    categorized = {"category_name": "Cards", "error_pattern": "p", "representative_samples": [secret]}
    (one,) = asyncio.run(agent(ScriptedLlm(categorized)).pattern_categorization({0: found}))
    llm = ScriptedLlm(drafted(1))
    asyncio.run(agent(llm).strategy_drafting([one]))
    assert secret in str(found[0].facts)
    assert secret not in llm.requests[0].messages[0].content
