"""The teacher's rules on the demo's domain, through the real templates and the reply schemas."""

import json
import random
from collections import Counter

import pytest

from pada_ray.config.teacher import TeacherSettings
from pada_ray.demo import domain
from pada_ray.llm import reply_schemas as schemas
from pada_ray.methods import INSTRUCTIONS
from pada_ray.prompts import Prompts
from pada_ray.teacher.chat_request import read_chat_request
from pada_ray.teacher.demo_writer import (
    OFF_TOPIC,
    Shown,
    choose_kind,
    kind_weights,
    strategy_text,
    write_problem,
)
from pada_ray.teacher.replies import GREETING, write_reply
from pada_ray.teacher.topics import CAUSES, SCENARIO_OF_KIND, SCENARIOS, topics_in

PROMPTS = Prompts()
STRICT = TeacherSettings(wrong_rate=0, misread_rate=0, judge_error_rate=0)
COMPARISON = {
    "strategy_name": "Contrast pairs: comparing what two people have",
    "generation_approach": "The weakness to cure is: misleading signal word.",
    "key_elements": ["a comparison of two amounts"],
}


def request(text: str, **fields):
    return read_chat_request({"model": "m", "messages": [{"role": "user", "content": text}], **fields})


def ask(name: str, schema, settings: TeacherSettings = STRICT, **values):
    """The teacher's reply to a prompt, checked against the schema and returned as plain data."""
    found = json.loads(said(name, settings, **values))
    schema.model_validate(found)
    return found


def ask_each(name: str, schema, settings: TeacherSettings = STRICT, **values):
    """The same of a reply with an entry for each thing that the prompt shows: the entries in their order."""
    found = json.loads(said(name, settings, **values))
    for entry in found.values():
        schema.model_validate(entry)
    return list(found.values())


def said(name: str, settings: TeacherSettings, **values) -> str:
    reply = write_reply(request(PROMPTS.render(name, **values)), settings)
    assert reply.prompt == name
    return reply.text


def numbered(entries, field: str, kind: str):
    return [{**entry, field: f"{kind}-{i}"} for i, entry in enumerate(entries, 1)]


def failure(kind: str, response: str | None = None) -> dict:
    """A failure at one kind of problem; without `response`, the caller fills it in."""
    problem = domain.make(kind, "task", random.Random(kind))
    return {
        "question": problem.question,
        "response": response,
        "ground_truth": problem.reply,
    }


def analyse(failures, settings=STRICT):
    failures = numbered(failures, "sample_idx", "failure")
    return ask_each("error_analysis", schemas.AnalysisReply, settings, failures=failures)


def lines(kind: str, count: int) -> list[list[dict]]:
    rng = random.Random(f"{kind} {count}")
    problems = [domain.make(kind, "task", rng) for _ in range(count)]
    return [[{"role": "user", "content": p.question}, {"role": "assistant", "content": p.reply}] for p in problems]


def generate(settings, strategy, seeds, feedback=None):
    examples = [{"sample_id": f"example-{i}", "messages": m} for i, m in enumerate(seeds, 1)]
    values = {"strategy": strategy, "seeds": examples, "feedback": feedback, "shows_answer": False}
    return ask_each("pattern_generation", schemas.SampleReply, settings, **values)


def is_right(sample: dict) -> bool:
    problem = domain.read(sample["messages"][-2]["content"])
    assert problem is not None
    return sample["messages"][-1]["content"] == problem.reply


def in_band(count: int, total: int, rate: float) -> bool:
    """Within four deviations of a binomial draw."""
    return abs(count - rate * total) <= 4 * (rate * (1 - rate) * total) ** 0.5 + 1


def test_every_kind_of_problem_has_one_scenario_and_scenarios_are_coarser():
    assert sorted(kind for s in SCENARIOS for kind in s.kinds) == sorted(k.name for k in domain.KINDS)
    assert all(len(scenario.kinds) > 1 for scenario in SCENARIOS)


@pytest.mark.parametrize("topic", SCENARIOS + CAUSES, ids=lambda topic: topic.name)
def test_a_topics_words_are_read_as_that_topic_alone(topic):
    for text in topic.phrases + topic.sentences:
        assert topics_in(text, SCENARIOS + CAUSES) == [topic]


def with_operator(truth: str, operator: str) -> str:
    left, _, right, *_ = truth.split()
    result = {"+": int(left) + int(right), "-": int(left) - int(right)}[operator]
    return f"{left} {operator} {right} = {result}. Answer: {result}"


