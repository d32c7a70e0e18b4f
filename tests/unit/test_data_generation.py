import asyncio
from dataclasses import replace

import pytest
from builders import ASKING, ScriptedLlm, batch, conversation, math_sample, sample, strategy

from pada_ray.agents.brief import Brief
from pada_ray.agents.data_generation import DataGenerationAgent
from pada_ray.config import DataGenerationConfig
from pada_ray.data.frame import Frame
from pada_ray.records import Attempt, Message, MistakeCount, Sample, Seed


def agent(llm, seed=0):
    return DataGenerationAgent(llm, DataGenerationConfig(), replace(ASKING, seed=seed))


def written(*origins):
    return {origin: {"question": f"q{i}", "reply": f"a{i}"} for i, origin in enumerate(origins)}


def generate(llm, of):
    return asyncio.run(agent(llm).generate(of))


def test_candidates_know_their_seed_whatever_the_order():
    llm = ScriptedLlm(written("example-2", "example-1"))
    found = generate(llm, batch(2, strategy()))
    assert [(c.seed_id, c.messages[0].content) for c in found] == [("train-0", "q1"), ("train-1", "q0")]


def test_what_is_missing_is_asked_for_alone_and_what_nobody_asked_for_is_left():
    llm = ScriptedLlm(written("example-1", "example-7"), written("example-2"))
    found = generate(llm, batch(2, strategy()))
    assert [c.seed_id for c in found] == ["train-0", "train-1"]
    again = llm.requests[1]
    assert list(again.reply_schema["properties"]) == ["example-2"]
    assert "train-1 has" in again.messages[0].content and "train-0 has" not in again.messages[0].content


def test_what_stays_missing_is_no_candidate():
    found = generate(ScriptedLlm(written("example-2")), batch(2, strategy()))
    assert [c.seed_id for c in found] == ["train-1"]


def test_one_of_0_1_in_an_array_is_read_by_the_example_that_it_names():
    old = [{"sample_id": "n", "based_on_example": name, **entry} for name, entry in written("example-2").items()]
    assert [c.seed_id for c in generate(ScriptedLlm({"samples": old}), batch(2, strategy()))] == ["train-1"]


def test_the_only_seed_needs_no_name():
    alone = written("any")["any"]
    for reply in (alone, [alone], {"samples": [alone]}):
        assert len(generate(ScriptedLlm(reply), batch(1, strategy()))) == 1


def test_room_for_a_reply_follows_from_the_examples():
    llm = ScriptedLlm(written("example-1", "example-2"))
    generate(llm, batch(2, strategy()))
    of = batch(2, strategy())
    long = math_sample("long", question="many words " * 1000)
    generate(llm, of.model_copy(update={"attempts": [of.attempts[0], Attempt(draft="b", seed=Seed(sample=long))]}))
    short, more = (request.max_tokens for request in llm.requests)
    assert short < 600 and 2 * 11_000 / 4 < more < 4 * 11_000 / 4


def test_the_pattern_branch_shows_strategy_and_examples_but_no_wrong_reply():
    llm = ScriptedLlm(written("example-1"))
    generate(llm, batch(1, strategy()))
    prompt = llm.requests[0].messages[0].content
    assert "Write sums about fruit." in prompt
    assert "train-0 has 2 apples" in prompt
    assert "feedback" not in prompt
    assert llm.requests[0].temperature == 0.7


def test_the_error_branch_shows_the_wrong_reply():
    llm = ScriptedLlm(written("example-1"))
    generate(llm, batch(1))
    assert "2 + 3 = 6" in llm.requests[0].messages[0].content
    assert llm.requests[0].purpose == "error_generation"


def test_feedback_reaches_the_prompt_under_the_example_it_is_about():
    llm = ScriptedLlm(written("example-1"))
    of = batch(2, strategy())
    sent_back = of.attempts[1].model_copy(update={"number": 1, "feedback": "The sum is off."})
    generate(llm, of.model_copy(update={"attempts": [of.attempts[0], sent_back]}))
    prompt = llm.requests[0].messages[0].content
    remarks = prompt[prompt.index("<feedback-") : prompt.index("</feedback-")]
    assert '"example-2"' in remarks
    assert "The sum is off." in remarks
    assert '"example-1"' not in remarks


