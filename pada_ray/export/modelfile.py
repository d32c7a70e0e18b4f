"""A Modelfile for Ollama, which writes chat templates in Go's language and not in Jinja."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

# In mixed case, so that a template that changes texts is found out.
_MARKS = {role: f"\x01The {role}, aB\x01" for role in ("system", "user", "assistant")}


class Turns(NamedTuple):
    """What a chat template puts around the messages of each role, and behind the last one."""

    around: dict[str, tuple[str, str]]
    reply_begins: str
    default_system: str | None  # the system message of a conversation that has none

    def render(self, messages: Sequence[tuple[str, str]]) -> str:
        """The prompt of (role, content) pairs, as the Go template below writes it."""
        if self.default_system is not None and messages[0][0] != "system":
            messages = [("system", self.default_system), *messages]
        return "".join(content.join(self.around[role]) for role, content in messages) + self.reply_begins


def read_turns(tokenizer: Any, values: dict[str, Any]) -> Turns | None:
    """The turns of a tokenizer's chat template; None for a template that does more than put texts around messages.

    Args:
        values: the template's own values (`student.chat_template`).
    """

    def rendered(*roles: str, reply: bool) -> str:
        messages = [{"role": role, "content": _MARKS[role]} for role in roles]
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=reply, **values)
        return text.removeprefix(_added_by_itself(tokenizer))

    try:
        whole, with_reply = (rendered("system", "user", "assistant", "user", reply=r) for r in (False, True))
        head, rest = whole.split(_MARKS["system"])
        first, second, tail = rest.split(_MARKS["user"])
        before_reply, after_reply = second.split(_MARKS["assistant"])
        reply_ends = rendered("system", "user", "assistant", reply=False).rpartition(_MARKS["assistant"])[2]
        user_begins = after_reply.removeprefix(reply_ends)
        reply_begins = with_reply.removeprefix(whole)
        around = {
            "system": (head, first.removesuffix(user_begins)),
            "user": (user_begins, tail),
            "assistant": (before_reply.removeprefix(tail), reply_ends),
        }
        alone = rendered("user", reply=True)
        given = alone.removesuffix(_MARKS["user"].join(around["user"]) + reply_begins)
        default = given.removeprefix(head).removesuffix(around["system"][1]) if given else None
        turns = Turns(around, reply_begins, default)
        said = [("user", _MARKS["user"]), ("assistant", _MARKS["assistant"]), ("user", _MARKS["user"])]
        holds = turns.render(said) == rendered("user", "assistant", "user", reply=True)
        holds &= turns.render([("system", _MARKS["system"]), *said]) == with_reply
    except Exception:  # templates refuse orders and roles in errors of their own
        return None
    return turns if holds else None


def _added_by_itself(tokenizer: Any) -> str:
    """The text that begins a prompt and that llama.cpp puts there without being asked."""
    return tokenizer.bos_token if tokenizer.bos_token_id in tokenizer("")["input_ids"] else ""


def modelfile(gguf: str, turns: Turns | None, stops: Sequence[str], context: int, most: int) -> str:
    """The text of a Modelfile.

    Args:
        gguf: the name of the model's file, beside the Modelfile.
        turns: None leaves the template to what Ollama makes of the one in the GGUF.
        stops: texts that end a reply.
        context: most tokens of prompt and reply.
        most: most tokens of a reply.
    """
    lines = [f"FROM ./{gguf}"]
    if turns is None:
        lines.append(
            "# Ollama must find the chat template in the GGUF by itself: it is not one that could be put here."
        )
    else:
        lines.append(f'TEMPLATE """{_go_template(turns)}"""')
    lines += [f"PARAMETER stop {_quoted(stop)}" for stop in stops]
    # Ollama's own repetition penalty would change greedy replies.
    lines += ["PARAMETER temperature 0", "PARAMETER repeat_penalty 1"]
    lines += [f"PARAMETER num_ctx {context}", f"PARAMETER num_predict {most}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Ollama knows no escapes between quotes."""
    quotes = '"""' if '"' in text else '"'
    return f"{quotes}{text}{quotes}"


def _go_template(turns: Turns) -> str:
    begin, end = turns.around["system"]
    default = turns.default_system
    without = "" if default is None else f"{{{{ if not .System }}}}{begin}{default}{end}{{{{ end }}}}"
    choices = [
        f'{{{{ {"if" if i == 0 else "else if"} eq .Role "{role}" }}}}{begin}{{{{ .Content }}}}{end}'
        for i, (role, (begin, end)) in enumerate(turns.around.items())
    ]
    return f"{without}{{{{ range .Messages }}}}{''.join(choices)}{{{{ end }}}}{{{{ end }}}}{turns.reply_begins}"
