"""A merged model as one GGUF file, which llama.cpp and Ollama run: weights, tokenizer and chat template.

Written by the package `gguf`, which has the names of tensors and the quantization. What llama.cpp's own converter does
beside that for these architectures is done here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

from pada_ray.errors import ConfigError, one_line
from pada_ray.export.pre_tokenizers import rule_of

_Array = np.ndarray[Any, Any]

ARCHITECTURES = {
    "LlamaForCausalLM": gguf.MODEL_ARCH.LLAMA,
    "Qwen2ForCausalLM": gguf.MODEL_ARCH.QWEN2,
    "Qwen3ForCausalLM": gguf.MODEL_ARCH.QWEN3,
}
_FILE_TYPES = {
    "F32": gguf.LlamaFileType.ALL_F32,
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "BF16": gguf.LlamaFileType.MOSTLY_BF16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
_BY_ITSELF = "write --merged, and let convert_hf_to_gguf.py of llama.cpp convert that folder"


def write_gguf(model: Path, target: Path, name: str, quantization: str, texts: Iterable[str] = ()) -> None:
    """Writes the model in the folder `model`, as transformers saves it, to the file `target`.

    Args:
        quantization: the type of the matrices; F32, F16, BF16 or Q8_0. Norms and biases stay in float32.
        texts: what the model is to read; llama.cpp must read the same tokens in them.

    Raises ConfigError for an architecture, rotary embedding or tokenizer that this cannot write.
    """
    config = AutoConfig.from_pretrained(model)
    architecture = _architecture(config)
    writer = gguf.GGUFWriter(target, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    _add_sizes(writer, config)
    writer.add_file_type(_FILE_TYPES[quantization])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_tokenizer(writer, model, config, texts)
    for tensor, values in _tensors(model, config, architecture):
        kind = _type_of(values, gguf.GGMLQuantizationType[quantization])
        writer.add_tensor(tensor, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_architecture(model: str) -> None:
    """Raises ConfigError unless the model at this Hub id or in this folder is there, and one that `write_gguf` can
    write."""
    try:
        config = AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as e:
        raise ConfigError(f"student.model: cannot load {model}: {one_line(e)}") from None
    _architecture(config)


def _architecture(config: Any) -> Any:
    name = (config.architectures or ["unknown"])[0]
    if name not in ARCHITECTURES:
        raise ConfigError(f"--gguf: {name} is none of {', '.join(ARCHITECTURES)}; {_BY_ITSELF}")
    if getattr(config, "use_sliding_window", False):
        raise ConfigError(f"--gguf: sliding windows are not written here; {_BY_ITSELF}")
    kind = _rotary(config).get("rope_type", "default")
    if kind not in ("default", "llama3"):
        raise ConfigError(f"--gguf: rotary embeddings of type {kind} are not written here; {_BY_ITSELF}")
    return ARCHITECTURES[name]


def _rotary(config: Any) -> dict[str, Any]:
    return getattr(config, "rope_parameters", None) or {}


def _head_size(config: Any) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def _add_sizes(writer: Any, config: Any) -> None:
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(_head_size(config))
    writer.add_value_length(_head_size(config))
    writer.add_rope_dimension_count(_head_size(config))
    writer.add_rope_freq_base(_rotary(config).get("rope_theta", 10000.0))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _tensors(model: Path, config: Any, architecture: Any) -> Iterator[tuple[str, _Array]]:
    """Name and float32 values of every tensor, as llama.cpp has them."""
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    if _rotary(config).get("rope_type") == "llama3":
        yield "rope_freqs.weight", _slower_rotations(config)
    for file in sorted(model.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for key in sorted(tensors.keys()):
                if key == "lm_head.weight" and config.tie_word_embeddings:
                    continue
                name = names.get_name(key, try_suffixes=(".weight", ".bias"))
                if name is None:
                    raise ConfigError(f"--gguf: the tensor {key} has no name in llama.cpp; {_BY_ITSELF}")
                values = tensors.get_tensor(key).to(torch.float32).numpy()
                yield name, _interleaved(key, values, config) if architecture == gguf.MODEL_ARCH.LLAMA else values


def _interleaved(key: str, values: _Array, config: Any) -> _Array:
    """Rows of Llama's queries and keys in llama.cpp's order: it rotates neighbours, transformers a head's halves."""
    for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
        if f".{part}." in key:
            halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
            return halves.swapaxes(1, 2).reshape(values.shape)
    return values


