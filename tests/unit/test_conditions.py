"""Signs of a loop that goes nowhere: when they are seen, that they are told, and where they stop a run."""

import io

import pytest
from builders import RAW, batch, candidate, math_run, math_sample, sample
from rich.console import Console
from stub_workers import StubWorkers, run

from jobs.local import runner
from jobs.local.progress import Progress
from pada_ray.agents.quotas import fill_quotas
from pada_ray.config import check_config, dump_config
from pada_ray.errors import LoopStuck
from pada_ray.records import Ratings
from pada_ray.runs import run_files
from pada_ray.runs.conditions import no_better_than_chance, no_gain, one_sided_judge, unreadable
from pada_ray.runs.event_log import read_events
from pada_ray.runs.state import RunState, Score, read_state
from pada_ray.tasks import Knowledge, get_task


def score(right, of, unscored=0):
    return Score(samples=of + unscored, failures=of - right, truncated=0, unscored=unscored)


@pytest.mark.parametrize(
    ("right", "of", "chance", "said"),
    [
        (0, 40, 0.0, "m gets none of 40 val items right"),
        (1, 40, 0.0, None),
        (12, 40, 0.25, "m gets 12 of 40 val items right, which is no better than chance (25%)"),
        (30, 40, 0.25, None),
        (2, 4, 0.25, "m gets 2 of 4 val items right, which is no better than chance (25%)"),  # too few to tell
        (4, 40, 1 / 77, None),  # of 77 labels
    ],
)
def test_no_better_than_chance(right, of, chance, said):
    assert no_better_than_chance("m", score(right, of), chance) == said


def test_a_model_of_which_nothing_is_scored_is_not_said_to_know_nothing():
    assert no_better_than_chance("m", score(0, 0, unscored=5), 0.0) is None
    assert no_gain("m", score(1, 2), score(0, 0, unscored=5)) is None


def test_no_gain():
    assert no_gain("m", score(2, 4), score(3, 4)) is None
    assert no_gain("m", score(2, 4), score(2, 4)) == "val accuracy is 50.0 with m, and was 50.0 before it"


def rated(low, of):
    good, bad = Ratings(utility=9, relevance=9), Ratings(utility=2, relevance=2)
    one = candidate(batch(1))
    return [
        one.model_copy(update={"ratings": bad, "rejected": "low score"} if i < low else {"ratings": good})
        for i in range(of)
    ]


@pytest.mark.parametrize(
    ("low", "of", "said"),
    [
        (0, 20, "the judge passes all 20 samples that it rates"),
        (25, 25, "the judge turns down all 25 samples that it rates"),
        (1, 25, None),
        (0, 19, None),
    ],
)
def test_one_sided_judge(low, of, said):
    assert one_sided_judge(rated(low, of)) == said


def test_what_the_judge_was_not_asked_about_does_not_count_for_it():
    turned_down = candidate(batch(1)).model_copy(update={"rejected": "leak"})
    assert one_sided_judge([*rated(0, 20), turned_down]) is not None
    assert one_sided_judge([turned_down] * 30) is None


def test_unreadable():
    assert unreadable("samples", 20, 10) == "10 of 20 samples could not be read"
    assert unreadable("samples", 20, 9) is None
    assert unreadable("samples", 4, 4) is None


def test_chance_follows_from_the_task():
    of_four = sample("multiple_choice", "Which is a mammal?\nA. trout\nB. whale\nC. ant\nD. crow", "B", "B")
    assert get_task("multiple_choice").chance(of_four) == 0.25
    label = sample("label", "My card is late.", "card", "card")
    assert get_task("label", Knowledge(labels=["card", "cash", "loan", "fee", "app"])).chance(label) == 0.2
    assert get_task("label").chance(label) == 0.0
    assert get_task("math").chance(math_sample("m")) == 0.0


class Knowing(StubWorkers):
    """Iteration k is right on `right[k]` of the four items of a split."""

    right = (1, 2, 3)

    def fails(self, sample, position, model):
        return position >= (0, *self.right)[model + 1]


class Nothing(Knowing):
    right = (0, 0, 0)


class Standing(Knowing):
    right = (2, 2, 3)


class Unread(Knowing):
    async def error_analysis(self, failures):
        self._ask("error_analysis")
        return []


class Passing(Knowing):
    """Its judge passes all."""

    async def augment(self, job, screen):
        async def review(batch, candidates):
            return [c.model_copy(update={"ratings": Ratings(utility=9, relevance=9)}) for c in candidates]

        return await fill_quotas(job, self.write, review)


def prepared(tmp_path, val=4):
    return math_run(tmp_path / "run", val=val, test=0)


def test_signs_are_told_once_and_the_run_goes_on(tmp_path):
    folder = prepared(tmp_path)
    state = run(folder, Nothing())
    assert state.status == "done"
    assert state.warnings == {
        **{f"iteration-{i}: no_better_than_chance": f"iteration-{i} gets none of 4 val items right" for i in range(3)},
        "iteration-1: no_gain": "val accuracy is 0.0 with iteration-1, and was 0.0 before it",
        "iteration-2: no_gain": "val accuracy is 0.0 with iteration-2, and was 0.0 before it",
    }
    told = [event.figures["told"] for event in read_events(folder) if event.event == "warning"]
    assert sorted(told) == sorted(state.warnings.values())


