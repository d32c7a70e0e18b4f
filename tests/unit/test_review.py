"""A run that stops for a person: what it stops at, what a person may do there, and what comes of it."""

import asyncio
import json
import os
from dataclasses import replace

import pytest
import yaml
from builders import ASKING, RAW, ScriptedLlm, batch, candidate, math_sample, strategy
from typer.testing import CliRunner
from waiting_runs import QUOTE, SAMPLES, STRATEGIES, World, begun, run, stopped

from jobs import resume as resume_job
from jobs.cli import app
from pada_ray.agents.data_generation import DataGenerationAgent
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.agents.quality_control import QualityControlAgent
from pada_ray.config import DataGenerationConfig, QualityControlConfig, check_config
from pada_ray.errors import ConfigError, DataError, ReviewDue
from pada_ray.findings.agreement import agreement
from pada_ray.findings.lineage import read_findings
from pada_ray.findings.provenance import trace
from pada_ray.records import ByPerson, Candidate, Ratings, Sample, Strategy
from pada_ray.report.loaded import load_run
from pada_ray.report.results import read_run
from pada_ray.report.review_table import review_table
from pada_ray.review import reviews
from pada_ray.review.editing import Change, Changes, read_review, write_review
from pada_ray.review.reviews import check_review, check_reviewable
from pada_ray.review.strategies import edited, to_edit
from pada_ray.runs import run_files
from pada_ray.runs.rewind import rewind
from pada_ray.runs.state import read_state
from pada_ray.runs.sweep import load_sweep
from pada_ray.storage import Folder
from pada_ray.ui.views import run_view

BEFORE = "review/iteration-1/strategies.before.yaml"


@pytest.fixture
def folder(tmp_path):
    return begun(tmp_path / "run")


def lines(folder, file=SAMPLES):
    return [json.loads(line) for line in folder.read_text(file).splitlines()]


def write_lines(folder, entries):
    folder.write_text(SAMPLES, "".join(json.dumps(entry) + "\n" for entry in entries))


def edit_strategies(folder, change, file=STRATEGIES):
    entries = yaml.safe_load(folder.read_text(file))
    folder.write_text(file, yaml.safe_dump(change(entries) or entries, sort_keys=False))


# Where it stops


def test_a_run_stops_at_its_strategies_and_says_which_file_to_edit(folder):
    world = World()
    told = stopped(folder, world, review=["strategies"])
    page, go_on = f"`pada ui {folder.url}`", f"`pada resume {folder.url}`"
    assert told == f"review: edit {folder.at(STRATEGIES)}, or the page of {page}; then {go_on} checks it and goes on"
    assert world.asked[-1] == "strategy_drafting"
    state = read_state(folder)
    assert (state.status, state.stage) == ("waiting for review", "iteration-1: review of strategies")
    entries = yaml.safe_load(folder.read_text(STRATEGIES))
    assert entries == [
        {
            "decision": "accept",
            **strategy(k).model_dump(exclude={"person", "mistakes", "size"}),
        }
        for k in range(2)
    ]


def test_it_waits_until_it_is_resumed_and_stops_in_every_iteration(folder):
    stopped(folder, review=["strategies", "samples"])
    assert SAMPLES in stopped(folder, review=["strategies", "samples"])
    assert "review/iteration-2/strategies.yaml" in stopped(folder, review=["strategies", "samples"])
    assert "review/iteration-2/samples.jsonl" in stopped(folder, review=["strategies", "samples"])
    assert run(folder, review=["strategies", "samples"]).status == "done"


def test_what_is_left_as_it_is_changes_nothing(folder, tmp_path):
    plain = Folder(str(tmp_path / "plain"))
    for split in ("train", "val"):
        folder.copy_to(run_files.split(split), plain, run_files.split(split))
    run(plain)
    for _ in range(4):
        stopped(folder, review=["strategies", "samples"])
    run(folder, review=["strategies", "samples"])
    for i in range(3):
        assert folder.read_text(run_files.training_set(i)) == plain.read_text(run_files.training_set(i))


def test_a_run_that_died_before_it_said_what_to_edit_says_it_again(folder):
    stopped(folder, review=["strategies"])
    folder.remove("events.jsonl")
    assert STRATEGIES in stopped(folder, review=["strategies"])


