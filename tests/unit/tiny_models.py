"""Random models of real architectures, small enough to make in a test, with a tokenizer trained on a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from pada_ray.export.pre_tokenizers import RULES, cutter

TEXTS = [
    "How many apples does Ann have? 3 + 4 = 7. Answer: 7",
    "The card has not arrived yet, and it's been 10 days!",
    "What is the capital of France? Paris, of course.",
]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,  # so that the next token depends on what was read
}
CONFIGS = {
    "llama": lambda vocabulary: LlamaConfig(vocab_size=vocabulary, tie_word_embeddings=True, **_SIZES),
    "llama3": lambda vocabulary: LlamaConfig(
        vocab_size=vocabulary, tie_word_embeddings=False, rope_parameters=LLAMA3, **_SIZES
    ),
    "qwen2": lambda vocabulary: Qwen2Config(vocab_size=vocabulary + 3, tie_word_embeddings=True, **_SIZES),
    "qwen3": lambda vocabulary: Qwen3Config(vocab_size=vocabulary, head_dim=32, tie_word_embeddings=True, **_SIZES),
}
RULE_OF = {"llama": "smollm", "llama3": "llama-bpe", "qwen2": "qwen2", "qwen3": "qwen2"}


def tokenizer(rule: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE that cuts as llama.cpp does under `rule`."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = cutter(RULES[rule])
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE
    )


def write_model(kind: str, folder: Path) -> Path:
    """A random model of this kind, in float32, as transformers saves it."""
    torch.manual_seed(0)
    reader = tokenizer(RULE_OF[kind])
    config = CONFIGS[kind](len(reader))
    config.eos_token_id, config.bos_token_id, config.pad_token_id = reader.eos_token_id, None, reader.pad_token_id
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "norm" in name:  # which start as zeros and ones, and would hide a lost tensor
            torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.2)
    model.generation_config.eos_token_id = reader.eos_token_id
    model.save_pretrained(folder)
    reader.save_pretrained(folder)
    return folder


def add_template(folder: Path, name: str, template: str) -> Path:
    """Gives the model in a folder a second chat template, beside the default one."""
    reader = AutoTokenizer.from_pretrained(folder)
    reader.chat_template = {"default": reader.chat_template, name: template}
    reader.save_pretrained(folder)
    return folder