def test_error_analysis_names_cause_and_scenario():
    reversed_more, days_before, two_steps, large = (
        failure(kind) for kind in ("reversed_more", "days_before", "gain_then_loss", "large_sum")
    )
    reversed_more["response"] = with_operator(reversed_more["ground_truth"], "+")
    days_before["response"] = with_operator(days_before["ground_truth"], "+").replace("Answer: ", "")
    first = two_steps["ground_truth"].split(". ")[0]
    two_steps["response"] = f"{first}. Answer: {first.split()[-1]}"
    equation, answer = large["ground_truth"].split(" = ")[0], 7
    large["response"] = f"{equation} = {answer}. Answer: {answer}"
    numbers = {"a": 12, "b": 7, "c": 5}
    problem = domain.make("irrelevant_number", "task", random.Random(0), numbers)
    odd = {"question": problem.question, "response": "12 + 5 = 17. Answer: 17", "ground_truth": problem.reply}
    found = analyse([reversed_more, days_before, two_steps, large, odd])
    named = [
        (topics_in(a["error_cause"], CAUSES)[0].name, topics_in(a["scenario_category"], SCENARIOS)[0].name)
        for a in found
    ]
    assert named == [
        ("signal word", "comparison"),
        ("no answer", "calendar"),
        ("missing step", "several facts"),
        ("miscalculation", "large numbers"),
        ("unneeded number", "several facts"),
    ]


def test_error_analysis_quotes_no_eight_words_of_a_question():
    failures = [failure(kind.name, "no idea") for kind in domain.KINDS]
    questions = [f["question"].lower().split() for f in failures]
    runs = {tuple(words[i : i + 8]) for words in questions for i in range(len(words) - 7)}
    for analysis in analyse(failures):
        words = f"{analysis['scenario_category']} {analysis['error_cause']}".lower().split()
        assert not runs & {tuple(words[i : i + 8]) for i in range(len(words) - 7)}


def test_of_a_conversation_the_last_question_is_analysed():
    wrong = failure("reversed_more")
    wrong["response"] = with_operator(wrong["ground_truth"], "+")
    turns = [("user", "Hello!"), ("assistant", "What is it?"), ("user", wrong.pop("question"))]
    (found,) = analyse([{"messages": [{"role": r, "content": c} for r, c in turns], **wrong}])
    assert topics_in(found["error_cause"], CAUSES)[0].name == "signal word"
    assert topics_in(found["scenario_category"], SCENARIOS)[0].name == "comparison"


def test_error_analysis_misreads_at_the_stated_rate():
    failures = [failure("reversed_more", "4 + 3 = 8. Answer: 8") for _ in range(400)]
    settings = TeacherSettings(misread_rate=0.2)
    wrong = sum("miscalculat" not in a["error_cause"] for a in analyse(failures, settings))
    assert in_band(wrong, 400, 0.2)


def test_pattern_and_strategy_carry_the_weakness_on():
    failures = [failure(kind) for kind in ("reversed_more", "reversed_fewer") for _ in range(3)]
    for f in failures:
        f["response"] = with_operator(f["ground_truth"], "+" if " - " in f["ground_truth"] else "-")
    analyses = [{k: a[k] for k in ("error_cause", "scenario_category")} for a in analyse(failures)]
    pattern = ask("pattern_categorization", schemas.PatternCategorizationReply, analyses=analyses)
    assert set(pattern["representative_samples"]) <= {a["error_cause"] for a in analyses}
    patterns = numbered([{k: pattern[k] for k in ("category_name", "error_pattern")}] * 10, "pattern_id", "pattern")
    drafted = ask_each("strategy_drafting", schemas.StrategyReply, patterns=patterns)
    assert len({strategy["strategy_name"] for strategy in drafted}) == 10
    for strategy in drafted:
        weights = kind_weights(Shown("gain", strategy_text(strategy)))
        assert set(weights) == {"difference", "more_than", "reversed_more", "reversed_fewer"}
        assert weights["reversed_more"] > weights["more_than"]