def test_without_the_key_it_goes_on_with_what_was_drafted(folder):
    stopped(folder, review=["strategies"])
    edit_strategies(folder, lambda entries: entries[0].update(decision="drop"))
    assert run(folder, review=[]).status == "done"
    assert len(read_findings(folder, 1).strategies) == 2


def test_a_review_can_be_done_again(folder):
    """The edits stand where they were left, and no stage before it is done again."""
    stopped(folder, review=["strategies"], iterations=1)
    assert run(folder, review=["strategies"], iterations=1).status == "done"
    undone = rewind(folder, "iteration-1: review of strategies")
    assert "iteration-1: strategy drafting" not in undone
    edit_strategies(folder, lambda entries: entries[0].update(decision="drop"))
    world = World()
    assert run(folder, world, review=["strategies"], iterations=1).status == "done"
    assert world.asked[0] == "augment"
    assert [s.cluster for s in read_findings(folder, 1).strategies] == [1]


def test_files_of_an_earlier_course_of_the_run_are_written_anew(folder):
    stopped(folder, review=["strategies"])
    folder.write_text("review/iteration-1/strategies.original.yaml", "- strategy_name: of another course\n")
    edit_strategies(folder, lambda entries: entries[0].update(decision="drop"))
    edited = folder.read_text(STRATEGIES)
    told = stopped(folder, review=["strategies"])
    assert [entry["decision"] for entry in yaml.safe_load(folder.read_text(STRATEGIES))] == ["accept", "accept"]
    assert folder.read_text(BEFORE) == edited
    assert told.endswith(f"; what you had made of an earlier one is in {folder.at(BEFORE)}")


def test_an_edited_file_without_its_original_is_kept(folder):
    stopped(folder, review=["samples"])
    folder.remove("review/iteration-1/samples.original.jsonl")
    write_lines(folder, lines(folder)[1:])
    edited = folder.read_text(SAMPLES)
    stopped(folder, review=["samples"])
    assert len(lines(folder)) == len(edited.splitlines()) + 1
    assert folder.read_text("review/iteration-1/samples.before.jsonl") == edited


def test_what_nobody_has_edited_is_not_kept(folder):
    stopped(folder, review=["strategies"])
    for file in (STRATEGIES, "review/iteration-1/strategies.original.yaml"):
        folder.write_text(file, "- strategy_name: of another course\n")
    told = stopped(folder, review=["strategies"])
    assert told.endswith("checks it and goes on")
    assert not folder.exists(BEFORE)


@pytest.mark.parametrize("way", [os.symlink, os.rename])
@pytest.mark.parametrize("what", ["strategies", "samples"])
def test_edits_stay_however_the_run_is_reached(folder, way, what):
    file = {"strategies": STRATEGIES, "samples": SAMPLES}[what]
    stopped(folder, review=[what])
    dropped = read_review(folder).entries[0] | {"decision": "drop"}
    changed(folder, (0, dropped))
    edited = folder.read_text(file)
    way(folder.url, f"{folder.url}-too")
    there = Folder(f"{folder.url}-too")
    check_review(there)
    assert there.read_text(file) == edited
    assert changed(there, (0, dropped)).problem is None
    assert read_review(there).entries[0] == dropped


def test_edits_stay_under_the_heading_of_another_version(folder):
    stopped(folder, review=["strategies"])
    for file in (STRATEGIES, "review/iteration-1/strategies.original.yaml"):
        folder.write_text(file, "# Edit these.\n" + yaml.safe_dump(yaml.safe_load(folder.read_text(file))))
    edit_strategies(folder, lambda entries: entries[0].update(decision="drop"))
    edited = folder.read_text(STRATEGIES)
    check_review(folder)
    assert folder.read_text(STRATEGIES) == edited


@pytest.mark.parametrize(("what", "file"), [("strategies", STRATEGIES), ("samples", SAMPLES)])
def test_a_file_that_is_not_utf_8_is_named(folder, what, file):
    stopped(folder, review=[what])
    tag, text = read_review(folder).tag, folder.read_text(file)
    folder.write_bytes(file, b"\xef\xbb\xbf" + text.encode())  # as some editors begin UTF-8
    check_review(folder)
    assert read_review(folder).entries
    folder.write_bytes(file, text.replace("o", "ö").encode("latin-1"))
    for act in (check_review, read_review, lambda f: write_review(f, Changes(tag=tag, changes=[]))):
        with pytest.raises(DataError, match=f"{folder.at(file)}: not UTF-8 .*; save it as UTF-8"):
            act(folder)