@pytest.mark.parametrize(
    ("world", "condition", "val", "last"),
    [
        (Nothing, "no_better_than_chance", 4, "evaluate iteration-0/adapter"),
        (Standing, "no_gain", 4, "evaluate iteration-1/adapter"),
        (Unread, "unreadable", 12, "error_analysis"),
    ],
)
def test_a_run_stops_where_its_config_says_before_more_is_spent_and_goes_on(tmp_path, world, condition, val, last):
    folder, workers = prepared(tmp_path, val), world()
    with pytest.raises(LoopStuck, match=rf"^{condition}: .*`pada resume \S+ --set 'stop_if=\[\]'` goes on") as stuck:
        run(folder, workers, stop_if=[condition])
    assert "\n" not in str(stuck.value)
    assert workers.asked[-1] == last
    state = read_state(folder)
    assert (state.status, state.error) == ("paused", str(stuck.value))
    with pytest.raises(LoopStuck):  # nothing has changed
        run(folder, world(), stop_if=[condition])
    again = world()
    assert run(folder, again, stop_if=[]).status == "done"
    assert not set(workers.asked) & {step for step in again.asked if step.startswith("fine_tune iteration-0")}


def test_a_judge_that_passes_all_stops_before_the_next_training(tmp_path):
    folder, world = prepared(tmp_path), Passing()
    with pytest.raises(LoopStuck, match=r"^one_sided_judge: the judge passes all 20 samples"):
        run(folder, world, stop_if=["one_sided_judge"], data_generation={"ratio": 2.5})
    assert "fine_tune iteration-1/adapter" not in world.asked


def test_after_the_last_iteration_there_is_nothing_to_stop(tmp_path):
    class Sinking(Knowing):
        right = (1, 3, 2)

    state = run(prepared(tmp_path), Sinking(), stop_if=["no_gain"])
    assert state.status == "done"
    assert list(state.warnings) == ["iteration-2: no_gain"]


def test_the_terminal_tells_each_sign_once():
    out = io.StringIO()
    progress = Progress(Console(file=out, width=200), {"one": check_config(RAW, "test")})
    state = RunState(name="one", warnings={"iteration-0: no_gain": "val [b]fell"})
    progress.warn("one", state)
    progress.warn("one", state)
    assert out.getvalue().count("warning: val [b]fell") == 1


@pytest.fixture
def at_a_terminal(monkeypatch, tmp_path):
    """Drives a run whose stub stops at each condition that it is told to stop at, in turn; gives what it was asked and
    which conditions each start stopped at."""

    def of(terminal, answers, stop_if=()):
        folder = prepared(tmp_path)
        folder.write_text(run_files.CONFIG, dump_config(check_config(RAW | {"stop_if": list(stop_if)}, "test")))
        starts, questions = [], []

        def drive_all(runs, parallel, verbose, console, *, probing, asked):
            starts.append(sorted(asked))
            stuck = next((name for name in ("no_better_than_chance", "unreadable") if name in (*asked, *stop_if)), None)
            return {folder.url: LoopStuck(f"{stuck}: it is bad; mend it; `pada resume` goes on")} if stuck else {}

        def confirm(question, default):
            questions.append(question)
            return answers.pop(0)

        monkeypatch.setattr(runner, "drive_all", drive_all)
        monkeypatch.setattr(runner, "print_ending", lambda folder, console: None)
        monkeypatch.setattr(runner, "read_state", lambda folder: None)
        monkeypatch.setattr(runner.typer, "confirm", confirm)
        monkeypatch.setattr(runner.sys.stdin, "isatty", lambda: terminal, raising=False)
        monkeypatch.setattr(runner, "Console", lambda file: Console(file=io.StringIO(), force_terminal=terminal))
        stuck = None
        try:
            runner.drive(folder.url, verbose=False)
        except LoopStuck as e:
            stuck = str(e).partition(":")[0]
        return stuck, questions, starts

    return of


def test_at_a_terminal_it_asks_before_more_is_spent(at_a_terminal):
    stuck, questions, starts = at_a_terminal(True, [True, True])
    assert stuck is None
    assert questions == [
        "no_better_than_chance: it is bad; mend it. Go on, and spend more?",
        "unreadable: it is bad; mend it. Go on, and spend more?",
    ]
    assert starts == [
        ["cannot_tell", "no_better_than_chance", "one_sided_judge", "unreadable"],
        ["cannot_tell", "one_sided_judge", "unreadable"],
        ["cannot_tell", "one_sided_judge"],
    ]


def test_a_no_leaves_the_run_paused(at_a_terminal):
    assert at_a_terminal(True, [False])[0] == "no_better_than_chance"


def test_without_a_terminal_nobody_is_asked(at_a_terminal):
    assert at_a_terminal(False, []) == (None, [], [[]])


def test_what_the_config_stops_at_is_not_asked(at_a_terminal):
    stuck, questions, _ = at_a_terminal(True, [], stop_if=["no_better_than_chance"])
    assert (stuck, questions) == ("no_better_than_chance", [])
