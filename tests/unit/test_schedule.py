from pada_ray.schedule import seconds_left
from pada_ray.state import FinishedStage, RunState


def test_what_was_never_seen_makes_it_a_lower_bound():
    left, bound = seconds_left(RunState(name="a"), iterations=1, stage_seconds=0)
    assert (left, bound) == (0, True)


def test_later_stages_are_taken_to_last_as_long_as_the_last_of_their_kind():
    known = RunState(
        name="a",
        stage="iteration-0: evaluation",
        finished={
            "base: evaluation": FinishedStage(output="x", seconds=10),
            "iteration-0: fine-tuning": FinishedStage(output="x", seconds=30),
        },
    )
    # one evaluation under way for 4 of its 10 seconds, then one more fine-tuning and evaluation
    assert seconds_left(known, iterations=1, stage_seconds=4) == (6 + 30 + 10, True)
    assert seconds_left(known, iterations=0, stage_seconds=4) == (6, False)
    assert seconds_left(known, iterations=0, stage_seconds=99) == (0, False)