# Strategies


def test_strategies_are_edited_added_and_dropped_and_named_by_whom(folder):
    stopped(folder, review=["strategies"])

    def change(entries):
        entries[0]["generation_approach"] = "Write sums about ships."
        entries[1]["decision"] = "drop"
        entries.append(
            {"strategy_name": "my own", "generation_approach": "Write about rain.", "key_elements": ["rain"]}
        )

    edit_strategies(folder, change)
    world = World()
    stopped(folder, world, review=["strategies"])  # of the second iteration
    used = {b.strategy.strategy_name: b.strategy for b in world.batches if b.strategy}
    assert used["strategy 0"].generation_approach == "Write sums about ships."
    assert set(used) == {"strategy 0", "my own"}
    changed, own = read_findings(folder, 1).strategies
    assert (changed.cluster, changed.person) == (0, "edited by a person")
    assert (own.cluster, own.category_name, own.person) == (11, "my own", "added by a person")
    original = folder.read_text("review/iteration-1/strategies.original.yaml")
    assert "Write sums about fruit." in original and "ships" not in original
    assert len([e for e in folder.read_yaml(run_files.strategies(1)) if e["person"] == ""]) == 2
    outcome = trace(folder, 1)[0]
    assert outcome.strategy.person == "edited by a person"


def test_a_strategy_of_ones_own_counts_as_large_as_the_others():
    drafted = [strategy(k).model_copy(update={"size": size}) for k, size in enumerate((9, 3))]
    text = to_edit(drafted, "runs/r") + "- {strategy_name: mine, generation_approach: Write about rain.}\n"
    guard = LeakGuard([], [])
    assert [s.size for s in edited(text, "f.yaml", drafted, guard, first_own=10)] == [9, 3, 6]


def test_prompts_are_the_same_whoever_wrote_a_strategy():
    """So that the replies which are paid for stay valid."""
    asked, asking = [], replace(ASKING, max_reasks=0)
    for person in ("", "edited by a person"):
        of = batch(1, strategy().model_copy(update={"person": person}))
        llm = ScriptedLlm({})
        asyncio.run(DataGenerationAgent(llm, DataGenerationConfig(), asking).generate(of))
        judge = QualityControlAgent(llm, QualityControlConfig(), asking)
        asyncio.run(judge.assess(of, [candidate(of)]))
        asked.append([request.messages[0].content for request in llm.requests])
    assert len(asked[0]) == 2
    assert asked[0] == asked[1]
    assert "Write sums about fruit." in asked[0][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda e: e[1].update(generation_approach=f"As when {QUOTE}."),
            r":12: generation_approach: it quotes held-out",
        ),
        (lambda e: e[1].update(key_elements=["x", QUOTE]), r":13: key_elements: it quotes held-out item v"),
        (
            lambda e: e.append({"strategy_name": QUOTE, "generation_approach": "x"}),
            r"strategy_name: it quotes held-out",
        ),
        (lambda e: e[0].update(decision="maybe"), r":1: decision: input should be 'accept' or 'drop'"),
        (lambda e: e[0].update(approach="x"), r":8: approach: unknown key; allowed: decision, cluster, "),
        (lambda e: e[1].update(strategy_name=" "), r":11: strategy_name: it is empty; write it"),
        (lambda e: e[1].update(cluster=7), r":9: cluster: none of 0, 1; leave it out"),
        (lambda e: e[1].update(cluster=0), r":9: cluster: 0 is there twice"),
        (lambda e: e[1].pop("generation_approach") and None, r":8: generation_approach: field required"),
        (lambda e: [entry.update(decision="drop") for entry in e] and None, r"no strategy is left; accept one"),
        (lambda e: ["text"], r":1: not a mapping of keys"),
        (lambda e: {"a": 1}, r"not a list of strategies"),
    ],
)
def test_wrong_strategies_are_named_by_file_line_and_key_and_spend_nothing(folder, change, said):
    stopped(folder, review=["strategies"])
    edit_strategies(folder, change)
    with pytest.raises(DataError, match=f"strategies.yaml{said}" if said[0] == ":" else said) as wrong:
        check_review(folder)
    assert "\n" not in str(wrong.value)
    assert read_state(folder).status == "waiting for review"
    world = World()
    with pytest.raises(DataError):
        run(folder, world, review=["strategies"])
    assert world.asked == []


