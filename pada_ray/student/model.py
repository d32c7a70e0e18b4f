"""The small language model: loading it, and its replies.

Imports torch and transformers, so only the workers that hold a model import this module.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from pada_ray.config import StudentConfig
from pada_ray.errors import ConfigError, one_line
from pada_ray.records import Message
from pada_ray.student.chat_encoder import IGNORED, Encoded, Reply, load_encoder, model_location
from pada_ray.student.constrained import Choices
from pada_ray.student.generation import Allowed, greedy
from pada_ray.student.packed import with_packed_weights


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def dtype_for(settings: StudentConfig) -> torch.dtype:
    bfloat16 = _has_bfloat16() if settings.dtype == "auto" else settings.dtype == "bfloat16"
    return torch.bfloat16 if bfloat16 else torch.float32


def _has_bfloat16() -> bool:
    """Whether the device multiplies faster in bfloat16 than in float32 (benchmarks/products.py measures it)."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    # Not every torch that this project takes can tell; then float32 is the safe answer.
    return faster_in_bfloat16(torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {})


def faster_in_bfloat16(cpu: Mapping[str, Any]) -> bool:
    """The same of a CPU that torch describes so. On Intel's, AMX alone makes it faster: with avx512_bf16, which they
    have too where a virtual machine hides AMX, it is slower than float32."""
    return bool(cpu.get("amx_bf16") or (cpu.get("avx512_bf16") and not str(cpu.get("cpu_name")).startswith("Intel")))


def load_model(settings: StudentConfig) -> Any:
    """The base model in its dtype, on the CPU; quantized, on the GPU. Raises ConfigError when it cannot be loaded."""
    quantized = {} if settings.quantization is None else _four_bits(dtype_for(settings))
    try:
        return AutoModelForCausalLM.from_pretrained(
            model_location(settings.model), dtype=dtype_for(settings), **quantized
        )
    except (OSError, ValueError, ImportError) as e:
        raise ConfigError(f"student.model: cannot load {settings.model}: {one_line(e)}") from None


def _four_bits(compute: torch.dtype) -> dict[str, Any]:
    """What `from_pretrained` takes for the quantization of QLoRA (arXiv 2305.14314): NF4, its constants quantized too.

    Raises ConfigError without a GPU.
    """
    if not torch.cuda.is_available():
        raise ConfigError("student.quantization: 4bit needs a GPU, and this worker has none; see gpus_per_worker")
    from transformers import BitsAndBytesConfig

    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return {"quantization_config": nf4, "device_map": {"": torch.cuda.current_device()}}


class Student:
    """A model, with an adapter or without, that replies greedily.

    `adapter` is a folder as peft saves it, or None for the base model. With `merged` its weights are added to the
    model's, in memory: that is faster, and rounds otherwise. Raises RuntimeError when the adapter leaves the logits as
    they are: a silently ignored adapter would pass the base model off as fine-tuned.
    """

    def __init__(self, settings: StudentConfig, adapter: str | None = None, merged: bool = True):
        self.settings = settings
        self.encoder = load_encoder(settings)
        self._choices = functools.lru_cache(maxsize=1)(functools.partial(Choices, self.encoder))
        self.model = load_model(settings)
        if adapter is not None:
            from peft import PeftModel

            self.model = PeftModel.from_pretrained(self.model, adapter)
        if settings.quantization is None:
            self.model.to(device())
        self.model.eval()
        if adapter is not None:
            assert_adapter_acts(self.model, self.encoder.prompt([Message(role="user", content="Who are you?")]))
            if merged and settings.quantization is None:  # 4 bits do not hold the sum
                self.model = self.model.merge_and_unload()
        self.model = with_packed_weights(self.model.requires_grad_(False))

    def replies(
        self,
        prompts: Sequence[Sequence[Message]],
        max_new_tokens: int,
        batch_size: int,
        stop: Sequence[str] = (),
        choices: Sequence[str] = (),
    ) -> list[Reply]:
        """One greedy reply per prompt, in order, up to the first of the `stop` texts; with `choices`, one of these. A
        prompt that leaves less room gets a shorter one, or none."""
        allowed = self.allowed(choices)
        ids = [self.encoder.prompt(p) for p in prompts]
        limits = [min(max_new_tokens, self.settings.max_length - len(prompt)) for prompt in ids]
        replies = [Reply("", truncated=True)] * len(ids)
        # Neighbours in length share a batch, so that little is spent on padding.
        by_length = sorted((i for i, limit in enumerate(limits) if limit > 0), key=lambda i: len(ids[i]))
        for start in range(0, len(by_length), batch_size):
            batch = by_length[start : start + batch_size]
            said = greedy(
                self.model,
                [ids[i] for i in batch],
                [limits[i] for i in batch],
                functools.partial(self.encoder.ends, stop=stop),
                self.encoder.tokenizer.pad_token_id,
                allowed,
            )
            for i, tokens in zip(batch, said, strict=True):
                replies[i] = self.encoder.reply(tokens, stop)
        return replies

    def allowed(self, choices: Sequence[str]) -> Allowed | None:
        """What may follow in a reply that is one of `choices`; None where there are none and it may be anything."""
        return self._choices(tuple(choices)).after if choices else None

    @torch.inference_mode()
    def losses(self, conversations: Sequence[Sequence[Message]]) -> list[float | None]:
        """The mean cross entropy of each conversation's last reply, in nats per token; None for one that is longer
        than `max_length`. One at a time, so that memory need not hold the logits of many, and no padding counts."""
        encoded = [self.encoder.conversation(messages) for messages in conversations]
        return [self._loss(e) if len(e.input_ids) <= self.settings.max_length else None for e in encoded]

    def _loss(self, encoded: Encoded) -> float:
        ids, labels = (torch.tensor([row], device=self.model.device) for row in encoded)
        logits = self.model(input_ids=ids).logits[0, :-1].float()
        return float(torch.nn.functional.cross_entropy(logits, labels[0, 1:], ignore_index=IGNORED))


@torch.no_grad()
def assert_adapter_acts(model: Any, prompt: list[int]) -> None:
    """Raises RuntimeError unless a peft model's adapter changes the logits of `prompt`.

    With ZeRO-3 all workers must call it, since each holds a part of the weights.
    """
    training = model.training
    model.eval()
    ids = torch.tensor([prompt], device=device())
    adapted = model(input_ids=ids).logits
    with model.disable_adapter():
        base = model(input_ids=ids).logits
    model.train(training)
    if torch.equal(adapted, base):
        raise RuntimeError("the adapter leaves the model's logits as they are: it was not trained or not applied")