def test_a_blind_strategy_names_what_training_samples_are_about_and_no_weakness():
    shown = [
        {"examples": [*lines("sharing", 3), *lines("days_later", 2)]},
        {"examples": lines("large_sum", 5)},
        {"examples": [[{"role": "user", "content": "Who wrote it?"}]]},
    ]
    drafted = ask_each(
        "blind_strategy_drafting", schemas.StrategyReply, handfuls=numbered(shown, "handful_id", "handful")
    )
    texts = [strategy_text(strategy) for strategy in drafted]
    named = [{topic.name for topic in topics_in(text, SCENARIOS)} for text in texts]
    assert named == [{"grouping", "calendar"}, {"large numbers"}, set()]
    assert not any(topics_in(text, CAUSES) for text in texts)
    assert len({strategy["strategy_name"] for strategy in drafted}) == 3


def test_unknown_analyses_and_patterns_are_summed_up_by_their_words():
    analyses = [{"error_cause": "The rhyme scheme is broken.", "scenario_category": "Sonnets"}] * 3
    pattern = ask("pattern_categorization", schemas.PatternCategorizationReply, analyses=analyses)
    assert "rhyme" in pattern["category_name"] and "sonnets" in pattern["category_name"]
    (strategy,) = ask_each("strategy_drafting", schemas.StrategyReply, patterns=[pattern])
    assert "rhyme" in strategy["generation_approach"]


def test_pattern_generation_follows_the_strategys_text_in_the_teachers_wording():
    seeds = lines("gain", 200)
    samples = generate(STRICT, COMPARISON, seeds)
    assert all(is_right(sample) for sample in samples)
    scenarios = Counter(
        SCENARIO_OF_KIND[domain.read(sample["messages"][-2]["content"]).kind].name for sample in samples
    )
    assert scenarios["comparison"] > 0.8 * len(samples) > 0
    assert len(scenarios) > 1  # it strays at times
    assert not {s["messages"][0]["content"] for s in samples} & {seed[0]["content"] for seed in seeds}


def test_the_two_error_rates_of_generation():
    seeds = lines("gain", 600)
    settings = TeacherSettings()
    wrong = sum(not is_right(sample) for sample in generate(settings, COMPARISON, seeds))
    assert in_band(wrong, 600, 0.15)
    feedback = [{"sample_id": "example-1", "feedback": "The result is wrong."}]
    wrong = sum(not is_right(sample) for sample in generate(settings, COMPARISON, seeds, feedback))
    assert in_band(wrong, 600, 0.03)


@pytest.mark.parametrize("kind", [kind.name for kind in domain.KINDS])
def test_wrong_replies_are_slips_or_misreadings_and_never_right(kind):
    rng = random.Random(1)
    holding = Counter()
    for _ in range(40):
        question, reply = write_problem(kind, rng, wrong=True)
        problem = domain.read(question)
        equation = reply.split(". ")[-2]
        left, operator, right, _, result = equation.split()
        a, b = int(left), int(right)
        value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[operator]
        assert reply.endswith(f"Answer: {result}") and int(result) != problem.answer
        holding[value == int(result)] += 1
    assert in_band(holding[True], 40, 0.5)


def test_system_message_and_form_of_the_example_are_kept():
    seed = [{"role": "system", "content": "Be exact."}, *lines("gain", 1)[0]]
    (sample,) = generate(STRICT, COMPARISON, [seed])
    assert [m["role"] for m in sample["messages"]] == ["system", "user", "assistant"]
    assert sample["messages"][0]["content"] == "Be exact."


def written_by(instruction: str, kind: str, count: int = 400, strategy=None, **shown) -> Counter[str]:
    """The kinds of the samples that a prompt brings about, from seeds of one kind and what is shown with each: a value,
    or a function of the seed's reply."""
    seeds = [
        {"sample_id": f"seed-{i}", "messages": messages}
        | {name: value(messages[-1]["content"]) if callable(value) else value for name, value in shown.items()}
        for i, messages in enumerate(lines(kind, count))
    ]
    values = {"strategy": strategy, "seeds": seeds, "feedback": None, "shows_answer": False}
    settings = STRICT.model_copy(update={"meaning_lost_rate": 0})
    written = json.loads(write_reply(request(PROMPTS.render(instruction, **values)), settings).text)
    samples = [schemas.SampleReply.model_validate(sample) for sample in written.values()]
    return Counter(domain.read(sample.messages[-2].content).kind for sample in samples)


WRONG = "30 + 30 = 61. Answer: 61"
SHOWN = {  # by instruction, what its prompt shows beside the seed
    "pattern_generation": {"strategy": COMPARISON},
    "error_generation": {"wrong_reply": WRONG},
    "learning_from_errors": {"wrong_reply": WRONG, "answered_correctly": lines("large_sum", 1)},
    "llm2llm": {},
    "similar_questions": {},
    "rephrasing": {},
}