def test_broken_yaml_is_named_by_its_line(folder):
    stopped(folder, review=["strategies"])
    folder.write_text(STRATEGIES, "- decision: accept\n  strategy_name: [\n")
    with pytest.raises(ConfigError, match=r"strategies.yaml:3: not readable as YAML"):
        check_review(folder)


# Samples


def test_the_samples_of_a_review_are_what_the_judge_passed_and_turned_down(folder):
    stopped(folder, review=["samples"])
    accepted = folder.read_records(run_files.accepted(1), Candidate)
    entries = lines(folder)
    assert [e["id"] for e in entries if e["decision"] == "accept"] == [c.id for c in accepted]
    low = [e for e in entries if e["decision"] == "drop"]
    assert low and low[0]["judge"] == {"decision": "drop", "rating": 3.0, "feedback": "Too easy."}
    assert low[0]["rating"] is None


def test_samples_are_edited_added_accepted_dropped_and_deleted(folder):
    stopped(folder, review=["samples"])
    entries = lines(folder)
    kept = [e for e in entries if e["decision"] == "accept"]
    low = next(e for e in entries if e["decision"] == "drop")
    kept[0]["messages"][0]["content"] = "A ship has 4 sails and gets 5 more. How many?"
    kept[1] |= {"decision": "drop", "feedback": "dull"}
    low |= {"decision": "accept", "rating": 8}
    own = {
        "messages": [
            {"role": "user", "content": "It rains for 4 hours, then for 5. How long?"},
            {"role": "assistant", "content": "4 + 5 = 9. Answer: 9"},
        ]
    }
    write_lines(folder, [kept[0], kept[1], low, own])  # the others are deleted
    state = run(folder, review=["samples"], iterations=1)
    trained = {s.id: s for s in folder.read_records(run_files.training_set(1), Sample) if s.id[0] != "t"}
    assert set(trained) == {kept[0]["id"], low["id"], "iteration-1-person-3"}
    assert trained[kept[0]["id"]].question.startswith("A ship")
    assert [s.meta["person"] for s in trained.values()] == [
        "edited by a person",
        "accepted by a person",
        "added by a person",
    ]
    assert trained["iteration-1-person-3"].answer == "9"
    rejected = folder.read_records(run_files.reviewed(run_files.rejected(1)), Candidate)
    dropped = [c for c in rejected if c.rejected == "dropped by a person"]
    assert len(dropped) == len([e for e in entries if e["judge"]["decision"] == "accept"]) - 1
    assert dropped[-1].person == ByPerson(deed="dropped by a person", feedback="dull")
    assert state.counts["iteration-1"] | {"accepted": 3, "shortfall": 1} == state.counts["iteration-1"]
    assert folder.read_text("review/iteration-1/samples.original.jsonl").count("\n") == len(entries)
    first = folder.read_records(run_files.reviewed(run_files.accepted(1)), Candidate)[0]
    assert first.ratings is None  # the judge has not seen this text
    report = {group.group: group for group in read_run(folder).quotas()[1]}
    assert (report["person"].accepted, report["person"].quota) == (1, 0)


def test_later_iterations_know_the_edited_questions(folder):
    stopped(folder, review=["samples"])
    entries = lines(folder)
    entries[0]["messages"][0]["content"] = "A ship has 4 sails and gets 5 more. How many?"
    write_lines(folder, entries)
    stopped(folder, review=["samples"])
    assert "A ship" in folder.read_text(run_files.training_set(1))
    later = lines(folder, "review/iteration-2/samples.jsonl")
    later[0]["messages"][0]["content"] = "A ship has 4 sails and gets 5 more. How many?"
    folder.write_text("review/iteration-2/samples.jsonl", "".join(json.dumps(e) + "\n" for e in later))
    with pytest.raises(DataError, match=r"samples.jsonl:1: messages: the question is that of sample iteration-1-"):
        check_review(folder)


def test_tables_and_page_show_what_a_person_has_left(folder):
    stopped(folder, review=["samples"], iterations=1)
    dropped, edited = read_review(folder).entries[:2]
    edited["messages"][0]["content"] = "A ship has 4 sails and gets 5 more. How many?"
    changed(folder, (0, dropped | {"decision": "drop"}), (1, edited))
    run(folder, review=["samples"], iterations=1)
    (iteration,) = load_run(folder.url).iterations[:1]
    accepted = {c.id: c.messages[0].content for c in iteration.accepted}
    assert accepted[edited["id"]].startswith("A ship") and dropped["id"] not in accepted
    assert {c.id: c.rejected for c in iteration.rejected}[dropped["id"]] == "dropped by a person"
    view = run_view(folder, lambda *_: "done")
    assert (view.accepted, view.rejected) == (len(iteration.accepted), len(iteration.rejected))
    verdicts = {sample.question: sample.verdict for sample in view.samples}
    assert verdicts["A ship has 4 sails and gets 5 more. How many?"] == "accepted"
    assert verdicts[dropped["messages"][0]["content"]] == "dropped by a person"


