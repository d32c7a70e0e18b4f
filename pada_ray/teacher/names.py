"""Exchanges first names consistently in a conversation."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

# Without names that are also words, months or common surnames (Mark, Rose, April, James).
_FEMALE_NAMES = """
    Abigail Alice Alicia Amanda Amelia Amy Andrea Angela Anna Anne Annie Barbara Bella Betty Brenda Carla
    Carol Caroline Catherine Chloe Christina Claire Clara Daniela Diana Donna Elena Elizabeth Ella Ellen
    Emily Emma Erica Eva Evelyn Fiona Gina Gloria Hannah Heather Helen Irene Isabella Janet Jane Jennifer
    Jenny Jessica Jill Joanna Judy Julia Julie Karen Kate Katie Kelly Kim Laura Lauren Linda Lisa Lucy
    Maggie Maria Marissa Martha Mary Megan Melissa Mia Michelle Molly Monica Nancy Natalie Nicole Nina
    Nora Olivia Pamela Patricia Rachel Rebecca Rita Samantha Sandra Sara Sarah Sharon Sonia Sophia Sophie
    Stephanie Susan Tanya Tina Valerie Vanessa Victoria Wendy Zoe
"""
_MALE_NAMES = """
    Aaron Adam Alan Albert Alex Alexander Andrew Andy Anthony Arthur Barry Ben Benjamin Brandon Brian
    Bruce Caleb Carl Carlos Charles Charlie Chris Christopher Colin Craig Daniel Danny Darren Dave David
    Dennis Derek Donald Doug Dylan Edward Eric Ethan Evan Felix Fred Gary George Greg Harold Harry Henry
    Hugo Ian Isaac Ivan Jacob Jake Jason Jeff Jeremy Jerry Jim Jimmy Joe Joel John Johnny Jonathan Jose
    Joseph Josh Joshua Juan Justin Keith Ken Kenneth Kevin Kyle Larry Leo Leon Liam Louis Lucas Luis Luke
    Marcus Mario Martin Matt Matthew Michael Mike Mohamed Nathan Ned Neil Nicholas Noah Oliver Omar Oscar
    Patrick Paul Pedro Peter Phil Philip Ralph Raymond Richard Robert Roger Ronald Ryan Sam Samuel Scott
    Sean Simon Stephen Steve Steven Theo Thomas Tim Timothy Toby Todd Tom Tommy Tony Trevor Tyler Victor
    Vincent Walter William Xavier
"""
_FEMALE, _MALE = _FEMALE_NAMES.split(), _MALE_NAMES.split()
_NAME = re.compile(r"\b(" + "|".join(sorted(_FEMALE + _MALE)) + r")\b")


def exchange_names(messages: Sequence[Mapping[str, str]], rng: random.Random) -> list[dict[str, str]]:
    """The conversation with each known first name replaced by another that does not occur in it."""
    whole = "\n".join(message["content"] for message in messages)
    present = sorted(set(_NAME.findall(whole)))
    mapping: dict[str, str] = {}
    for pool in (_FEMALE, _MALE):
        free = [name for name in pool if name not in whole]
        old = [name for name in present if name in pool][: len(free)]
        mapping.update(zip(old, rng.sample(free, len(old)), strict=True))
    return [
        {**message, "content": _NAME.sub(lambda match: mapping.get(match[1], match[1]), message["content"])}
        for message in messages
    ]


def without_names(text: str) -> str:
    """The text with every known first name masked, to compare texts that differ in names only."""
    return _NAME.sub("NAME", text)
