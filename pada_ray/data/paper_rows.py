"""Turns rows of the five datasets, as on the Hugging Face Hub, into samples.

Instructions and form follow each dataset's paper where it gives one: `#### number` for GSM8K, a letter for multiple
choice, a span for SQuAD, the whole function for HumanEval.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pada_ray.data.samples import question_key
from pada_ray.records import Message, Sample

Row = Mapping[str, Any]

_CALCULATOR_MARK = re.compile(r"<<[^<>]*>>")
_WIKIHOW_MARK = re.compile(r"\[(?:header|title|step|substeps)\]")
_SENTENCE = re.compile(r"[^.!?]+")


class Item(NamedTuple):
    sample: Sample
    keys: frozenset[str]  # no two items of a draw may share one


def gsm8k(row: Row, split: str, index: int) -> Item:
    """A problem with its worked solution, without the calculator's marks. Other numbers do not change a story's key."""
    worked, _, number = row["answer"].rpartition("####")
    number = number.strip().replace(",", "")
    story = row["question"].strip()
    marks = len(_CALCULATOR_MARK.findall(worked))
    sample = _sample(
        f"gsm8k-{split}-{index:05}",
        f"{story}\n\nSolve the problem step by step. End your reply with a line of the form '#### <number>'.",
        f"{_CALCULATOR_MARK.sub('', worked).strip()}\n#### {number}",
        "math",
        number,
        {"dataset": "gsm8k", "source_split": split, "source_index": index, "n_calculations": marks},
    )
    return _item(sample, re.sub(r"[\W_]+", "", re.sub(r"\d+", "0", story.lower())))


def hellaswag(row: Row, split: str, index: int) -> Item:
    """A text with four endings. Items from one video overlap, so every sentence of five or more words is a key."""
    text = _without_markup(row["ctx"])
    endings = [_without_markup(ending) for ending in row["endings"]]
    sample = _choice(
        f"hellaswag-{'val' if split == 'validation' else split}-{index:05}",
        f"Choose the most plausible continuation of the text.\n\nText: {text}",
        endings,
        int(row["label"]),
        {
            "dataset": "hellaswag",
            "source_split": split,
            "source_index": index,
            "activity_label": row["activity_label"],
            "n_choices": len(endings),
        },
    )
    sentences = [" ".join(part.lower().split()) for part in _SENTENCE.findall(". ".join([text, *endings]))]
    return _item(sample, *(sentence for sentence in sentences if sentence.count(" ") >= 4))


def squad(row: Row, split: str, index: int) -> Item:
    """A passage, a question and its accepted spans. The passage is a key, so each gives one question."""
    passage, split = row["context"].strip(), _official(split)
    accepted = list(dict.fromkeys(text.strip() for text in row["answers"]["text"]))
    sample = _sample(
        f"squad-{split}-{row['id']}",
        "Read the passage and answer the question with a short span copied from it.\n\n"
        f"Passage: {passage}\n\nQuestion: {row['question'].strip()}\n\n"
        "Answer with the exact words from the passage only.",
        accepted[0],
        "extractive_qa",
        accepted,
        {"dataset": "squad", "source_split": split, "source_id": row["id"], "title": row["title"]},
    )
    return _item(sample, passage)


def arc_challenge(row: Row, split: str, index: int) -> Item:
    """A science question with three to five options, lettered from A whatever the row's labels are."""
    split, options, labels = _official(split), row["choices"]["text"], row["choices"]["label"]
    sample = _choice(
        f"arc_challenge-{split}-{row['id']}",
        f"Answer this multiple-choice science question.\n\nQuestion: {row['question'].strip()}",
        [option.strip() for option in options],
        labels.index(row["answerKey"]),
        {
            "dataset": "arc_challenge",
            "source_split": split,
            "source_index": index,
            "source_id": row["id"],
            "source_label": row["answerKey"],
            "n_choices": len(options),
        },
    )
    return _item(sample)


def humaneval(row: Row, split: str, index: int) -> Item:
    """A function to complete. The reply is the whole function; the dataset's solution is only the continuation."""
    prompt, solution = row["prompt"], row["canonical_solution"]
    sample = _sample(
        f"humaneval-{int(row['task_id'].rpartition('/')[2]):03}",
        "Complete the following Python function. Reply with the whole function, with any imports it needs, in one "
        f"Python code block.\n\n{_fenced(prompt)}",
        _fenced(prompt + solution),
        "code",
        row["test"],
        {
            "dataset": "humaneval",
            "source_split": split,
            "task_id": row["task_id"],
            "entry_point": row["entry_point"],
            "prompt": prompt,
            "canonical_solution": solution,
        },
    )
    return _item(sample)


def _item(sample: Sample, *keys: str) -> Item:
    return Item(sample, frozenset([question_key(sample), *keys]))


def _sample(name: str, question: str, reply: str, task: str, answer: str | list[str], meta: dict[str, Any]) -> Sample:
    messages = [Message(role="user", content=question), Message(role="assistant", content=reply)]
    return Sample(id=name, messages=messages, task=task, answer=answer, meta=meta)


def _choice(name: str, stem: str, options: list[str], right: int, meta: dict[str, Any]) -> Sample:
    letters = [chr(ord("A") + i) for i in range(len(options))]
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True))
    question = f"{stem}\n\n{lines}\n\nAnswer with the letter of the correct option only."
    return _sample(name, question, letters[right], "multiple_choice", letters[right], meta)


def _official(split: str) -> str:
    """The split's name by the authors of SQuAD and ARC: the Hub's `validation` is their `dev`."""
    return "dev" if split == "validation" else split


def _without_markup(text: str) -> str:
    """HellaSwag's text without WikiHow's marks. A title starts a sentence, which may leave `..`."""
    text = _WIKIHOW_MARK.sub("", text.strip().replace(" [title]", ". "))
    return " ".join(text.split())


def _fenced(code: str) -> str:
    code = code.strip("\n").rstrip()
    return f"```python\n{code}\n```"
