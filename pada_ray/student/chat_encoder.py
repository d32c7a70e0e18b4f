"""How the student reads and writes: conversations as token ids, through the chat template of its model.

Imports transformers, and with it torch, so only what holds a model or checks samples imports this module.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from transformers import AutoConfig, AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging

from pada_ray.config import StudentConfig
from pada_ray.data.white_space import trimmed
from pada_ray.demo import STUDENT as DEMO_STUDENT
from pada_ray.errors import ConfigError, PadaError, one_line
from pada_ray.records import Message, Sample
from pada_ray.student.evaluation_job import cut

_A_DAY = "26 Jul 2024"  # what Llama 3's template says itself where it cannot ask for the day

IGNORED = -100  # label of tokens that carry no loss (torch's cross_entropy)

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


def model_location(model: str) -> str:
    """The Hub id or folder that `student.model` stands for."""
    return str(DEMO_STUDENT) if model == "demo" else os.path.expanduser(model)


def load_tokenizer(settings: StudentConfig) -> Any:
    """The student's tokenizer, with a padding token and a chat template. Raises ConfigError without them."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(model_location(settings.model))
    except Exception as e:  # the Hub's errors and those of each kind of tokenizer have no common base
        raise ConfigError(
            f"student.model: cannot load the tokenizer of {settings.model}: {one_line(e)}; check the name or the folder"
        ) from None
    if not tokenizer.chat_template:
        raise ConfigError(f"student.model: {settings.model} has no chat template; take an instruction-tuned model")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


class Encoded(NamedTuple):
    """A training conversation: token ids, and labels of equal length that are IGNORED up to the reply."""

    input_ids: list[int]
    labels: list[int]


class Reply(NamedTuple):
    text: str
    truncated: bool  # the limit of new tokens, or of the model's length, was reached before the turn ended


class Refused(NamedTuple):
    """A sample that cannot be encoded, and why."""

    sample_id: str
    error: PadaError


