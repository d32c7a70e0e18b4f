"""The five benchmarks by name: their rows as samples, the draw, and what a user sees when the Hub is not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import small_config

from pada_ray.data.given import knowledge_of
from pada_ray.data.paper_sets import PAPER_SETS, dataset_files, draw
from pada_ray.data.samples import question_key
from pada_ray.data.splits import read_data
from pada_ray.errors import ConfigError, DataError
from pada_ray.runs.configs import check_names
from pada_ray.tasks import get_task

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

GSM8K = {
    "question": " Ann buys 3 bags of 1,200 nuts. How many nuts? ",
    "answer": "Each bag has 1,200.\n3*1200 = <<3*1200=3600>>3600 nuts.\n#### 3,600",
}
HELLASWAG = {
    "ind": 7,
    "activity_label": "Home and Garden",
    "ctx": "[header] How to boil an egg [title] Fill a pot. [step] Use cold water.  Add salt.",
    "endings": ["[substeps] Wait. [title] Light the stove.", "Sing.", "Freeze it.", "Leave."],
    "label": "0",
}
SQUAD = {
    "id": "57a",
    "title": "Eggs",
    "context": " Eggs were boiled in Ulm in 1870. ",
    "question": "Where were eggs boiled?",
    "answers": {"text": ["Ulm", "in Ulm", "Ulm"], "answer_start": [21, 18, 21]},
}
ARC = {
    "id": "Mercury_1",
    "question": "Which is a planet?",
    "choices": {"text": ["the Moon", "Mars", "the Sun"], "label": ["1", "2", "3"]},
    "answerKey": "2",
}
HUMANEVAL = {
    "task_id": "HumanEval/7",
    "prompt": 'from typing import List\n\ndef half(x: int) -> float:\n    """Halve x."""\n',
    "canonical_solution": "    return x / 2 \n",
    "test": "def check(candidate):\n    assert candidate(3) == 1.5\n",
    "entry_point": "half",
}
ROWS = {"gsm8k": GSM8K, "hellaswag": HELLASWAG, "squad": SQUAD, "arc_challenge": ARC, "humaneval": HUMANEVAL}


def sample(name, row=None, split="validation", index=5):
    return PAPER_SETS[name].convert(row or ROWS[name], split, index).sample


# --- rows


@pytest.mark.parametrize("name", ROWS)
def test_a_converted_row_passes_its_own_task(name):
    made = sample(name)
    task = get_task(made.task)
    assert not task.fails(made.reference, made)
    assert task.fails("no idea", made)
    assert all(message.content == message.content.strip() for message in made.messages)


def test_gsm8k_loses_the_calculators_marks_and_thousands_separators():
    made = sample("gsm8k", split="train")
    assert made.reference == "Each bag has 1,200.\n3*1200 = 3600 nuts.\n#### 3600"
    assert (made.id, made.answer, made.meta["n_calculations"]) == ("gsm8k-train-00005", "3600", 1)


def test_hellaswag_loses_wikihows_marks():
    made = sample("hellaswag")
    assert "\nText: How to boil an egg. Fill a pot. Use cold water. Add salt.\n\nA. Wait.. Light the stove.\n" in (
        made.question
    )
    assert (made.id, made.answer) == ("hellaswag-val-00005", "A")


def test_squad_keeps_each_accepted_span_once():
    made = sample("squad")
    assert (made.id, made.reference, made.answer) == ("squad-dev-57a", "Ulm", ["Ulm", "in Ulm"])


def test_arc_options_are_lettered_whatever_their_labels():
    made = sample("arc_challenge")
    assert "A. the Moon\nB. Mars\nC. the Sun" in made.question
    assert (made.id, made.answer, made.meta["source_label"]) == ("arc_challenge-dev-Mercury_1", "B", "2")


def test_humaneval_replies_with_the_whole_function():
    made = sample("humaneval", split="test")
    assert made.id == "humaneval-007"
    assert made.reference.startswith("```python\nfrom typing import List\n")
    assert made.reference.endswith("\n    return x / 2\n```")


def shared(name):
    file = SHARED / name / "val.jsonl"
    if not file.is_file():
        pytest.skip(f"no benchmark splits at {SHARED}")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def as_row(name, made):
    """The Hub's row that a sample of the shared splits comes from, as far as the sample tells."""
    asked, meta = made["messages"][0]["content"], made["meta"]
    stem, _, options = asked.rpartition("\n\n")[0].partition("\n\nA. ")
    options = [line[3:] for line in f"A. {options}".split("\n")]
    match name:
        case "gsm8k":
            return {"question": asked.rpartition("\n\n")[0], "answer": made["messages"][1]["content"]}
        case "hellaswag":
            right = str("ABCD".index(made["answer"]))
            return {**meta, "ctx": stem.partition("Text: ")[2], "endings": options, "label": right}
        case "squad":
            passage, _, question = asked.partition("Passage: ")[2].rpartition("\n\nQuestion: ")
            answers = {"text": made["answer"] * 2}
            return {
                "id": meta["source_id"],
                "title": meta["title"],
                "context": passage,
                "question": question.rpartition("\n\n")[0],
                "answers": answers,
            }
        case "arc_challenge":
            labels = "1234" if meta["source_label"].isdigit() else "ABCDE"
            return {
                "id": meta["source_id"],
                "question": stem.partition("Question: ")[2],
                "choices": {"text": options, "label": list(labels[: len(options)])},
                "answerKey": meta["source_label"],
            }
    return {**meta, "test": made["answer"]}