def test_a_batch_may_hold_first_drafts_and_regenerations():
    of = batch(2, strategy())
    sent_back = of.attempts[1].model_copy(update={"number": 2, "feedback": "The sum is off."})
    mixed = of.model_copy(update={"attempts": [of.attempts[0], sent_back]})
    found = generate(ScriptedLlm(written("example-1", "example-2")), mixed)
    assert [(c.id, c.attempt) for c in found] == [("batch-0-0", 0), ("batch-1-2", 2)]
    assert [c.draft for c in found] == ["batch-0", "batch-1"]


def test_every_batch_and_every_run_seed_is_a_draw_of_its_own():
    def seed_of(run_seed, name):
        llm = ScriptedLlm(written("example-1"))
        asyncio.run(agent(llm, run_seed).generate(batch(1, strategy(), name)))
        return llm.requests[0].seed

    draws = [seed_of(0, "a"), seed_of(0, "b"), seed_of(1, "a")]
    assert len(set(draws)) == 3
    assert seed_of(0, "a") == draws[0]


def test_tests_of_code_are_shown_since_no_reply_tells_them():
    adding = sample("code", "Write add.", "def add(a, b): ...", "def check(candidate): assert candidate(1, 2) == 3")
    of = batch(1, strategy()).model_copy(update={"attempts": [Attempt(draft="a", seed=Seed(sample=adding))]})
    reply = written("example-1")
    reply["example-1"]["answer"] = "def check(candidate): assert candidate(2, 2) == 4"
    llm = ScriptedLlm(reply)
    (found,) = generate(llm, of)
    assert "def check(candidate)" in llm.requests[0].messages[0].content
    assert "candidate(2, 2)" in found.answer


FRAMED = Brief(task="The reply is a number.", frame=Frame(before="Solve this.\n\nProblem: ", after="\n\nBe brief."))


def framed(name):
    return math_sample(name, question=f"Solve this.\n\nProblem: {name} has 2 apples.\n\nBe brief.")


def generate_framed(reply, of):
    llm = ScriptedLlm(reply)
    found = asyncio.run(DataGenerationAgent(llm, DataGenerationConfig(), replace(ASKING, brief=FRAMED)).generate(of))
    return found, llm.requests[0].messages[0].content


def of_seeds(*samples, **changes):
    attempts = [Attempt(draft=f"d{i}", seed=Seed(sample=s)) for i, s in enumerate(samples)]
    return batch(1, strategy()).model_copy(update={"attempts": attempts, **changes})


def test_what_varies_is_shown_and_written_and_the_frame_is_put_back():
    of = of_seeds(framed("Ana"))
    (found,), prompt = generate_framed({"example-1": {"question": "Bo has 3 pears.", "reply": "3"}}, of)
    assert '"question": "Ana has 2 apples."' in prompt and prompt.count("Solve this.") == 1
    assert "The reply is a number." in prompt
    assert [m.content for m in found.messages] == ["Solve this.\n\nProblem: Bo has 3 pears.\n\nBe brief.", "3"]


def test_a_frame_that_was_written_too_is_not_put_on_twice():
    question = "Solve this.\n\nProblem: Bo has 3 pears."
    (found,), _ = generate_framed({"example-1": {"question": question, "reply": "3"}}, of_seeds(framed("Ana")))
    assert found.messages[0].content == "Solve this.\n\nProblem: Bo has 3 pears.\n\nBe brief."


def test_a_reply_that_is_a_json_value_may_come_as_one():
    (found,) = generate(ScriptedLlm({"example-1": {"question": "q", "reply": {"name": "Ö"}}}), batch(1, strategy()))
    assert found.messages[-1].content == '{"name": "Ö"}'


def test_messages_are_taken_where_a_question_and_a_reply_were_asked_for():
    written = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    (found,) = generate(ScriptedLlm({"example-1": written}), batch(1, strategy()))
    assert [m.content for m in found.messages] == ["q", "a"]


