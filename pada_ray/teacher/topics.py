"""The teacher's vocabulary: the scenarios and the causes of errors that it distinguishes.

Scenarios are coarser than the demo's kinds of problem: a strategy that names one leaves open which of several
kinds it means, as a real analyst's words would. The words for a topic vary but always contain one of its
`marks`, so that the next step or prompt can find it in the text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    name: str
    marks: str  # a regular expression
    phrases: tuple[str, ...]
    kinds: tuple[str, ...] = ()  # of the demo's problems
    sentences: tuple[str, ...] = ()  # of a diagnosis, for a cause

    def mentions(self, text: str) -> int:
        return len(re.findall(self.marks, text, re.IGNORECASE))

    def phrase(self, rng: random.Random) -> str:
        return rng.choice(self.phrases)


SCENARIOS = (
    Topic(
        "comparison",
        r"\bcompar",
        ("comparison of two amounts", "comparing what two people have", "amounts given by comparison"),
        ("difference", "more_than", "reversed_more", "reversed_fewer"),
    ),
    Topic(
        "gains and losses",
        r"\bgains?\b|\bloss",
        ("gains and losses over time", "an amount before and after a gain or loss", "a gain or loss told"),
        ("gain", "loss", "start_before_loss", "start_before_gain"),
    ),
    Topic(
        "remainder",
        r"\bremain",
        ("what remains of a whole", "remainder of a whole or a payment", "finding the remaining part"),
        ("part_of_whole", "change"),
    ),
    Topic(
        "grouping",
        r"\bgroup",
        ("grouping and totals", "totals of groups", "groups put together or split"),
        ("total", "equal_groups", "sharing"),
    ),
    Topic(
        "calendar",
        r"\bcalendar",
        ("calendar arithmetic", "calendar dates and durations", "moving along the calendar"),
        ("days_later", "days_before"),
    ),
    Topic(
        "unit conversion",
        r"\bunits?\b",
        ("unit conversion", "conversion between units", "units of different size"),
        ("large_to_small", "small_to_large"),
    ),
    Topic(
        "several facts",
        r"\bseveral\b",
        ("several facts in one story", "stories with several facts", "several facts or steps"),
        ("irrelevant_number", "gain_then_loss", "comparison_then_total"),
    ),
    Topic(
        "large numbers",
        r"\bthree-digit",
        ("three-digit arithmetic", "sums with three-digit numbers", "three-digit amounts"),
        ("large_sum", "large_difference"),
    ),
)

CAUSES = (
    Topic(
        "signal word",
        r"signal word",
        ("misleading signal word", "trust in a signal word", "signal word read as a command"),
        ("reversed_more", "reversed_fewer", "start_before_loss", "start_before_gain"),
        (
            "The model follows a signal word and takes the operation it suggests, although the sentence "
            "tells the relation from the other side.",
            "A signal word is read as a command to add or subtract; the relation it stands in is not read, "
            "and the operation comes out reversed.",
            "The operation is picked by a signal word alone, so it is reversed where the relation is told "
            "from the other side.",
        ),
    ),
    Topic(
        "opposite operation",
        r"opposite operation",
        ("use of the opposite operation", "the opposite operation chosen"),
        ("reversed_more", "reversed_fewer", "days_before", "change", "small_to_large", "difference"),
        (
            "The model applies the opposite operation: it goes in the wrong direction with the right numbers.",
            "The numbers are taken over rightly, but the opposite operation is used, in the wrong direction.",
            "The direction is mistaken, which leads to the opposite operation on the right numbers.",
        ),
    ),
    Topic(
        "other operation",
        r"unsuitable operation",
        ("unsuitable operation", "choice of an unsuitable operation"),
        ("equal_groups", "sharing", "large_to_small", "small_to_large"),
        (
            "The model chooses an unsuitable operation, mixing up adding with multiplying or dividing.",
            "An unsuitable operation is used: the roles of the quantities, as rate or as amount, are not "
            "told apart when multiplying, dividing or adding.",
        ),
    ),
    Topic(
        "unneeded number",
        r"unneeded (number|value)",
        ("use of an unneeded number", "an unneeded number taken in"),
        ("irrelevant_number",),
        (
            "The model works with an unneeded number that has no bearing on what is asked.",
            "An unneeded number is drawn into the calculation; which values matter is not sorted out first.",
        ),
    ),
    Topic(
        "missing step",
        r"\b(missing|omitted) step|step is (missing|omitted)",
        ("missing step", "a missing step at the end"),
        ("gain_then_loss", "comparison_then_total"),
        (
            "A step is missing: the model stops after the first result and reports it as the answer.",
            "The model leaves a missing step; the intermediate result is given instead of the final one.",
        ),
    ),
    Topic(
        "extra step",
        r"superfluous step",
        ("superfluous step", "a superfluous step added"),
        (),
        ("The model adds a superfluous step after the answer has been reached already.",),
    ),
    Topic(
        "order",
        r"swapped order|order is swapped",
        ("swapped order of the numbers", "numbers in swapped order"),
        ("difference", "days_before"),
        ("The right operation is applied to the numbers in swapped order.",),
    ),
    Topic(
        "miscalculation",
        r"miscalculat",
        ("miscalculation", "miscalculated result"),
        ("large_sum", "large_difference"),
        (
            "The equation is set up rightly, but its result is miscalculated, with digits or a carry gone wrong.",
            "The model miscalculates: the right operation on the right numbers ends in a wrong result, by "
            "digits or a carry.",
        ),
    ),
    Topic(
        "wrong value",
        r"wrong values?",
        ("wrong values taken over", "a wrong value in the equation"),
        (),
        (
            "The model brings a wrong value into the equation, one that is not among the numbers needed.",
            "A wrong value stands in the equation: a number was taken over inexactly or its rate is not known.",
        ),
    ),
    Topic(
        "no answer",
        r"without (a|any) (readable|usable) answer",
        ("reply without a readable answer", "reply without any usable answer"),
        (),
        (
            "The reply ends without a readable answer in the form that is expected.",
            "The reply stays without any usable answer: the expected form is not kept.",
        ),
    ),
    Topic(
        "tempting option",
        r"tempting option",
        ("a tempting option chosen", "pull of a tempting option"),
        (),
        (
            "The model picks a tempting option that shares words with the question instead of testing each one.",
            "A tempting option wins because its words resemble the question's; its meaning is not tested.",
        ),
    ),
    Topic(
        "long option",
        r"detailed option",
        ("preference for the most detailed option",),
        (),
        ("The model prefers the most detailed option, as if length were a sign of truth.",),
    ),
    Topic(
        "other option",
        r"distractor",
        ("a plausible distractor chosen", "mistaking a distractor for the answer"),
        (),
        (
            "The model settles on a plausible distractor, because the deciding fact or relation is not recalled.",
            "A distractor is taken for the answer; what sets it apart from the right one is not considered.",
        ),
    ),
    Topic(
        "span too long",
        r"span too long|too long a span",
        ("span too long", "too long a span copied"),
        (),
        ("The model copies too long a span: words round the answer are taken along.",),
    ),
    Topic(
        "span too short",
        r"span too short|too short a span",
        ("span too short", "too short a span copied"),
        (),
        ("The model copies too short a span and loses words that belong to the answer.",),
    ),
    Topic(
        "other span",
        r"span from elsewhere",
        ("a span from elsewhere in the passage",),
        (),
        (
            "The model copies a span from elsewhere in the passage, of a similar type, without following "
            "what the question asks about.",
            "A span from elsewhere is given: a neighbouring name, date or number is mistaken for the one asked for.",
        ),
    ),
    Topic(
        "broken code",
        r"code that does not parse",
        ("code that does not parse",),
        (),
        ("The model writes code that does not parse, so nothing of its logic can run.",),
    ),
    Topic(
        "faulty logic",
        r"faulty logic",
        ("faulty logic of the function", "faulty logic in special cases"),
        (),
        (
            "The code runs but has faulty logic: conditions or special cases of the description are overlooked.",
            "Faulty logic: the function treats the usual case and misses boundary cases of its description.",
        ),
    ),
    Topic(
        "early final number",
        r"intermediate (number|result) as (the )?final",
        ("intermediate result as final answer",),
        (),
        (
            "The model reports an intermediate result as the final answer; the last part of the plan is not "
            "carried out.",
        ),
    ),
    Topic(
        "other number",
        r"chain of calculations",
        ("a break in the chain of calculations", "chain of calculations set up wrongly"),
        (),
        (
            "The chain of calculations leaves the right track, since a relation between the quantities is misread.",
            "A link in the chain of calculations is set up wrongly, and all that follows inherits the error.",
        ),
    ),
    Topic(
        "other text",
        r"different content",
        ("reply with different content",),
        (),
        ("The reply has different content from the reference: the request is understood only in part.",),
    ),
)

SCENARIO_OF_KIND = {kind: scenario for scenario in SCENARIOS for kind in scenario.kinds}
CAUSE = {cause.name: cause for cause in CAUSES}


def topics_in(text: str, topics: Iterable[Topic], share: float = 0.0) -> list[Topic]:
    """The topics that a text mentions, the most frequent first; with `share`, only those mentioned at least
    that fraction as often as the first."""
    counts = [(topic.mentions(text), topic) for topic in topics]
    found = sorted((pair for pair in counts if pair[0]), key=lambda pair: -pair[0])
    return [topic for count, topic in found if count >= share * found[0][0]]
