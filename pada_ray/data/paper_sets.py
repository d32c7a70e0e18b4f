"""The five datasets of section 3.1 by name, from a folder or from the Hugging Face Hub; and two more, from a folder.

From the Hub, 500 items are drawn for test and 500 for val (ARC-Challenge: val is its whole dev set; HumanEval: 50
each), then 1000 for train (HumanEval: the other 64). The paper does not publish its own draws.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pada_ray.data import paper_rows
from pada_ray.data.paper_rows import Item, Row
from pada_ray.errors import ConfigError, DataError, one_line
from pada_ray.randomness import shuffled
from pada_ray.records import Sample, Split
from pada_ray.storage import Folder

DRAW = 0  # seed of the draw, the same for every run; a config's `regime`, `eval_samples` and `seed` choose from it
TRAIN_FILE = "train_1000"


class PaperSet(NamedTuple):
    """A dataset on the Hub and how it is split. `sources` are the Hub's splits in the order of the draw; a size of None
    takes all items."""

    hub: str
    subset: str | None
    convert: Callable[[Row, str, int], Item]  # row, Hub's split, index in it
    sources: dict[Split, str]
    sizes: dict[Split, int | None]
    train_file: str = TRAIN_FILE
    for_train: frozenset[str] = frozenset()  # ids kept out of val and test


_SIZES: dict[Split, int | None] = {"test": 500, "val": 500, "train": 1000}
PAPER_SETS: dict[str, PaperSet] = {
    "gsm8k": PaperSet(
        "openai/gsm8k",
        "main",
        paper_rows.gsm8k,
        {"test": "test", "val": "train", "train": "train"},
        _SIZES,
    ),
    "hellaswag": PaperSet(  # the labels of its test set are not public
        "Rowan/hellaswag",
        None,
        paper_rows.hellaswag,
        {"test": "validation", "val": "validation", "train": "train"},
        _SIZES,
    ),
    "squad": PaperSet(
        "rajpurkar/squad",
        None,
        paper_rows.squad,
        {"test": "validation", "val": "validation", "train": "train"},
        _SIZES,
    ),
    "arc_challenge": PaperSet(
        "allenai/ai2_arc",
        "ARC-Challenge",
        paper_rows.arc_challenge,
        {"test": "test", "val": "validation", "train": "train"},
        {**_SIZES, "val": None},
    ),
    "humaneval": PaperSet(
        "openai/openai_humaneval",
        None,
        paper_rows.humaneval,
        {"test": "test", "val": "test", "train": "test"},
        {"test": 50, "val": 50, "train": None},
        train_file="train_limited",
        for_train=frozenset({"humaneval-056", "humaneval-061"}),  # one problem with different brackets
    ),
}


FOLDER_SETS = ("banking77", "snips")
"""Datasets beside the paper's, of which only files in our layout are read."""
DATASETS = (*PAPER_SETS, *FOLDER_SETS)


def dataset_files(name: str, folder: str | None) -> dict[Split, str]:
    """The files of a dataset: `NAME/{train_1000,val,test}.jsonl` (HumanEval: `train_limited`).

    Args:
        folder: a folder or fsspec URL that holds them. None draws them from the Hub once, and keeps them in the user's
            cache folder.

    Raises:
        ConfigError: the library `datasets` is needed and not installed, or the dataset needs a folder.
        DataError: the Hub cannot be read.
    """
    if name in FOLDER_SETS and folder is None:
        raise ConfigError(f"data.dataset: {name} is read from files alone; give the folder of its files as data.folder")
    paper_set = PAPER_SETS.get(name)
    paths: dict[Split, str] = {"test": f"{name}/test.jsonl", "val": f"{name}/val.jsonl"}
    paths["train"] = f"{name}/{paper_set.train_file if paper_set else TRAIN_FILE}.jsonl"
    place = Folder(folder or str(Path.home() / ".cache" / "pada-ray" / "datasets" / f"draw-{DRAW}"))
    if paper_set is not None and folder is None and not all(place.exists(path) for path in paths.values()):
        for split, samples in draw(paper_set, _hub(name)).items():
            place.write_records(paths[split], samples)
    return {split: place.at(path) for split, path in paths.items()}


def labels_file(name: str, folder: str | None) -> str | None:
    """The file `NAME/labels.txt` with all labels of a dataset, one a line; None where it has none."""
    place = Folder(folder) if folder is not None else None
    return place.at(f"{name}/labels.txt") if place is not None and place.exists(f"{name}/labels.txt") else None


def draw(paper_set: PaperSet, rows: Callable[[str], Sequence[Row]]) -> dict[Split, list[Sample]]:
    """The three splits: the first items of each shuffled source that share no key with an item drawn before.

    Args:
        rows: gives the rows of one of the Hub's splits.
    """
    taken: set[str] = set()
    drawn: dict[Split, list[Sample]] = {}
    for split, source in paper_set.sources.items():
        table, members = rows(source), drawn.setdefault(split, [])
        for index in shuffled(range(len(table)), DRAW):
            if len(members) == paper_set.sizes[split]:
                break
            item = paper_set.convert(table[index], source, index)
            if taken.isdisjoint(item.keys) and (split == "train" or item.sample.id not in paper_set.for_train):
                taken |= item.keys
                members.append(item.sample)
    return drawn


def _hub(name: str) -> Callable[[str], Sequence[Row]]:
    paper_set = PAPER_SETS[name]
    try:
        datasets = importlib.import_module("datasets")
    except ImportError:
        raise ConfigError(
            f"data.dataset: {name} comes from the Hub by the library datasets, which is not installed; "
            "pip install 'pada-ray[datasets]', or give the folder of its files as data.folder"
        ) from None

    def rows(split: str) -> Sequence[Row]:
        try:
            table: Sequence[Row] = datasets.load_dataset(paper_set.hub, paper_set.subset, split=split)
        except Exception as e:  # the library passes on errors of many kinds
            raise DataError(
                f"data.dataset: {paper_set.hub} cannot be loaded from the Hub ({type(e).__name__}: {one_line(e)}); "
                "check the network, or give the folder of its files as data.folder"
            ) from None
        return table

    return rows
