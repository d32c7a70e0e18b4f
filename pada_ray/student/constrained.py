"""Constrained decoding: a reply that is one of a task's choices and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pada_ray.records import Message
from pada_ray.student.chat_encoder import IGNORED, ChatEncoder


class Choices:
    """The token ids of each choice as the student says it, up to the end of its turn, in one tree."""

    def __init__(self, encoder: ChatEncoder, choices: Sequence[str]) -> None:
        self._tree: dict[int, Any] = {}
        for choice in choices:
            said = encoder.conversation([Message(role="user", content="?"), Message(role="assistant", content=choice)])
            branch = self._tree
            for token in (label for label in said.labels if label != IGNORED):
                branch = branch.setdefault(token, {})

    def after(self, tokens: Sequence[int]) -> list[int]:
        """The tokens that may follow these, with which a reply began."""
        branch = self._tree
        for token in tokens:
            branch = branch[token]
        return list(branch)
