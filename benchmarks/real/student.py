"""Turns a GGUF file of a Llama-like model into a folder that transformers loads. Needs the package `gguf`."""

from __future__ import annotations

from pathlib import Path


def convert(gguf: Path, out: Path) -> None:
    """Writes the model in bfloat16 and its tokenizer to `out`. Weights that went through 4 bits stay as coarse as they
    are, so scores are not those of the original."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    read = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers takes what it read for quantized, and would not save it. The weights are plain numbers by now.
    plain = {key: value for key, value in read.config.to_dict().items() if key != "quantization_config"}
    model = type(read)(type(read.config)(**plain))
    model.load_state_dict(read.state_dict())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