@pytest.mark.parametrize("name", ROWS)
def test_the_form_is_that_of_the_shared_splits(name):
    for expected in shared(name):
        split = {"dev": "validation"}.get(expected["meta"]["source_split"], expected["meta"]["source_split"])
        made = sample(name, as_row(name, expected), split, expected["meta"].get("source_index", 0)).model_dump()
        if name == "gsm8k":  # the shared reply has lost the marks that are counted
            made["meta"]["n_calculations"] = expected["meta"]["n_calculations"]
        assert made == expected


# --- the draw


def hub(sizes, change):
    """A stub of one benchmark's splits: row i of each is `change(split, i)`."""
    return lambda split: [change(split, i) for i in range(sizes[split])]


def stories(split, i):
    return {
        "question": f"In {split} story {'abcdefghij'[i // 10 % 10] * (i + 1)} has 2 nuts. How many?",
        "answer": "#### 2",
    }


def test_sizes_and_order_of_the_draw():
    rows = hub({"train": 1700, "test": 600}, stories)
    drawn = draw(PAPER_SETS["gsm8k"], rows)
    assert {split: len(samples) for split, samples in drawn.items()} == {"test": 500, "val": 500, "train": 1000}
    assert {s.meta["source_split"] for s in drawn["val"]} == {"train"}
    assert draw(PAPER_SETS["gsm8k"], rows) == drawn


def test_one_story_with_other_numbers_is_drawn_once():
    def variants(split, i):
        return {"question": f"Ann has {i} nuts and {2 * i} figs. How many?", "answer": f"#### {3 * i}"}

    drawn = draw(PAPER_SETS["gsm8k"], hub({"train": 50, "test": 50}, variants))
    assert {split: len(samples) for split, samples in drawn.items()} == {"test": 1, "val": 0, "train": 0}


def test_a_passage_and_an_overlapping_text_are_drawn_once():
    def passages(split, i):
        return {**SQUAD, "id": f"{split}-{i}", "question": f"Question {i}?"}

    def neighbours(split, i):
        own = f"{split} {i} " * 5
        return {**HELLASWAG, "ctx": f"{own}. The man lifts the bar up again.", "endings": [own + e for e in "abcd"]}

    for name, rows in (("squad", passages), ("hellaswag", neighbours)):
        drawn = draw(PAPER_SETS[name], hub({"train": 30, "validation": 30}, rows))
        assert sum(len(samples) for samples in drawn.values()) == 1


def test_humaneval_is_used_up_and_its_twins_are_in_train():
    def problems(split, i):
        return {**HUMANEVAL, "task_id": f"HumanEval/{i}", "prompt": HUMANEVAL["prompt"] + f"    # {i}\n"}

    drawn = draw(PAPER_SETS["humaneval"], hub({"test": 164}, problems))
    assert {split: len(samples) for split, samples in drawn.items()} == {"test": 50, "val": 50, "train": 64}
    assert {"humaneval-056", "humaneval-061"} <= {s.id for s in drawn["train"]}


# --- where it comes from


