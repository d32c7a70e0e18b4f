"""What the field's own programs say about a reply, restated from their published rules.

Each takes samples and replies and tells whether that program counts the reply as right. Where a program stops
generation at some text, a stored reply is cut there.
"""

from __future__ import annotations

import json
import re
import string
import sys
import unicodedata
from collections.abc import Callable, Sequence

from pada_ray.records import Sample
from pada_ray.sandbox import run_python_many
from pada_ray.tasks.code import code_of
from pada_ray.tasks.multiple_choice import options_of

Scorer = Callable[[Sequence[Sample], Sequence[str]], list[bool]]

INVALID = "[invalid]"  # what lm-evaluation-harness's regex filter gives where nothing matches


def until(reply: str, *stops: str) -> str:
    """The reply up to the first of the texts at which generation stops."""
    return reply[: min((reply.index(stop) for stop in stops if stop in reply), default=len(reply))]


def _only(sample: Sample) -> str:
    assert isinstance(sample.answer, str)
    return sample.answer


# --- lm-evaluation-harness 0.4.13, lm_eval/tasks/gsm8k/gsm8k.yaml


def _equal_for_gsm8k(found: str, sample: Sample) -> bool:
    """`exact_match` with this task's `regexes_to_ignore`, in their order, and `ignore_case`."""
    texts = [found, _only(sample)]
    for ignored in (r",", r"\$", r"(?s).*#### ", r"\.$"):
        texts = [re.sub(ignored, "", text) for text in texts]
    return texts[0].lower() == texts[1].lower()


def gsm8k_strict(sample: Sample, reply: str) -> bool:
    """The filter `strict-match`: the first number that follows `#### `."""
    found = re.findall(r"#### (\-?[0-9\.\,]+)", until(reply, "Question:", "</s>", "<|im_end|>"))
    return _equal_for_gsm8k(found[0].strip() if found else INVALID, sample)


def gsm8k_flexible(sample: Sample, reply: str) -> bool:
    """The filter `flexible-extract`: the last thing that looks like a number."""
    found = re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", until(reply, "Question:", "</s>", "<|im_end|>"))
    return _equal_for_gsm8k("".join(found[-1]).strip() if found else INVALID, sample)


# --- lm-evaluation-harness 0.4.13 on letters; it scores HellaSwag by likelihood and reads no reply there


def _equal_as_words(found: str, letter: str) -> bool:
    """`exact_match` with `ignore_case` and `ignore_punctuation`."""
    without = str.maketrans("", "", string.punctuation)
    return found.lower().translate(without) == letter.lower()


def arc_challenge_chat(sample: Sample, reply: str) -> bool:
    """lm_eval/tasks/arc/arc_challenge_chat.yaml: the whole reply, up to a full stop or a blank line."""
    return _equal_as_words(until(reply, "\n\n", ".").strip(), _only(sample))


_WITHOUT_PUNCTUATION = dict.fromkeys(
    code for code in range(sys.maxunicode) if unicodedata.category(chr(code)).startswith("P")
)


def mmlu_flexible(sample: Sample, reply: str) -> bool:
    """lm_eval/tasks/mmlu/flan_cot_zeroshot, filter `flexible-extract`: the last letter in parentheses; else the
    last text of an option; else the last letter after a colon."""
    reply = until(reply, "</s>", "Q:", "<|im_end|>")
    letters = {
        text.strip().lower().translate(_WITHOUT_PUNCTUATION): letter
        for letter, text in options_of(sample.question).items()
    }
    parenthesised = re.findall(r"(\([A-Z]\))", reply)
    by_length = sorted(letters, key=len, reverse=True)
    texts = re.findall("|".join(map(re.escape, by_length)), reply.lower().translate(_WITHOUT_PUNCTUATION))
    after_colon = re.findall(rf":[\s]*({'|'.join(letters.values())})", reply)
    if parenthesised:
        found = parenthesised[-1]
    elif texts:
        found = letters.get(texts[-1].strip(), texts[-1])
    else:
        found = after_colon[-1] if after_colon else INVALID
    return _equal_as_words(found, _only(sample))


