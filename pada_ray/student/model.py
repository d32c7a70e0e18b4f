"""The small language model: loading it, encoding a conversation for training.

Imports torch and transformers, so only the workers that hold a model import this module.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging

from pada_ray.config import StudentConfig
from pada_ray.demo import STUDENT as DEMO_STUDENT
from pada_ray.errors import ConfigError, one_line
from pada_ray.records import Message
from pada_ray.student.evaluation_job import cut
from pada_ray.student.generation import greedy

IGNORED = -100  # label of tokens that carry no loss (torch's cross_entropy)

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


def model_location(model: str) -> str:
    """The Hub id or folder that `student.model` stands for."""
    return str(DEMO_STUDENT) if model == "demo" else model


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def dtype_for(settings: StudentConfig) -> torch.dtype:
    bfloat16 = _has_bfloat16() if settings.dtype == "auto" else settings.dtype == "bfloat16"
    return torch.bfloat16 if bfloat16 else torch.float32


def _has_bfloat16() -> bool:
    """Whether the device multiplies in bfloat16. A CPU that only stores it would be slower than with float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    # Not every torch that this project takes can tell; then float32 is the safe answer.
    cpu = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(cpu.get("avx512_bf16") or cpu.get("amx_bf16"))


def load_tokenizer(settings: StudentConfig) -> Any:
    """The student's tokenizer, with a padding token and a chat template. Raises ConfigError without them."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(model_location(settings.model))
    except (OSError, ValueError) as e:
        raise ConfigError(f"student.model: cannot load the tokenizer of {settings.model}: {one_line(e)}") from None
    if not tokenizer.chat_template:
        raise ConfigError(f"student.model: {settings.model} has no chat template; take an instruction-tuned model")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


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


class Encoded(NamedTuple):
    """A training conversation: token ids, and labels of equal length that are IGNORED up to the reply."""

    input_ids: list[int]
    labels: list[int]


class Reply(NamedTuple):
    text: str
    truncated: bool  # the limit of new tokens, or of the model's length, was reached before the turn ended


@dataclass(frozen=True)
class ChatEncoder:
    """Turns conversations into token ids through the model's own chat template, and generated ids into replies."""

    tokenizer: Any
    template_values: dict[str, Any]
    end_of_turn: set[int]

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a prompt, up to where the reply begins."""
        return self._ids(self._render(messages, add_generation_prompt=True))

    def conversation(self, messages: Sequence[Message]) -> Encoded:
        """Token ids of a whole conversation; only the last reply and its end-of-turn token carry loss.

        Raises ConfigError when the template does not keep the prompt as a prefix, or does not end the turn with
        a token that ends generation: such a model would never learn to stop.
        """
        prompt = self.prompt(messages[:-1])
        whole = self._ids(self._render(messages, add_generation_prompt=False))
        if whole[: len(prompt)] != prompt:
            raise ConfigError(
                "student.chat_template: the rendered prompt is not the beginning of the rendered conversation; "
                "give values that make it so (for thinking models, such as enable_thinking: false)"
            )
        ends = [i for i in range(len(prompt), len(whole)) if whole[i] in self.end_of_turn]
        if not ends:
            raise ConfigError(
                "student.model: the chat template ends no reply with a token that ends generation "
                f"({sorted(self.end_of_turn)}); mend the model's generation_config.eos_token_id"
            )
        whole = whole[: ends[-1] + 1]  # what a template puts behind the turn is not the model's to say
        return Encoded(whole, [IGNORED] * len(prompt) + whole[len(prompt) :])

    def reply(self, generated: Sequence[int], stop: Sequence[str] = ()) -> Reply:
        """What was said up to the end of the turn, or to the first of the `stop` texts."""
        length = next((i for i, token in enumerate(generated) if token in self.end_of_turn), None)
        text = self.tokenizer.decode(generated[:length], skip_special_tokens=True).strip()
        kept = cut(text, stop)
        return Reply(kept, truncated=length is None and kept == text)

    def ends(self, generated: Sequence[int], stop: Sequence[str] = ()) -> bool:
        """Whether the last of these tokens ends the turn, or completes one of the `stop` texts."""
        if generated[-1] in self.end_of_turn:
            return True
        if not stop:
            return False
        tail = self.tokenizer.decode(generated[-max(map(len, stop)) - 1 :], skip_special_tokens=True)
        if not any(end in tail for end in stop):  # which is quicker to tell
            return False
        said = self.tokenizer.decode(generated, skip_special_tokens=True).lstrip()
        return any(end in said for end in stop)

    def _render(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        return self.tokenizer.apply_chat_template(
            [m.model_dump() for m in messages],
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            **self.template_values,
        )

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


def load_encoder(settings: StudentConfig) -> ChatEncoder:
    """The student's way of reading and writing, without its weights. Raises ConfigError as `load_tokenizer` does."""
    tokenizer = load_tokenizer(settings)
    return ChatEncoder(tokenizer, settings.chat_template, _end_of_turn_ids(settings, tokenizer))


def _end_of_turn_ids(settings: StudentConfig, tokenizer: Any) -> set[int]:
    """The tokens that end a reply in generation."""
    location = model_location(settings.model)
    try:
        ids = GenerationConfig.from_pretrained(location).eos_token_id
    except OSError:  # a model need not bring one
        ids = AutoConfig.from_pretrained(location).eos_token_id
    ids = [tokenizer.eos_token_id] if ids is None else ids if isinstance(ids, list) else [ids]
    return {i for i in ids if i is not None}


class Student:
    """A model, with an adapter or without, that replies greedily.

    `adapter` is a folder as peft saves it, or None for the base model. With `merged` its weights are added to the
    model's, in memory: that is faster, and rounds otherwise. Raises RuntimeError when the adapter leaves the logits as
    they are: a silently ignored adapter would pass the base model off as fine-tuned.
    """

    def __init__(self, settings: StudentConfig, adapter: str | None = None, merged: bool = True):
        self.settings = settings
        self.encoder = load_encoder(settings)
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

    def replies(
        self, prompts: Sequence[Sequence[Message]], max_new_tokens: int, batch_size: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """One greedy reply per prompt, in order, up to the first of the `stop` texts. A prompt that leaves less room
        gets a shorter one, or none."""
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
            )
            for i, tokens in zip(batch, said, strict=True):
                replies[i] = self.encoder.reply(tokens, stop)
        return replies

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
