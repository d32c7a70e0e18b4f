"""Comparing new texts with known ones."""

from __future__ import annotations

import asyncio
import pickle

from pada_ray.agents import embedding
from pada_ray.agents.nearest import Finder

TEXTS = ["the card has not arrived", "top up by cheque", "the card is lost", "a transfer is pending"]


def test_the_nearest_come_first():
    found = asyncio.run(Finder("tfidf", 0).nearest(["where is my card, it has not arrived", "cheque"], TEXTS, 2))
    assert [positions[0] for positions in found] == [0, 1]
    assert all(len(set(positions)) == 2 for positions in found)


def test_texts_are_embedded_once_however_often_and_at_once_they_are_searched(monkeypatch):
    made = []

    class Embedded(embedding.Embedded):
        def __init__(self, texts, *args):
            made.append(list(texts))
            super().__init__(texts, *args)

    monkeypatch.setattr(embedding, "Embedded", Embedded)
    finder = Finder("tfidf", 0)

    async def search():
        kinds = ["card", "money", "card", "money"]
        found = await asyncio.gather(
            *(finder.nearest(["cheque"], tuple(TEXTS), 1) for _ in range(8)),
            *(finder.labels(["the card"], TEXTS, kinds) for _ in range(8)),
        )
        assert found == 8 * [[[1]]] + 8 * [["card"]]
        await finder.nearest(["cheque"], TEXTS[:2], 1)

    asyncio.run(search())
    assert made == [TEXTS, TEXTS[:2]]


def test_it_travels_to_another_process():
    find = pickle.loads(pickle.dumps(Finder("tfidf", 0).nearest))
    assert asyncio.run(find(["cheque"], TEXTS, 1)) == [[1]]
