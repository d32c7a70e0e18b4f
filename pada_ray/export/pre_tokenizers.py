"""How llama.cpp cuts a text before byte-pair encoding: by rules that it knows by name and that no GGUF file holds.

A file that names the wrong rule loads, and reads some texts as other tokens than the model was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Regex, pre_tokenizers

_CONTRACTED = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_BEHIND = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# In llama.cpp's `src/llama-vocab.cpp`; each rule cuts what the ones before it left.
RULES = {
    "llama-bpe": (_CONTRACTED + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _BEHIND,),
    "qwen2": (_CONTRACTED + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + _BEHIND,),
    "smollm": (r"\p{N}", _GPT2),
    "gpt-2": (_GPT2,),
}

# Where rules differ: numbers, signs, contractions, spaces, line ends, other scripts.
PROBES = (
    "Hello World, it's 3 o'clock; we'LL pay $1234.56 (or 1,000)!",
    "3 + 4 = 7. \n\n \n\t\t x\r\n  12345  6 --- ...,?!  ",
    "Äpfel, naïve café, Ελληνικά, русский 2024, 日本語テキスト12, हिन्दी, 🚀🙂 don't DON'T 'tis",
)


def rule_of(tokenizer: Any, texts: Iterable[str]) -> str | None:
    """The name of the rule under which llama.cpp cuts the probes and `texts` as `tokenizer` (transformers', byte-level
    BPE) does; None if no rule does."""
    texts = [*PROBES, *texts]
    own = tokenizer.backend_tokenizer.pre_tokenizer
    pieces = [_pieces(own, text) for text in texts]
    cutters = {name: cutter(rules) for name, rules in RULES.items()}
    fitting = (name for name, known in cutters.items() if [_pieces(known, text) for text in texts] == pieces)
    return next(fitting, None)


def cutter(rules: Sequence[str]) -> Any:
    """What cuts by these rules and writes bytes as byte-level BPE does."""
    cuts = [pre_tokenizers.Split(Regex(rule), behavior="isolated") for rule in rules]
    return pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _pieces(pre_tokenizer: Any, text: str) -> list[str]:
    return [piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)]