def test_the_table_of_what_prompts_show_knows_every_instruction():
    assert set(SHOWN) == set(INSTRUCTIONS)


@pytest.mark.parametrize("instruction", [name for name in SHOWN if name != "rephrasing"])
def test_every_instruction_can_bring_about_every_kind_and_strays_as_often(instruction):
    kinds = written_by(instruction, "large_sum", 2000, **SHOWN[instruction])
    assert set(kinds) == {kind.name for kind in domain.KINDS}
    aimed_at = {"large_sum", "large_difference"}
    if instruction == "pattern_generation":
        aimed_at = {"difference", "more_than", "reversed_more", "reversed_fewer"}
    strayed = 2000 - sum(kinds[kind] for kind in aimed_at)
    assert in_band(strayed, 2000, OFF_TOPIC * (1 - len(aimed_at) / len(domain.KINDS)))


def test_whatever_is_shown_the_rule_strays_as_often():
    shown = [
        Shown("change"),
        Shown("change", strategy_text(COMPARISON)),
        Shown("change", cause="opposite operation"),
        Shown("change", cause="opposite operation", understood=frozenset({"part_of_whole"})),
    ]
    for each in shown:
        rng = random.Random(0)
        drawn = Counter(choose_kind(each, rng) for _ in range(4000))
        outside = [kind.name for kind in domain.KINDS if kind.name not in kind_weights(each)]
        assert all(drawn[kind] for kind in outside)
        rate = OFF_TOPIC * len(outside) / len(domain.KINDS)
        assert in_band(sum(drawn[kind] for kind in outside), 4000, rate)


def test_without_a_strategy_a_writer_stays_near_its_seed():
    weights = kind_weights(Shown("more_than"))
    assert set(weights) == {"difference", "more_than", "reversed_more", "reversed_fewer"}
    assert max(weights, key=weights.get) == "more_than"


def test_a_wrong_reply_draws_the_writer_to_what_is_prone_to_its_error():
    """LLM2LLM does not show it, LE does."""
    shown = written_by("learning_from_errors", "more_than", wrong_reply=lambda reply: with_operator(reply, "-"))
    hidden = written_by("llm2llm", "more_than")
    prone = ("reversed_more", "reversed_fewer")
    assert sum(shown[kind] for kind in prone) > 1.5 * sum(hidden[kind] for kind in prone)


def test_questions_that_were_answered_correctly_draw_the_writer_away_from_their_kind():
    """LE does not show them, LEC does."""
    error = {"wrong_reply": "1 + 1 = 3. Answer: 3"}
    le = written_by("learning_from_errors", "large_sum", **error)
    lec = written_by("learning_from_errors", "large_sum", answered_correctly=lines("large_sum", 3), **error)
    assert lec["large_sum"] < 0.9 * le["large_sum"]
    assert lec["large_difference"] > 1.3 * le["large_difference"]


def rephrase(messages, **settings):
    seeds = [{"sample_id": f"example-{i}", "messages": m} for i, m in enumerate(messages, 1)]
    values = {"strategy": None, "seeds": seeds, "feedback": None, "shows_answer": False}
    samples = ask_each("rephrasing", schemas.SampleReply, TeacherSettings(**settings), **values)
    return [sample["messages"] for sample in samples]


@pytest.mark.parametrize("kind", [kind.name for kind in domain.KINDS])
def test_a_rephrased_question_has_other_words_and_the_same_reply(kind):
    originals = lines(kind, 40)
    for old, new in zip(originals, rephrase(originals, meaning_lost_rate=0), strict=True):
        assert new[0]["content"] != old[0]["content"]
        assert domain.read(new[0]["content"]).reply == old[1]["content"] == new[1]["content"]


def test_a_rephrased_question_may_be_told_as_any_kind_that_keeps_the_reply():
    told = written_by("rephrasing", "gain", 2000)
    same_sum = {kind.name for kind in domain.KINDS if kind.steps == ("a + b",)} - {"large_sum"}
    assert set(told) == same_sum
    assert told["gain"] > 1500


def test_a_rephrased_question_may_lose_its_meaning():
    originals = lines("gain", 20)
    lost = [domain.read(m[0]["content"]).reply != m[1]["content"] for m in rephrase(originals, meaning_lost_rate=1)]
    assert sum(lost) > 15