def said_by(question=None, reply=None, **keys):
    def change(entries):
        entry = entries[0]
        if question is not None:
            entry["messages"][0]["content"] = question
        if reply is not None:
            entry["messages"][1]["content"] = reply
        entry |= keys

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (said_by(f"{QUOTE}?"), r":1: messages: it quotes held-out item v0 \('seven tired sailors"),
        (said_by(reply=f"Since {QUOTE}. Answer: 9"), r":1: messages: it quotes held-out"),
        (said_by(question=" "), r":1: messages: malformed: A message is empty\."),
        (said_by(reply="4 + 5 = 8. Answer: 8"), r":1: messages: wrong: The reply is wrong"),
        (said_by(math_sample("t0").question), r":1: messages: duplicate: This question stands in the training set"),
        (said_by(reply="no number"), r":1: messages: malformed: "),
        (said_by(rating=11), r":1: rating: input should be less than or equal to 10"),
        (said_by(decision="yes"), r":1: decision: input should be 'accept' or 'drop'"),
        (said_by(id="nobody"), r":1: id: 'nobody' is no sample of this iteration; leave it out"),
        (said_by(note="x"), r":1: note: unknown key; allowed: decision, id, rating"),
        (lambda entries: entries.append(entries[0]), r":\d+: id: \S+ is there twice"),
        (lambda entries: entries[1].update(messages=entries[0]["messages"]), r":2: messages: the question is that of "),
    ],
)
def test_wrong_samples_are_named_by_file_line_and_key(folder, change, said):
    stopped(folder, review=["samples"])
    entries = lines(folder)
    change(entries)
    write_lines(folder, entries)
    with pytest.raises(DataError, match=f"samples.jsonl{said}") as wrong:
        check_review(folder)
    assert "\n" not in str(wrong.value)
    world = World()
    with pytest.raises(DataError):
        run(folder, world, review=["samples"])
    assert world.asked == []


def test_a_line_that_is_no_json_is_named(folder):
    stopped(folder, review=["samples"])
    folder.write_text(SAMPLES, folder.read_text(SAMPLES) + "{oops\n")
    with pytest.raises(DataError, match=r"samples.jsonl:\d+: not JSON"):
        check_review(folder)


def test_a_text_that_is_dropped_need_not_hold(folder):
    stopped(folder, review=["samples"])
    entries = lines(folder)
    said_by(f"{QUOTE}?", decision="drop")(entries)
    write_lines(folder, entries)
    check_review(folder)


# The person beside the judge


def rated(person, judge, deed=""):
    ratings = Ratings(utility=judge, relevance=judge)
    said = ByPerson(deed=deed, rating=person)
    base = {"id": "c", "batch": "b", "group": "g", "strategy_name": None, "seed_id": "t", "attempt": 0}
    return Candidate(**base, messages=[], answer=None, ratings=ratings, person=said)


def test_agreement_and_kappa():
    pairs = [(8, 9), (8, 8), (3, 9), (2, 3), (9, 4), (1, 1)]
    found = agreement([rated(*pair) for pair in pairs], threshold=7)
    assert (found.rated, found.within_one) == (6, 4 / 6)
    # Both pass 2, both fail 2, and they differ on 2: (4/6 - 1/2) / (1 - 1/2).
    assert found.kappa == pytest.approx(1 / 3)


def test_where_chance_explains_everything_there_is_no_kappa():
    assert agreement([rated(8, 9), rated(9, 9)], threshold=7).kappa is None
    assert agreement([rated(None, 9)], threshold=7) is None