def config(**data):
    config = small_config(data=data)
    check_names(config, "c.yaml")
    return config


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_from_the_hub_once_and_then_from_the_cache(home, monkeypatch):
    asked = []

    def load_dataset(path, subset, split):
        asked.append((path, subset, split))
        return hub({"train": 1700, "test": 600}, stories)(split)

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    small, large = (read_data(config(dataset="gsm8k", regime=regime, eval_samples=50)) for regime in (300, 600))
    assert {split: len(samples) for split, samples in small.items()} == {"train": 300, "val": 50, "test": 50}
    assert large["train"][:300] == small["train"]
    assert asked == [("openai/gsm8k", "main", split) for split in ("test", "train", "train")]
    assert (home / ".cache/pada-ray/datasets/draw-0/gsm8k/train_1000.jsonl").is_file()
    keys = [{question_key(s) for s in samples} for samples in large.values()]
    assert sum(map(len, keys)) == len(set().union(*keys))


def test_from_a_folder(tmp_path, home):
    for split in ("train_1000", "val", "test"):
        file = tmp_path / "arc_challenge" / f"{split}.jsonl"
        file.parent.mkdir(exist_ok=True)
        row = {**ARC, "id": split, "question": f"Which is a planet, {split}?"}
        file.write_text(sample("arc_challenge", row).model_dump_json() + "\n")
    read = read_data(config(dataset="arc_challenge", folder=str(tmp_path)))
    assert [s.meta["source_id"] for split in ("train", "val", "test") for s in read[split]] == [
        "train_1000",
        "val",
        "test",
    ]


@pytest.mark.parametrize("name", ["banking77", "snips"])
def test_a_dataset_beside_the_papers_is_read_from_a_folder(name):
    with pytest.raises(ConfigError, match=rf"{name} is read from files alone; give the folder .* data\.folder"):
        read_data(config(dataset=name))
    if not SHARED.is_dir():
        pytest.skip(f"no benchmark splits at {SHARED}")
    small, large = (config(dataset=name, folder=str(SHARED), regime=n) for n in (300, 600))
    samples = read_data(small)
    assert {split: len(members) for split, members in samples.items()} == {"train": 300, "val": 500, "test": 500}
    assert read_data(large)["train"][:300] == samples["train"]
    assert len(knowledge_of(small.data, samples["train"]).labels) == (77 if name == "banking77" else 0)


@pytest.mark.parametrize("name", ROWS)
def test_the_shared_splits_are_such_a_folder(name):
    if not SHARED.is_dir():
        pytest.skip(f"no benchmark splits at {SHARED}")
    assert all(Path(file).is_file() for file in dataset_files(name, str(SHARED)).values())


def test_the_hub_is_away(home, monkeypatch):
    def load_dataset(path, subset, split):
        raise ConnectionError("Couldn't reach 'openai/gsm8k'\non the Hub")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(DataError, match=r"openai/gsm8k cannot be loaded .*reach.* on the Hub\); .*data\.folder") as e:
        read_data(config(dataset="gsm8k"))
    assert "\n" not in str(e.value)


def test_the_library_is_not_installed(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        ConfigError, match=r"squad comes from the Hub .*pip install 'pada-ray\[datasets\]', or .*data\.folder"
    ):
        read_data(config(dataset="squad"))


def test_a_folder_without_the_files(tmp_path):
    with pytest.raises(DataError, match=r"squad/train_1000\.jsonl: no such file"):
        read_data(config(dataset="squad", folder=str(tmp_path)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"dataset": "gsm9k"},
            r"data\.dataset: 'gsm9k' is unknown; .* gsm8k, .*, humaneval, banking77, snips",
        ),
        ({"dataset": "gsm8k", "demo": {}}, "give only one of `demo`, `dataset`, `file` and the files"),
        ({"dataset": "gsm8k", "train": "a", "val": "b"}, "give only one of `demo`, `dataset`, `file` and the files"),
        ({"demo": {}, "folder": "x"}, "name the dataset with `dataset`"),
        ({}, "or `dataset: gsm8k`"),
    ],
)
def test_one_source_and_a_known_name(data, said):
    with pytest.raises(ConfigError, match=said):
        config(**data)


def test_the_key_of_0_1_is_read():
    assert config(benchmark="gsm8k").data.dataset == "gsm8k"


def test_a_dataset_has_its_own_task():
    with pytest.raises(ConfigError, match=r"data\.task: a dataset has its own task"):
        read_data(config(dataset="gsm8k", folder="x", task="math"))