# --- SQuAD v1.1, the official evaluate-v1.1.py


def _squad_words(text: str) -> list[str]:
    kept = "".join(sign for sign in text.lower() if sign not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def squad(sample: Sample, reply: str) -> bool:
    """Exact match with the best of the accepted answers."""
    return any(_squad_words(reply) == _squad_words(answer) for answer in sample.answer)


# --- human-eval, human_eval/execution.py

# Of what it takes away from a program, so that this does no harm: these are what the replies of the table use.
_GUARD = """
import builtins, os, subprocess, sys
builtins.exit = builtins.quit = None
os.getcwd = os.chdir = os.remove = os.rename = os.system = os.kill = os.fork = None
subprocess.Popen = None
sys.modules["resource"] = sys.modules["psutil"] = sys.modules["joblib"] = sys.modules["tkinter"] = None
"""


def _passed(samples: Sequence[Sample], completions: Sequence[str]) -> list[bool]:
    """Whether each completion passes; it continues the prompt without a line between. The limit of 3 seconds is left
    out, because none of the table's replies takes long and a busy machine does."""
    programs = [
        f"{sample.meta['prompt']}{completion}\n{sample.answer}\ncheck({sample.meta['entry_point']})"
        for sample, completion in zip(samples, completions, strict=True)
    ]
    able = [program for program in dict.fromkeys(programs) if _compiles(program)]
    ran = run_python_many([f"{_GUARD}exec({program!r}, {{}})" for program in able])
    passed = {program for program, result in zip(able, ran, strict=True) if result.passed}
    return [program in passed for program in programs]


def _compiles(program: str) -> bool:
    try:
        compile(program, "<program>", "exec")
    except SyntaxError:
        return False
    return True


def human_eval(samples: Sequence[Sample], replies: Sequence[str]) -> list[bool]:
    """The reply as it is, taken as the completion."""
    return _passed(samples, replies)


def human_eval_on_our_code(samples: Sequence[Sample], replies: Sequence[str]) -> list[bool]:
    """The code that we read from the reply, taken as the completion: only the execution is compared."""
    codes = [code_of(reply, sample.meta["entry_point"]) for sample, reply in zip(samples, replies, strict=True)]
    return _passed(samples, [code or "" for code in codes])


# --- evaluate's exact_match, which lm-evaluation-harness uses, with its defaults; and a program that parses a reply


def exact_match(sample: Sample, reply: str) -> bool:
    """The texts are equal as they are, with any of the accepted answers."""
    return reply in ([sample.answer] if isinstance(sample.answer, str) else sample.answer)


def json_loads(sample: Sample, reply: str) -> bool:
    """Python's json.loads of the whole reply equals that of the answer, by `==`."""
    try:
        return bool(json.loads(reply) == json.loads(_only(sample)))
    except ValueError:
        return False


# --- all of them, by task and name


def _each(scorer: Callable[[Sample, str], bool]) -> Scorer:
    return lambda samples, replies: [scorer(*pair) for pair in zip(samples, replies, strict=True)]


SCORERS: dict[str, dict[str, Scorer]] = {
    "math": {"gsm8k strict-match": _each(gsm8k_strict), "gsm8k flexible-extract": _each(gsm8k_flexible)},
    "multiple_choice": {
        "arc_challenge_chat": _each(arc_challenge_chat),
        "mmlu flexible-extract": _each(mmlu_flexible),
    },
    "extractive_qa": {"SQuAD": _each(squad)},
    "label": {"exact_match of labels": _each(exact_match)},
    "json": {"json.loads": _each(json_loads)},
    "exact": {"exact_match": _each(exact_match)},
    "code": {"human-eval": human_eval, "human-eval on our code": human_eval_on_our_code},
}
