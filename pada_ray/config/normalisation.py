"""The ways in which two texts may count as equal, by name."""

from __future__ import annotations

from typing import Literal

Normalisation = Literal["none", "whitespace", "case", "punctuation", "squad"]