def test_a_call_with_a_longer_conversation_goes_by_messages():
    turns = [("user", "How many?"), ("assistant", "Of what?"), ("user", "Of 2 and 3."), ("assistant", "Answer: 5")]
    messages = [Message(role=role, content=content) for role, content in turns]
    long = Sample(id="long", messages=messages, task="math", answer="5")
    reply = {f"example-{i}": {"messages": [{"role": "user", "content": f"q{i}"}]} for i in (1, 2)}
    found, prompt = generate_framed(reply, of_seeds(framed("Ana"), long))
    assert '"question"' not in prompt and prompt.count('"messages": [') == 2
    assert [c.messages[0].content for c in found] == ["q1", "q2"]


CONVERSATIONS = [("My card is lost.", "Send one?"), ("Rent a car?", "A small one?"), ("It rains.", "Inside, then?")]


@pytest.mark.parametrize(
    ("written", "calls"),
    [
        ([("Where is it?", "Here?"), ("Can I pay by phone?", "Shall I show you?"), ("A room for two.", "Now?")], 1),
        ([("Where is it?", "Here?")] * 3, 4),
        (CONVERSATIONS, 4),
    ],
)
def test_conversations_that_end_alike_are_no_copies(written, calls):
    ended = [conversation(f"c{i}", *turns, "Yes, please.") for i, turns in enumerate(CONVERSATIONS)]
    reply = {
        f"example-{i}": {"messages": [m.model_dump() for m in conversation("n", *turns, "Yes, please.").messages]}
        for i, turns in enumerate(written, start=1)
    }
    llm = ScriptedLlm(reply)
    assert len(generate(llm, of_seeds(*ended))) == 3
    assert len(llm.requests) == calls


def test_conversations_on_one_text_are_no_copies():
    text = "many words " * 100
    seeds = [conversation(f"c{i}", text, "Yes?", f"question {i}") for i in range(3)]
    asked = [conversation("n", text, "Yes?", question) for question in ("who comes", "what for", "when did they")]
    reply = {f"example-{i}": {"messages": [m.model_dump() for m in c.messages]} for i, c in enumerate(asked, start=1)}
    llm = ScriptedLlm(reply)
    assert len(generate(llm, of_seeds(*seeds))) == 3 and len(llm.requests) == 1


def test_a_system_message_that_all_have_is_put_back():
    seed = math_sample("t").model_copy(
        update={"messages": [Message(role="system", content="Be kind."), *math_sample("t").messages]}
    )
    brief = Brief(frame=Frame(system="Be kind."))
    llm = ScriptedLlm(written("example-1"))
    agent = DataGenerationAgent(llm, DataGenerationConfig(), replace(ASKING, brief=brief))
    (found,) = asyncio.run(agent.generate(of_seeds(seed)))
    assert [(m.role, m.content) for m in found.messages] == [
        ("system", "Be kind."),
        ("user", "q0"),
        ("assistant", "a0"),
    ]


def test_of_a_sample_that_keeps_its_reply_the_question_alone_is_asked_for():
    of = of_seeds(framed("Ana"), instruction="rephrasing", keep_reply=True, strategy=None)
    (found,), prompt = generate_framed({"example-1": {"question": "Bo has 3 pears."}}, of)
    assert '- "reply"' not in prompt
    assert found.messages[-1].content == of.seeds[0].sample.reference


def test_the_writer_is_told_of_the_mistakes_of_its_strategy():
    mistake = MistakeCount(text="expected card_arrival, replied card_linking", kinds=[], times=5)
    known = strategy().model_copy(update={"mistakes": [mistake]})
    prompts = []
    for of in (known, strategy()):
        llm = ScriptedLlm(written("example-1"))
        generate(llm, batch(1, of))
        prompts.append(llm.requests[0].messages[0].content)
    assert "expected card_arrival, replied card_linking: 5" in prompts[0] and "got wrong" in prompts[0]
    assert "mistake" not in prompts[1]


def test_unreadable_to_the_end():
    assert generate(ScriptedLlm("no"), batch(1, strategy())) == []
