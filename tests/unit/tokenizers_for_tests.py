"""Small tokenizers with chat templates, of the kinds that the world's students bring."""

from __future__ import annotations

from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pada_ray.student.chat_encoder import ChatEncoder

START, END = "<|start|>", "<|end|>"
TURN = "{{ '<|start|>' + m['role'] + '\\n' + m['content'] + '<|end|>\\n' }}"
HEAD = "{% if add_generation_prompt %}{{ '<|start|>assistant\\n' }}{% endif %}"
CHATML = f"{{% for m in messages %}}{TURN}{{% endfor %}}{HEAD}"
TRIMS = CHATML.replace("m['content']", "m['content'] | trim")
LEADS = CHATML.replace("+ m['content']", "+ (' ' if m['role'] == 'assistant' else '') + m['content']")
BARE = (
    "{% for m in messages %}{{ '<|start|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>' }}{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHATML
)
IN_TURNS = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate user and assistant') }}{% endif %}" + TURN + "{% endfor %}" + HEAD
)
TEXTS = [
    f"{START}{role}\n{before}{text}{END}\n"
    for role in ("user", "assistant")
    for before in ("", "    ", "\t", "\n", "\n\n", "\n- ", "\n    ")
    for text in ("return numbers", "one two three", "- a list\n- of two", "x = 1\n    return x")
] * 5


BEGIN, HEADER, HEADER_END, TURN_END, TEXT_END = (
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|end_of_text|>",
)
LLAMA3 = (
    "{{ bos_token }}{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    f"{{{{ '{HEADER}system{HEADER_END}\n\nToday Date: ' + date_string + '\n\n' }}}}"
    "{% if messages[0].role == 'system' %}{{ messages[0].content | trim }}{% set messages = messages[1:] %}{% endif %}"
    f"{{{{ '{TURN_END}' }}}}"
    "{% for m in messages %}"
    f"{{{{ '{HEADER}' + m.role + '{HEADER_END}\n\n' + (m.content | trim) + '{TURN_END}' }}}}"
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{{{{ '{HEADER}assistant{HEADER_END}\n\n' }}}}{{% endif %}}"
)
"""In the format of Llama 3's headers: https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1"""


def llama3(folder: str) -> None:
    """Writes a folder with a tokenizer of our own that has Llama 3's special tokens, no padding token, its headers and
    date line, and a tiny model that ends a reply as Llama 3 does: with one of several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [BEGIN, TEXT_END, HEADER, HEADER_END, TURN_END]
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=special,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=TURN_END)
    fast.chat_template = LLAMA3
    fast.save_pretrained(folder)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(fast), **small))
    model.generation_config.eos_token_id = fast.convert_tokens_to_ids([TEXT_END, TURN_END])
    model.save_pretrained(folder)


def byte_level(chat_template: str = CHATML) -> ChatEncoder:
    """Byte-level BPE that joins white space across a line's end, as those of Qwen and SmolLM2 do."""
    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(r"\s*[\r\n]+\s*|\s+|[^\s]+"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return _trained(tokenizer, chat_template, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def sentence_piece(chat_template: str = CHATML) -> ChatEncoder:
    """BPE that puts a space before a text and takes one from what it decodes, as those made by SentencePiece do."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("▁+[^▁\\s]*|\\s|[^▁\\s]+"), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return _trained(tokenizer, chat_template)


def _trained(tokenizer: Tokenizer, chat_template: str, **alphabet: Any) -> ChatEncoder:
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", START, END], show_progress=False, **alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END, unk_token="<unk>")
    fast.chat_template = chat_template
    return ChatEncoder(fast, {}, {fast.convert_tokens_to_ids(END)})