@dataclass(frozen=True)
class ChatEncoder:
    """Turns conversations into token ids through the model's own chat template, and generated ids into replies."""

    tokenizer: Any
    template_values: dict[str, Any]
    end_of_turn: set[int]

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a prompt, up to where the reply begins. Raises ConfigError where the template refuses it."""
        return self._ids(self._render(messages, add_generation_prompt=True))

    def conversation(self, messages: Sequence[Message]) -> Encoded:
        """Token ids of a whole conversation; only the last reply and its end-of-turn token carry loss.

        The prompt has the tokens that it has in generation. Where encoding the whole at once would join its end with
        the beginning of the reply in one token, the reply is encoded apart.

        Raises ConfigError when the template refuses the conversation, does not keep the prompt as its beginning, or
        does not end the turn with a token that ends generation: such a model would never learn to stop.
        """
        before, said = self._prompt_and_reply(messages)
        prompt, whole = self._ids(before), self._ids(before + said)
        reply = whole[len(prompt) :] if whole[: len(prompt)] == prompt else self._apart(before, said)
        ends = [i for i, token in enumerate(reply) if token in self.end_of_turn]
        if not ends:
            raise ConfigError(
                "student.model: the chat template ends no reply with a token that ends generation "
                f"({sorted(self.end_of_turn)}); mend the model's generation_config.eos_token_id"
            )
        reply = reply[: ends[-1] + 1]  # what a template puts behind the turn is not the model's to say
        return Encoded(prompt + reply, [IGNORED] * len(prompt) + reply)

    def reply(self, generated: Sequence[int], stop: Sequence[str] = ()) -> Reply:
        """What was said up to the end of the turn, or to the first of the `stop` texts. It is `trimmed`, so that code
        keeps its indentation."""
        length = next((i for i, token in enumerate(generated) if token in self.end_of_turn), None)
        text = trimmed(self._said(generated[:length]).removeprefix(self._lead))
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

    def _prompt_and_reply(self, messages: Sequence[Message]) -> tuple[str, str]:
        """The rendered prompt, and what the template puts behind it for the reply."""
        prompt = self._render(messages[:-1], add_generation_prompt=True)
        whole = self._render(messages, add_generation_prompt=False)
        if not whole.startswith(prompt):
            raise ConfigError(
                "student.chat_template: the rendered prompt is not the beginning of the rendered conversation; "
                "give values that make it so (for thinking models, such as enable_thinking: false)"
            )
        return prompt, _indented(whole.removeprefix(prompt), messages[-1].content)

    def _apart(self, prompt: str, said: str) -> list[int]:
        """The reply's token ids as they follow a token that ends before it."""
        anchor = self.tokenizer.eos_token or ""  # without one, some tokenizers put a space before a text
        ids = self._ids(anchor + said)[len(self._ids(anchor)) :]
        if self._text(self._ids(prompt) + ids) != self._text(self._ids(prompt + said)):
            raise ConfigError(
                "student.model: its tokenizer joins the end of the prompt with the beginning of this reply, and "
                "encodes the reply otherwise by itself; change how the reply begins"
            )
        return ids

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def _said(self, ids: Sequence[int]) -> str:
        """The text of a reply's tokens. Some tokenizers take away a space where what they decode begins."""
        anchor = self._ids("x")
        text: str = self.tokenizer.decode([*anchor, *ids], skip_special_tokens=True)
        return text.removeprefix(self.tokenizer.decode(anchor, skip_special_tokens=True))

    @functools.cached_property
    def _lead(self) -> str:
        """The spaces that template and tokenizer put between a prompt and its reply, which are no part of what was
        said."""
        try:
            encoded = self.conversation([Message(role="user", content="?"), Message(role="assistant", content="x")])
        except ConfigError:  # another reason than this to refuse it
            return ""
        lead = self._said([i for i in encoded.labels if i != IGNORED]).partition("x")[0]
        return lead if lead.isspace() else ""

    def _render(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        try:
            text: str = self.tokenizer.apply_chat_template(
                [m.model_dump() for m in messages],
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                **self.template_values,
            )
        except Exception as e:  # a template is a program
            raise ConfigError(
                f"student.model: its chat template refuses the conversation ({one_line(e)}); {_advice(messages)}"
            ) from None
        return text

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def encode_all(
    encoder: ChatEncoder, samples: Iterable[Sample], max_length: int
) -> tuple[list[Encoded], list[str], list[Refused]]:
    """The samples that can be trained on, in order; the ids of those that are longer than `max_length` tokens; and
    those that cannot be encoded."""
    fitting: list[Encoded] = []
    long: list[str] = []
    refused: list[Refused] = []
    for sample in samples:
        try:
            encoded = encoder.conversation(sample.messages)
        except ConfigError as e:
            refused.append(Refused(sample.id, e))
            continue
        if len(encoded.input_ids) <= max_length:
            fitting.append(encoded)
        else:
            long.append(sample.id)
    return fitting, long, refused


def nothing_to_train_on(settings: StudentConfig, long: Sequence[str], refused: Sequence[Refused]) -> PadaError:
    """The error to raise when `encode_all` found no sample that fits."""
    if refused and not long:
        return refused[0].error
    return ConfigError(
        f"student.max_length: every training sample is longer than {settings.max_length} tokens; raise it, or shorten "
        "them"
    )


def _indented(said: str, content: str) -> str:
    """What a template puts behind the prompt, with the indentation of the reply if the template took it away."""
    kept, bare = trimmed(content), content.strip()
    indentation = kept[: len(kept) - len(bare)]
    if not indentation or kept in said or bare not in said:
        return said
    at = said.index(bare)
    return said[:at] + indentation + said[at:]


def _advice(messages: Sequence[Message]) -> str:
    """What to do about a conversation that a template refuses."""
    roles = [m.role for m in messages]
    if "system" in roles:
        return "put the system message at the beginning of the user's first message, or take another model"
    if any(one == other for one, other in pairwise(roles)):
        return "join messages of one role that follow each other, or take another model"
    if roles[:1] != ["user"]:
        return "begin with the user's message, or take another model"
    return "change the sample, student.chat_template or the model"


def load_encoder(settings: StudentConfig) -> ChatEncoder:
    """The student's way of reading and writing, without its weights. Raises ConfigError as `load_tokenizer` does."""
    tokenizer = load_tokenizer(settings)
    return ChatEncoder(tokenizer, _template_values(settings, tokenizer), _end_of_turn_ids(settings, tokenizer))


def _template_values(settings: StudentConfig, tokenizer: Any) -> dict[str, Any]:
    """The config's values, and a fixed day for a template that would put today's date into every prompt."""
    dated = {"date_string": _A_DAY} if "date_string" in str(tokenizer.chat_template) else {}
    return dated | settings.chat_template


def _end_of_turn_ids(settings: StudentConfig, tokenizer: Any) -> set[int]:
    """The tokens that end a reply in generation."""
    location = model_location(settings.model)
    try:
        ids = GenerationConfig.from_pretrained(location).eos_token_id
    except OSError:  # a model need not bring one
        ids = AutoConfig.from_pretrained(location).eos_token_id
    ids = [tokenizer.eos_token_id] if ids is None else ids if isinstance(ids, list) else [ids]
    return {i for i in ids if i is not None}
