"""A first config for a file of data, as commented YAML."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pada_ray.data.proposal import Proposal, scalar
from pada_ray.tasks import check_named_by_data, get_task

_LISTED = 300  # characters of labels

DEFAULT_STUDENT = "HuggingFaceTB/SmolLM2-135M-Instruct"

_TASKS = {
    "label": "the reply is one of a fixed set of labels",
    "json": "the reply is one JSON value",
    "math": "the reply ends in a number",
    "code": "the reply is a program, which is run against tests",
    "multiple_choice": "the reply is the letter of an option",
    "extractive_qa": "the reply is a span of the question's passage",
    "exact": "the reply is one text",
    "judged": "an LLM judge rates the reply",
}

# Comments: whoever serves the model has to see to the first as well, and neither is the paper's.
_OF_LABELS = [
    "# evaluation: {constrained_decoding: true} # it can say labels alone; do so where you serve it, too",
    "# quality_control: {verify: classifier} # new samples must have the label that yours speak for; it costs no call",
]


def first_config(proposal: Proposal, student: str, longest: int) -> str:
    """The YAML of a run on the file of `proposal`, in under 30 lines.

    Args:
        student: a Hub id, a folder, or `demo`.
        longest: characters of the longest conversation; it decides `student.max_length`.
    """
    check_named_by_data(proposal.task, None)
    data, reply = proposal.data(), get_task(proposal.task).max_new_tokens
    lines = [
        f"# Written by pada init for {proposal.rows} rows. Every key: docs/config.md.",
        f"name: {scalar(run_name(proposal.path))}",
        "data:",
        f"  file: {scalar(data['file'])}",
        *_columns(proposal),
        f"  task: {data['task']} # {_TASKS[data['task']]}; {proposal.why}{'' if proposal.sure else '. Is that so?'}",
        "  split: {val: 0.15, test: 0.15} # val's failures drive the loop; test is measured for the report",
        "student:",
        f"  model: {scalar(student)} # a Hub id or a folder; the paper takes meta-llama/Llama-3.2-1B-Instruct",
        f"  max_length: {max_length(longest, reply)} # tokens of prompt and reply; longer samples are left out",
        *(_OF_LABELS if proposal.task == "label" else []),
        "iterations: 2 # each writes new data against what val still gets wrong",
        "llm:",
        "  # `offline` rehearses without a key: it rewrites your own rows, and its scores mean nothing.",
        "  # For a real run: {base_url: https://.../v1, model: a-strong-model, api_key_env: TEACHER_API_KEY}",
        "  teacher: {base_url: offline, model: offline-teacher} # analyses failures, writes samples",
        "  judge: {base_url: offline, model: offline-judge} # rates them; another model than the teacher",
    ]
    return "\n".join(lines) + "\n"


def run_name(path: str) -> str:
    """A run's name out of a file's."""
    stem = PurePosixPath(path.rstrip("/")).name.partition(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-") or "my-task"


def max_length(characters: int, reply: int) -> int:
    """Tokens for a conversation of so many characters, one for two of them as in languages that take many, and for a
    reply of so many tokens: the next power of two."""
    return max(256, 1 << (characters // 2 + reply - 1).bit_length())


def _columns(proposal: Proposal) -> list[str]:
    if proposal.columns is None:
        return [f"  # its rows are in the layout {proposal.layout}, so no columns need be named"]
    question, answer = proposal.columns
    asked = f"{_instruction(proposal)}\n\n{{{question}}}" if proposal.task == "label" else question
    return [
        "  # A column, or a text with columns in braces, as `question` and as `answer`.",
        f"  question: {scalar(asked)}",
        f"  answer: {scalar(answer)} # {len(proposal.answers)} different ones",
    ]


def _instruction(proposal: Proposal) -> str:
    """What a model that was never trained on the labels needs to be told."""
    listed = ", ".join(proposal.answers)
    told = len(listed) <= _LISTED and "{" not in listed  # braces would name a column
    return f"Reply with one of these alone: {listed}." if told else "Reply with the label alone."