def test_ratings_stand_beside_the_judges_in_the_report(folder):
    stopped(folder, review=["samples"], iterations=1)
    entries = lines(folder)
    for entry in entries:
        entry["rating"] = 8
    write_lines(folder, entries)
    run(folder, review=["samples"], iterations=1)
    table = review_table(read_run(folder))
    first, total = table.rows
    assert first[0] == "1" and total[0] == "all" and first[1:] == total[1:]
    passed = sum(e["judge"]["decision"] == "accept" for e in entries)
    assert dict(zip([c.title for c in table.columns], first, strict=True)) == {
        "iteration": "1", "edited": 0, "added": 0, "accepted": 0, "dropped": 0,
        "rated by both": len(entries), "person": 8.0,
        "judge": pytest.approx((8.5 * passed + 3 * (len(entries) - passed)) / len(entries)),
        "within 1 point, %": pytest.approx(100 * passed / len(entries)), "kappa": 0.0,
    }  # fmt: skip


def test_a_run_without_a_review_has_no_such_table(folder):
    run(folder)
    assert review_table(read_run(folder)).rows == []


# The commands


def test_waiting_for_a_person_is_no_error(folder, monkeypatch):
    stopped(folder, review=["strategies"])

    def drive(run, verbose, probing):
        raise ReviewDue("review: edit a/b.yaml, then `pada resume a` checks it and goes on")

    monkeypatch.setattr(resume_job, "drive", drive)
    result = CliRunner().invoke(app, ["resume", folder.url])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "review: edit a/b.yaml, then `pada resume a` checks it and goes on\n"


def test_resume_checks_the_edits_before_anything_is_started(folder, monkeypatch):
    stopped(folder, review=["strategies"])
    edit_strategies(folder, lambda entries: entries[0].update(decision="maybe"))
    monkeypatch.setattr(resume_job, "drive", lambda *args, **options: pytest.fail("started"))
    result = CliRunner().invoke(app, ["resume", folder.url])
    assert result.exit_code == 2
    assert "strategies.yaml:1: decision: input should be" in result.stderr.replace("\n", "")


def test_status_says_what_to_edit(folder):
    stopped(folder, review=["strategies"])
    said = CliRunner().invoke(app, ["status", folder.url]).stdout
    assert "waiting for review" in said
    assert f"\nreview: edit {folder.at(STRATEGIES)}, or the page of `pada ui" in said


def test_a_sweep_waits_for_nobody(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(RAW | {"review": ["samples"], "grid": {"seed": [1, 2]}}))
    with pytest.raises(ConfigError, match=r"sweep.yaml: review: a sweep waits for nobody; leave it out"):
        load_sweep(str(file), [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "vanilla", "review": ["samples"]}, "c.yaml: review: method vanilla has no samples written"),
        ({"method": "auggpt", "review": ["strategies"]}, "c.yaml: review: this run of method auggpt drafts no strat"),
        ({"review": ["strategies"], "pattern_analysis": {"enabled": False}}, "drafts no strategies"),
    ],
)
def test_a_method_that_makes_no_such_thing_is_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        check_reviewable(check_config(RAW | changes, "c.yaml"), "c.yaml")


def test_blind_strategies_and_rephrasings_can_be_reviewed(folder, tmp_path):
    assert STRATEGIES in stopped(folder, method="blind", review=["strategies"])
    other = Folder(str(tmp_path / "other"))
    for split in ("train", "val"):
        folder.copy_to(run_files.split(split), other, run_files.split(split))
    assert SAMPLES in stopped(other, method="auggpt", review=["samples"])


def test_records_of_runs_without_reviews_are_read():
    old = strategy().model_dump(exclude={"person"})
    assert Strategy.model_validate(old).person == ""


# As a page edits it


def changed(folder, *changes):
    """Makes changes (index, entry) on the review that the run waits for."""
    tag = read_review(folder).tag
    return write_review(folder, Changes(tag=tag, changes=[Change(at=at, entry=entry) for at, entry in changes]))


def test_changes_of_the_page_are_the_persons_file(folder):
    stopped(folder, review=["samples"])
    entries = read_review(folder).entries
    assert entries == lines(folder)
    own = {"messages": [{"role": "user", "content": "Ida has 4 and 9. Together?"}, entries[0]["messages"][1]]}
    saved = changed(folder, (1, entries[1] | {"decision": "drop", "rating": 2}), (len(entries), own))
    assert (saved.problem, saved.at) == (None, None)
    assert lines(folder) == [entries[0], entries[1] | {"decision": "drop", "rating": 2}, *entries[2:], own]
    check_review(folder)
    changed(folder, (1, entries[1]), (len(entries), None))
    assert lines(folder) == entries


