"""The words of the demo's problems: names, things, units, and all templates of questions.

Each kind of problem has three separate sets of templates. `task` is for train, val and test. `teacher` is
for the offline teacher's new questions: paraphrases, as by a writer who has read the failures. `pretraining`
is for pretraining questions that come with their answers. So what a student learns from a synthetic sample
must carry over to other words.

Fields: `{a}`, `{b}`, `{c}` are numbers, `{x}` and `{y}` two people, `{thing}` and `{other}` two plural nouns.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Wording = Literal["task", "teacher", "pretraining"]


class Unit(NamedTuple):
    big: str
    small: str
    ratio: int  # small units in a big one


class Templates(NamedTuple):
    task: tuple[str, ...]
    teacher: tuple[str, ...]
    pretraining: tuple[str, ...]


NAMES = (
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Iris", "Jack", "Kate", "Leo",
    "Mia", "Noah", "Olga", "Paul", "Rosa", "Sam", "Tina", "Victor", "Wendy", "Zoe",
)  # fmt: skip
THINGS = (
    "apples", "books", "cards", "coins", "cups", "eggs", "flowers", "hats", "keys", "lemons", "marbles",
    "muffins", "nuts", "pears", "pens", "plates", "shells", "stamps", "stickers", "stones",
)  # fmt: skip
GOODS = ("bag", "ball", "belt", "cake", "game", "kite", "lamp", "scarf", "shirt", "toy")
MONTHS = ("January", "March", "April", "May", "June", "July", "August", "October", "November", "December")
PLACES = ("cinema", "library", "market", "museum", "school", "stadium", "theater", "zoo")
UNITS = (
    Unit("weeks", "days", 7),
    Unit("years", "months", 12),
    Unit("yards", "feet", 3),
    Unit("gallons", "quarts", 4),
    Unit("decades", "years", 10),
    Unit("dozens", "pieces", 12),
)

TEMPLATES: dict[str, Templates] = {
    "gain": Templates(
        task=(
            "{x} has {a} {thing} and gets {b} more. How many {thing} does {x} have now?",
            "{x} had {a} {thing}. Then {x} found {b} more {thing}. How many are there now?",
        ),
        teacher=(
            "{x} owns {a} {thing} and buys {b} more. How many {thing} does {x} own now?",
            "{x} has {a} {thing}. A friend brings {b} more {thing}. How many {thing} are there now?",
            "With {a} {thing} at home, {x} gets {b} more. How many {thing} are at home now?",
        ),
        pretraining=("start with {a} {thing} , {x} adds {b}. what number of {thing}?",),
    ),
    "loss": Templates(
        task=(
            "{x} has {a} {thing} and gives away {b}. How many {thing} does {x} have left?",
            "{x} had {a} {thing}, but {b} of them broke. How many {thing} remain?",
        ),
        teacher=(
            "{x} owns {a} {thing} and sells {b}. How many {thing} does {x} own now?",
            "{x} had {a} {thing} and lost {b} of them. How many {thing} are left?",
            "{x} has {a} {thing} at home, but gives {b} to a friend. How many {thing} remain at home?",
        ),
        pretraining=("start with {a} {thing} , {x} removes {b}. what number of {thing}?",),
    ),
    "difference": Templates(
        task=("{x} has {a} {thing} and {y} has {b} {thing}. How many more {thing} does {x} have than {y}?",),
        teacher=(
            "{x} owns {a} {thing} and {y} owns {b}. How many more {thing} does {x} own?",
            "{y} has {b} {thing} while {x} has {a} {thing}. How many more than {y} does {x} have?",
            "Compare {a} {thing} of {x} and {b} {thing} of {y}. How many more has {x}?",
        ),
        pretraining=("{x} : {a} {thing} , {y} : {b} {thing}. what is the difference?",),
    ),
    "total": Templates(
        task=(
            "{x} has {a} {thing} and {y} has {b} {thing}. How many {thing} do they have together?",
            "There are {a} {thing} on the table and {b} {thing} in the box. How many are there in all?",
        ),
        teacher=(
            "{x} owns {a} {thing} and {y} owns {b}. How many {thing} do they own together?",
            "{x} brings {a} {thing} and {y} brings {b} {thing}. How many {thing} are there together?",
            "There are {a} {thing} in one bag and {b} {thing} in another. How many are there in all?",
        ),
        pretraining=("{x} : {a} {thing} , {y} : {b} {thing}. what is the sum?",),
    ),
    "equal_groups": Templates(
        task=(
            "There are {a} boxes with {b} {thing} in each box. How many {thing} are there in all?",
            "{x} fills {a} bags with {b} {thing} each. How many {thing} does {x} use?",
        ),
        teacher=(
            "{x} has {a} bags with {b} {thing} in each bag. How many {thing} does {x} have in all?",
            "Each of {a} boxes holds {b} {thing}. How many {thing} are there in all?",
            "{x} buys {a} packs of {b} {thing} each. How many {thing} does {x} buy?",
        ),
        pretraining=("{a} groups of {b} {thing}. what number of {thing}?",),
    ),
    "sharing": Templates(
        task=(
            "{x} shares {a} {thing} equally among {b} friends. How many {thing} does each friend get?",
            "{a} {thing} are packed into {b} boxes, the same number in each. How many are in one box?",
        ),
        teacher=(
            "{x} splits {a} {thing} equally among {b} children. How many {thing} does each child get?",
            "{x} packs {a} {thing} into {b} bags, the same number in each. How many {thing} are in one bag?",
            "{b} friends share {a} {thing} equally. How many {thing} does each one get?",
        ),
        pretraining=("split {a} {thing} in {b} groups. what number in one group?",),
    ),
    "days_later": Templates(
        task=("Today is {month} {a}. What day of the month will it be in {b} days?",),
        teacher=(
            "It is {month} {a} today. What will be the day of the month in {b} days?",
            "{x} leaves in {b} days and today is {month} {a}. On what day of the month does {x} leave?",
            "Today is {month} {a} and the trip begins in {b} days. What day of the month will it be then?",
        ),
        pretraining=("date {month} {a} , go forward {b} days. what date?",),
    ),
    "large_to_small": Templates(
        task=("{x} asks: How many {small} are there in {a} {big}?",),
        teacher=(
            "How many {small} do {a} {big} make?",
            "{x} counts {a} {big}. How many {small} are there in them?",
            "Write {a} {big} as {small}. How many {small} are there?",
        ),
        pretraining=("change {a} {big} to the smaller {small}.",),
    ),
    "more_than": Templates(
        task=(
            "{x} has {a} {thing}. {y} has {b} more {thing} than {x}. How many {thing} does {y} have?",
        ),
        teacher=(
            "{x} owns {a} {thing}. {y} owns {b} more than {x}. How many {thing} does {y} own?",
            "{x} has {a} {thing} and {y} has {b} more {thing} than {x}. How many {thing} are with {y}?",
            "{y} has {b} more {thing} than {x}, who has {a}. How many {thing} does {y} have?",
        ),
        pretraining=("{x} : {a} {thing} , {y} : {b} above {x}. what has {y}?",),
    ),
    "part_of_whole": Templates(
        task=("There are {a} {thing}. {b} of them are red and the rest are blue. How many are blue?",),
        teacher=(
            "Of {a} {thing}, {b} are red and the rest are green. How many {thing} are green?",
            "{x} has {a} {thing}. {b} of them are big and the rest are small. How many are small?",
            "There are {a} {thing} in a box. {b} of them are old. How many {thing} are new?",
        ),
        pretraining=("{a} {thing} , {b} green , others white. what number is white?",),
    ),
    "large_sum": Templates(
        task=(
            "The {place} had {a} visitors on Monday and {b} on Tuesday. How many visitors came in all?",
        ),
        teacher=(
            "{a} people came to the {place} on Friday and {b} on Saturday. How many people came in all?",
            "The {place} sold {a} tickets on Monday and {b} on Tuesday. How many tickets were sold in all?",
            "The {place} had {a} visitors in May and {b} visitors in June. How many visitors were there in all?",
        ),
        pretraining=("the {place} counts {a} , then {b}. what is the sum?",),
    ),
    "large_difference": Templates(
        task=("The {place} printed {a} tickets and sold {b} of them. How many tickets are left?",),
        teacher=(
            "The {place} had {a} tickets and sold {b}. How many tickets remain?",
            "The {place} has {a} seats and {b} of them are taken. How many seats are left?",
            "Of {a} lamps in the {place}, {b} broke. How many lamps are left?",
        ),
        pretraining=("the {place} counts {a} , {b} go. what is left?",),
    ),
    "reversed_more": Templates(
        task=("{x} has {a} {thing}, which is {b} more than {y} has. How many {thing} does {y} have?",),
        teacher=(
            "{x} has {a} {thing}. That is {b} more than {y} has. How many {thing} does {y} have?",
            "{x} owns {a} {thing}, which is {b} more than {y} owns. How many {thing} does {y} own?",
            "{x} has {a} {thing}, {b} more than {y} has. How many {thing} are with {y}?",
        ),
        pretraining=("{x} : {a} {thing} , so {x} is {b} above {y}. what has {y}?",),
    ),
    "reversed_fewer": Templates(
        task=("{x} has {a} {thing}, which is {b} fewer than {y} has. How many {thing} does {y} have?",),
        teacher=(
            "{x} has {a} {thing}. That is {b} fewer than {y} has. How many {thing} does {y} have?",
            "{x} owns {a} {thing}, which is {b} fewer than {y} owns. How many {thing} does {y} own?",
            "{x} has {a} {thing}, {b} fewer than {y} has. How many {thing} are with {y}?",
        ),
        pretraining=("{x} : {a} {thing} , so {x} is {b} below {y}. what has {y}?",),
    ),
    "start_before_loss": Templates(
        task=(
            "{x} gave away {b} {thing} and now has {a} {thing} left. How many {thing} did {x} have at first?",
        ),
        teacher=(
            "{x} lost {b} {thing} and now has {a} left. How many {thing} did {x} have at first?",
            "After {x} gave away {b} {thing}, {a} {thing} are left. How many {thing} were there at first?",
            "{x} sold {b} {thing} and has {a} {thing} left now. How many {thing} did {x} have before?",
        ),
        pretraining=("{x} removed {b} {thing} , end is {a}. what was the start?",),
    ),
    "start_before_gain": Templates(
        task=("{x} got {b} {thing} and now has {a} {thing}. How many {thing} did {x} have at first?",),
        teacher=(
            "{x} found {b} {thing} and now has {a}. How many {thing} did {x} have at first?",
            "After {x} got {b} {thing}, there are {a} {thing}. How many {thing} were there at first?",
            "{x} bought {b} {thing} and has {a} {thing} now. How many {thing} did {x} have before?",
        ),
        pretraining=("{x} added {b} {thing} , end is {a}. what was the start?",),
    ),
    "irrelevant_number": Templates(
        task=(
            "{x} has {a} {thing} and {c} {other}. {x} gets {b} more {thing}. "
            "How many {thing} does {x} have now?",
        ),
        teacher=(
            "{x} owns {a} {thing} and {c} {other} and buys {b} more {thing}. How many {thing} does {x} own now?",
            "{x} has {a} {thing} and {c} {other}. Then {x} finds {b} {thing}. How many {thing} are there now?",
            "With {a} {thing} and {c} {other} at home, {x} gets {b} more {thing}. How many {thing} are at home now?",
        ),
        pretraining=("start with {a} {thing} , {c} {other} , {x} adds {b} {thing}. what number of {thing}?",),
    ),
    "change": Templates(
        task=(
            "{x} buys a {good} for {b} dollars and pays with {a}. How many dollars does {x} get back?",
        ),
        teacher=(
            "A {good} costs {b} dollars. {x} pays with {a} dollars. How many dollars does {x} get back?",
            "{x} buys a {good} that costs {b} dollars and pays {a}. How much money does {x} get back?",
            "{x} buys a {good} for {b} dollars and gives {a} dollars. How many dollars come back?",
        ),
        pretraining=("price of {good} {b} dollars , {x} pays {a}. what comes back?",),
    ),
    "days_before": Templates(
        task=("Today is {month} {a}. What day of the month was it {b} days ago?",),
        teacher=(
            "It is {month} {a} today. What was the day of the month {b} days ago?",
            "{x} left {b} days ago and today is {month} {a}. On what day of the month did {x} leave?",
            "Today is {month} {a} and the trip began {b} days ago. What day of the month was it then?",
        ),
        pretraining=("date {month} {a} , go back {b} days. what date?",),
    ),
    "small_to_large": Templates(
        task=("{x} asks: How many {big} are {a} {small}?",),
        teacher=(
            "How many {big} do {a} {small} make?",
            "{x} counts {a} {small}. How many {big} are they?",
            "Write {a} {small} as {big}. How many {big} are there?",
        ),
        pretraining=("change {a} {small} to the larger {big}.",),
    ),
    "gain_then_loss": Templates(
        task=(
            "{x} has {a} {thing}, gets {b} more and then gives away {c}. How many {thing} does {x} have now?",
        ),
        teacher=(
            "{x} has {a} {thing}, finds {b} more and then loses {c}. How many {thing} does {x} have in the end?",
            "{x} had {a} {thing}, got {b} more and then gave away {c}. How many {thing} are left now?",
            "{x} owns {a} {thing}, buys {b} more {thing} and then sells {c}. How many {thing} does {x} own now?",
        ),
        pretraining=("start with {a} {thing} , {x} adds {b} , then removes {c}. what number of {thing}?",),
    ),
    "comparison_then_total": Templates(
        task=(
            "{x} has {a} {thing}. {y} has {b} more {thing} than {x}. "
            "How many {thing} do they have together?",
        ),
        teacher=(
            "{x} owns {a} {thing}. {y} owns {b} more than {x}. How many {thing} do they own together?",
            "{x} has {a} {thing} and {y} has {b} more {thing} than {x}. How many {thing} are there together?",
            "{y} has {b} more {thing} than {x}, who has {a}. How many {thing} do they have together?",
        ),
        pretraining=("{x} : {a} {thing} , {y} : {b} above {x}. what is the sum?",),
    ),
}  # fmt: skip