def _slower_rotations(config: Any) -> _Array:
    """By what Llama 3 divides each rotation's frequency (`_compute_llama3_parameters` of transformers)."""
    rotary, size = _rotary(config), _head_size(config)
    low, high, factor = rotary["low_freq_factor"], rotary["high_freq_factor"], rotary["factor"]
    trained = rotary["original_max_position_embeddings"]
    wavelengths = 2 * math.pi * rotary["rope_theta"] ** (np.arange(0, size, 2, dtype=np.float64) / size)
    smooth = np.clip((trained / wavelengths - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def _type_of(values: _Array, wanted: Any) -> Any:
    """Vectors stay in float32; a matrix whose rows do not fill the type's blocks is kept in float16."""
    if values.ndim < 2:
        return gguf.GGMLQuantizationType.F32
    block, _ = gguf.GGML_QUANT_SIZES[wanted]
    return wanted if values.shape[-1] % block == 0 else gguf.GGMLQuantizationType.F16


def _add_tokenizer(writer: Any, model: Path, config: Any, texts: Iterable[str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    stored = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    if stored["model"]["type"] != "BPE" or stored["model"].get("byte_fallback"):
        raise ConfigError(f"--gguf: only byte-level BPE tokenizers are written here; {_BY_ITSELF}")
    rule = rule_of(tokenizer, texts)
    if rule is None:
        raise ConfigError(
            "--gguf: llama.cpp would read other tokens than this model's tokenizer: it has no rule that cuts texts in "
            "the same way; use --merged with transformers or vLLM"
        )
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(rule)
    special = {token["id"] for token in stored["added_tokens"] if token["special"]}
    added = {token["id"] for token in stored["added_tokens"]}
    texts_by_id = {number: text for text, number in tokenizer.get_vocab().items()}
    kinds = gguf.TokenType
    writer.add_token_list([texts_by_id.get(i, f"[PAD{i}]") for i in range(config.vocab_size)])
    writer.add_token_types(
        [
            kinds.UNUSED
            if i not in texts_by_id
            else kinds.CONTROL
            if i in special
            else kinds.USER_DEFINED
            if i in added
            else kinds.NORMAL
            for i in range(config.vocab_size)
        ]
    )
    vocabulary = gguf.SpecialVocab(model, load_merges=True, n_vocab=config.vocab_size)
    vocabulary.chat_template = _templates(tokenizer)
    vocabulary.add_to_gguf(writer, quiet=True)
    _add_ends(writer, model, vocabulary.special_token_ids.get("eos"))


def _templates(tokenizer: Any) -> str | list[dict[str, str]]:
    """The chat template, or all of them by their names."""
    found: str | dict[str, str] = tokenizer.chat_template
    if isinstance(found, str):
        return found
    return [{"name": name, "template": template} for name, template in found.items()]


def _add_ends(writer: Any, model: Path, eos: int | None) -> None:
    """The other tokens that end a reply: an end of turn, which many models have beside the end of a text."""
    generation = model / "generation_config.json"
    ends = json.loads(generation.read_text()).get("eos_token_id") if generation.exists() else None
    others = [end for end in (ends if isinstance(ends, list) else [ends]) if end not in (None, eos)]
    for add, end in zip((writer.add_eot_token_id, writer.add_eom_token_id), others, strict=False):
        add(end)