def test_changes_come_in_any_order_and_what_ends_before_an_entry_may_end_already(folder):
    stopped(folder, review=["samples"])
    entries = read_review(folder).entries
    size, own = len(entries), {"messages": entries[0]["messages"]}
    changed(folder, (size + 1, {"id": "b", **own}), (size, {"id": "a", **own}))
    assert [entry["id"] for entry in lines(folder)[size:]] == ["a", "b"]
    changed(folder, (size + 2, None), (size, None))
    assert lines(folder) == entries
    before = folder.read_text(SAMPLES)
    for at in (-1, size + 1):
        with pytest.raises(ConfigError, match=f"no entry {at} among {size}"):
            changed(folder, (at, own))
    assert folder.read_text(SAMPLES) == before


def test_what_does_not_hold_is_saved_and_told_with_its_entry(folder):
    stopped(folder, review=["samples"])
    entries = read_review(folder).entries
    quoting = json.loads(json.dumps(entries[2]))
    quoting["messages"][0]["content"] = f"{QUOTE} at noon?"
    saved = changed(folder, (2, quoting))
    assert saved.at == 2 and "held-out" in saved.problem and "samples.jsonl:3" in saved.problem
    assert lines(folder)[2] == quoting
    assert changed(folder, (2, quoting | {"decision": "drop"})).problem is None


def test_strategies_are_edited_on_the_page_too(folder):
    stopped(folder, review=["strategies"])
    review = read_review(folder)
    assert review.what == "strategies" and review.entries == yaml.safe_load(folder.read_text(STRATEGIES))
    empty = review.entries[1] | {"strategy_name": " "}
    saved = changed(folder, (1, empty))
    assert saved.at == 1 and "strategy_name: it is empty" in saved.problem
    renamed = review.entries[1] | {"strategy_name": "Rates that change"}
    assert changed(folder, (1, renamed)).problem is None
    assert folder.read_text(STRATEGIES).startswith("# Samples are written by these strategies.")
    stopped(folder, review=["strategies"])  # at the next iteration's
    second = yaml.safe_load(folder.read_text("iteration-1/reviewed/strategies.yaml"))[1]
    assert (second["strategy_name"], second["person"]) == ("Rates that change", "edited by a person")


def test_a_file_that_cannot_be_read_is_for_an_editor(folder):
    stopped(folder, review=["samples"])
    for text in ("{oops", "[1]\n", "1\n"):
        folder.write_text(SAMPLES, text)
        with pytest.raises(DataError, match=r"samples\.jsonl: not .*mend it in an editor"):
            read_review(folder)


def test_marks_that_a_reader_does_not_see_are_named(folder):
    stopped(folder, review=["samples"])
    entry = read_review(folder).entries[1]
    entry["feedback"] = "so\u202egood"
    changed(folder, (1, entry))
    assert read_review(folder).hidden == [1]


def test_a_file_that_was_deleted_meanwhile_is_told(folder):
    stopped(folder, review=["samples"])
    review = read_review(folder)
    for file in ("review/iteration-1/samples.original.jsonl", SAMPLES):
        folder.remove(file)
        with pytest.raises(DataError, match=f"{file}: it is gone; `pada resume .*` writes it anew"):
            read_review(folder)
    with pytest.raises(DataError, match="it is gone"):
        write_review(folder, Changes(tag=review.tag, changes=[]))
    assert SAMPLES in stopped(folder, review=["samples"])
    assert read_review(folder) == review


def test_a_save_is_told_where_the_run_will_ask_once_more(folder):
    stopped(folder, review=["strategies"])
    folder.remove("events.jsonl")
    saved = changed(folder, (0, read_review(folder).entries[0] | {"decision": "drop"}))
    assert saved.problem.startswith("review: edit ")
    assert [entry["decision"] for entry in read_review(folder).entries] == ["drop", "accept"]


def test_a_save_reads_config_and_state_once(folder, monkeypatch):
    stopped(folder, review=["samples"])
    review = read_review(folder)
    read = []

    def counted(function):
        return lambda *args: read.append(function.__name__) or function(*args)

    for function in (reviews.read_config, reviews.read_state):
        monkeypatch.setattr(reviews, function.__name__, counted(function))
    dropped = Change(at=0, entry=review.entries[0] | {"decision": "drop"})
    assert write_review(folder, Changes(tag=review.tag, changes=[dropped])).problem is None
    assert sorted(read) == ["read_config", "read_state"]