def test_a_question_of_other_data_is_rephrased_without_touching_its_reply():
    original = [{"role": "user", "content": "Who wrote it?"}, {"role": "assistant", "content": "Homer"}]
    (new,) = rephrase([original])
    assert new[0]["content"].endswith("Who wrote it?") and new[0] != original[0]
    assert new[1] == original[1]


def pair(question: str, reply: str) -> dict:
    (original,) = lines("gain", 1)
    new = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    return {"original": {"messages": original}, "synthetic": {"messages": new}}


def rate(*pairs, strategy=None, settings=STRICT):
    schema = schemas.PatternEvaluationReply if strategy else schemas.EvaluationReply
    pairs = numbered(pairs, "sample_id", "pair")
    return ask_each("quality_control", schema, settings, strategy=strategy, pairs=pairs)


def test_the_judge_solves_the_problem():
    rng = random.Random(0)
    for kind in domain.KINDS:
        right, wrong = (pair(*write_problem(kind.name, rng, wrong)) for wrong in (False, True))
        good, bad = rate(right, wrong)
        assert good["utility"] >= 8 and good["relevance"] >= 8
        assert bad["utility"] <= 3 and (bad["utility"] + bad["relevance"]) / 2 < 7
        assert "adherence" not in good
        assert bad["feedback"] != good["feedback"]


def test_the_judge_rates_adherence_by_scenario_and_relevance_by_form():
    rng = random.Random(0)
    fitting = pair(*write_problem("reversed_more", rng, wrong=False))
    straying = pair(*write_problem("days_before", rng, wrong=False))
    question, reply = write_problem("reversed_more", rng, wrong=False)
    shapeless = pair(question, reply.split(": ")[-1])
    unclear = pair("How many are there?", "3 + 4 = 7. Answer: 7")
    first, second, third, fourth = rate(fitting, straying, shapeless, unclear, strategy=COMPARISON)
    assert first["adherence"] >= 8 > 4 >= second["adherence"]
    assert third["relevance"] <= 4
    assert fourth["utility"] <= 3


def test_the_judge_turns_down_a_copy_of_the_original():
    (original,) = lines("gain", 1)
    (copy,) = rate(pair(original[0]["content"], original[1]["content"]))
    assert copy["utility"] <= 3


def test_the_judge_errs_at_the_stated_rate():
    rng = random.Random(0)
    pairs = [pair(*write_problem("reversed_more", rng, wrong=i % 2 == 0)) for i in range(400)]
    ratings = rate(*pairs, settings=TeacherSettings(judge_error_rate=0.2))
    mistaken = sum((rating["utility"] >= 8) == (i % 2 == 0) for i, rating in enumerate(ratings))
    assert in_band(mistaken, 400, 0.2)


def test_the_reply_is_a_function_of_the_request_and_the_seed():
    examples = [{"sample_id": "example-1", "messages": lines("gain", 1)[0]}]
    values = {"strategy": COMPARISON, "seeds": examples, "feedback": None, "shows_answer": False}
    text = PROMPTS.render("pattern_generation", **values)
    base = write_reply(request(text), STRICT)
    assert write_reply(request(text), STRICT) == base
    others = [
        write_reply(request(text, seed=1), STRICT),
        write_reply(request(text, temperature=0.3), STRICT),
        write_reply(request(text.replace("Contrast pairs", "Other pairs")), STRICT),
        write_reply(request(text), STRICT.model_copy(update={"seed": 1})),
    ]
    assert len({base.text, *(other.text for other in others)}) == 5


def test_what_is_asked_for_again_alone_gets_the_entry_that_it_would_have_got():
    failures = numbered([failure(kind, "no idea") for kind in ("gain", "loss", "sharing")], "sample_idx", "failure")
    together = json.loads(said("error_analysis", STRICT, failures=failures))
    alone = PROMPTS.render("error_analysis", failures=failures[1:2]) + "\n\nYour earlier reply was not JSON."
    assert json.loads(write_reply(request(alone), STRICT).text) == {"failure-2": together["failure-2"]}


def test_an_unknown_prompt_gets_a_greeting():
    assert write_reply(request("ping"), STRICT) == (GREETING, None)


def test_entries_without_the_usual_keys_do_not_break_the_teacher():
    for tag in (
        "failures",
        "analyses",
        "patterns",
        "handfuls",
        "examples",
        "errors",
        "exemplars",
        "originals",
        "pairs",
    ):
        reply = write_reply(request(f'<{tag}>[{{}}, {{"messages": []}}, 3]</{tag}>'), STRICT)
        assert json.loads(reply.text)
