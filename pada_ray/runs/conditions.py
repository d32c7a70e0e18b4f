"""Signs of a loop that goes nowhere. Each is told when it is seen, and stops the run where `stop_if` names it.

Each function takes the run's own figures and gives the sign in words, or None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pada_ray.agents.planted import passed
from pada_ray.agents.quotas import Augmentation
from pada_ray.config import StopCondition
from pada_ray.errors import LoopStuck
from pada_ray.records import Candidate
from pada_ray.runs.state import Score

FEWEST_RATINGS = 20  # of fewer a judge may well pass or turn down all
FEWEST_ASKED = 10
_SURE = 0.05  # above this chance explains the figure
ASKED: tuple[StopCondition, ...] = ("no_better_than_chance", "one_sided_judge", "cannot_tell", "unreadable")
"""Those that a person at a terminal is asked about: something is likely broken. That an iteration gains nothing is
common, and only told."""
ADVICE: dict[StopCondition, str] = {
    "no_better_than_chance": "read its replies in {model}/predictions.jsonl, whether they have the form that the task "
    "expects",
    "one_sided_judge": "read what it says in {model}/accepted.jsonl and rejected.jsonl; another llm.judge or "
    "quality_control.threshold may help",
    "cannot_tell": "read {model}/canaries.jsonl; another quality_control.verify may help, or another llm.judge",
    "unreadable": "another model may help, or a higher max_tokens of its endpoint",
    "no_gain": "the models so far are kept, and the best of them is chosen where the run ends",
}


Sign = tuple[StopCondition, str]
"""A condition and what is told of it."""


def signs_of_model(model: str, before: Score | None, score: Score, chance: float) -> Iterator[Sign]:
    """In the score of an iteration's model on val; `before` is that of the model before it."""
    if told := no_better_than_chance(model, score, chance):
        yield "no_better_than_chance", told
    if before and (told := no_gain(model, before, score)):
        yield "no_gain", told
    if told := unreadable("ratings of val replies", score.samples, score.unscored):
        yield "unreadable", told


def signs_of_generation(made: Augmentation) -> Iterator[Sign]:
    """In what came of an iteration's data generation."""
    if told := one_sided_judge([*made.accepted, *made.rejected]):
        yield "one_sided_judge", told
    asked, reviewed = sum(sum(g.asked) for g in made.groups), sum(sum(g.reviewed) for g in made.groups)
    unscored = sum(g.rejected.get("unscored", 0) for g in made.groups)
    unwritten = unreadable("samples asked for", asked, sum(g.unwritten for g in made.groups))
    if told := unwritten or unreadable("ratings of samples", reviewed, unscored):
        yield "unreadable", told


def no_better_than_chance(model: str, score: Score, chance: float) -> str | None:
    """A model that gets no item of val right, or no more than guessing does. `chance` is the share, 0 to 1, that a
    guess gets right on average. Tested by the binomial, one-sided at 5%, since few items tell little."""
    scored = score.samples - score.unscored
    right = scored - score.failures
    if not scored:
        return None
    if not right:
        return f"{model} gets none of {scored} val items right"
    if not chance:
        return None
    from scipy.stats import binomtest  # it takes a second to load

    if binomtest(right, scored, min(chance, 1.0), alternative="greater").pvalue <= _SURE:
        return None
    return f"{model} gets {right} of {scored} val items right, which is no better than chance ({chance:.0%})"


def no_gain(model: str, before: Score, after: Score) -> str | None:
    """An iteration whose model does no better on val than the one before it."""
    if not after.accuracy <= before.accuracy:  # also where one of them is nan
        return None
    return f"val accuracy is {100 * after.accuracy:.1f} with {model}, and was {100 * before.accuracy:.1f} before it"


def one_sided_judge(candidates: Sequence[Candidate]) -> str | None:
    """A judge that passes, or turns down, everything that it rates."""
    rated = [candidate for candidate in candidates if candidate.ratings is not None]
    low = sum(candidate.rejected == "low score" for candidate in rated)
    if len(rated) < FEWEST_RATINGS or 0 < low < len(rated):
        return None
    return f"the judge {'turns down' if low else 'passes'} all {len(rated)} samples that it rates"


def cannot_tell(canaries: Sequence[Candidate]) -> str | None:
    """Quality control that passes wrong samples nearly as often as right ones."""
    found = passed(canaries)
    return None if found.tells else f"quality control {found} that were planted"


def unreadable(what: str, asked: int, unread: int) -> str | None:
    """Half or more of what was asked for in LLM calls could not be read, after all that is asked again."""
    if asked < FEWEST_ASKED or 2 * unread < asked:
        return None
    return f"{unread} of {asked} {what} could not be read"


def stuck(condition: StopCondition, told: str, model: str, run: str) -> LoopStuck:
    """The error at which the run pauses. It says what to do, and how to go on all the same."""
    return LoopStuck(
        f"{condition}: {told}; {ADVICE[condition].format(model=model)}; "
        f"`pada resume {run} --set 'stop_if=[]'` goes on all the same"
    )
