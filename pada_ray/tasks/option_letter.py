"""The letter that a reply to a multiple-choice question chooses."""

from __future__ import annotations

import re

from pada_ray.tasks.own_words import own_words

_BARE = re.compile(r"\W*([A-Ja-j])\W*")
_ONLY_LETTERS = re.compile(r"\W*(?:(?:either|both)\W+)?[A-Ja-j](?:\W+(?:(?:and|or)\W+)?[A-Ja-j])+\W*", re.IGNORECASE)
_ECHO = re.compile(r"^[^\S\n]*\(?A[.):].*\n\s*\(?B[.):]", re.MULTILINE)  # a repeated list of options

# "A whale" begins with an article and "I think" with a pronoun, but "A is right" and "A because" with the letter.
_CAPITAL = r"(?:A(?!\s+(?!(?:is|are|because|since|as|for|and|or|but|not|rather)\b)[a-z])|[B-HJ]|I(?!\s+\w))(?![\w'’-])"
_SMALL = r"[a-j](?![\w'’-]|[.:]\w)(?=[\s*]{0,9}(?:[.,;:)\]}*\"'!<]|$))"
_MARKS = r"[\s*_\"'(\[{<$\\]{0,9}"
_OPTION = rf"(?:(?i:the|option|choice|letter|boxed|text)\b{_MARKS}){{0,3}}"

# Ignored: letters that the reply rules out or asks about, and letters in the names of things.
_SEVERAL = r"\(?\b[A-J]\b\)?(?:(?:\s*[,/]\s*|\s+&\s+|,?\s+(?:and|or|nor)\s+)\(?[A-J]\b\)?){0,9}"
_IGNORED = re.compile(
    r"\b(?i:not|nor|neither|never|eliminate|rule out|exclude|rather than|instead of|unlike)\s+"
    r"(?i:(?:the\s+)?(?:options?|choices?|answers?)\s+)?\(?[A-J]\b\)?(?:\s+(?:and|or|nor)\s+\(?[A-J]\b\)?)*"
    rf"|{_SEVERAL}\s+(?:(?:is|are|was|were|seems?|looks?)\s+(?:(?:all|both|clearly|also)\s+)?"
    r"(?:not|wrong|incorrect|false|out|ruled out|eliminated|implausible|impossible|unlikely)\b"
    r"|(?:is|are|ca|do|does)n['’]t\b|(?:cannot|do not|does not)\b)"
    r"|\(?\b[A-J]\b\)?\s*\?"
    r"|\b(?i:vitamins?|hepatitis|influenza|types?|groups?|points?|objects?|students?|figures?)\s+[A-J]\b"
)

# A reply states its choice in one of these ways; the last one counts.
_STATED = [
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"\b(?i:answer|(?:option|choice|letter)\s*(?:is|:)|choose|pick|select|go(?:ing)? with)\b"
        rf"[\s*_\"']{{0,9}}(?i:is|(?:would|should|must) be)?[\s*_\"']{{0,9}}[:=]?"
        rf"{_MARKS}{_OPTION}({_CAPITAL}|{_SMALL})",
        rf"\b(?i:therefore|thus|hence|so)\b,?\s+(?i:it(?:['’]s| is| must be)\s+)?{_MARKS}{_OPTION}({_CAPITAL})",
        rf"\b(?:is|be)\b:?\s+{_MARKS}{_OPTION}({_CAPITAL})[\s*_\"')\]}}]{{0,9}}(?:[.!:]|\Z)",
        rf"\b({_CAPITAL})\)?\s+(?:is|seems)\s+(?:the\s+(?:only|most)|(?:the\s+)?(?:best|better|correct|right|answer)"
        r"|most\s+(?:likely|probably|accurate|appropriate|plausible|suitable))\b",
        rf"[.!?:\n][^\S\n]*{_MARKS}({_CAPITAL})\W{{0,9}}\Z",
    )
]
# These weaken a statement: the clause that it stands in is granted, or supposed; or it holds elsewhere only.
_GRANTED = re.compile(
    r"(?:^|[\s(,;.])(?:while|whilst|whereas|although|though|even if|if|granted|suppose|supposing|assuming)\b"
    r"[^,;.!?\n]*$",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"[^\w,;.!?\n]{0,9}(?:\s{1,9}(?:too|as well))?"
    r"(?:,?\s{1,9}but\b|\s{1,9}(?:only|about|that|when|where|if|unless|in|for|of|with)\b"
    r"(?!\s+(?:this|the\s+(?:given|above|question|problem|passage|text))\b))",
    re.IGNORECASE,
)
# If a reply states nothing: the first letter that is marked, else the first that stands alone.
_MARKED = re.compile(
    r"\(([A-Ja-j])\)|\[([A-J])\]|\{([A-J])\}|\*\*([A-J])\b|(?<![\w.'’])([A-J])[.):](?!\w)|\A\W*([a-j])[.):]\s"
)
_ALONE = re.compile(rf"(?<![\w'’-])({_CAPITAL})")
_ANOTHER = re.compile(rf"\W{{0,3}}(?:\s(?:and|or)\s|[,/&+])\W{{0,3}}({_CAPITAL})(?!\s+(?:is|was|has)\b)")


def _is_weak(statement: re.Match[str]) -> bool:
    """Whether it does not say what the answer to this question is: `While A is correct for rivers, ...`."""
    reply, letter = statement.string, statement.start(1)
    if _GRANTED.search(reply, max(0, letter - 200), letter):
        return True
    says_right = re.search(r"\b(?:best|better|correct|right)$", statement[0])
    return says_right is not None and _ELSEWHERE.match(reply, statement.end()) is not None


def chosen_letter(reply: str) -> str | None:
    """`A` to `J`: the whole reply `b`, `(B)`, `B.`; else what the reply states last, as in `the answer is B`,
    `Answer: (B)`, `I choose B`, `so B`, `B is correct`; else its first `(B)`, `B.`, `B)`, `**B`; else its first
    capital that stands alone and is no article.

    Letters that the reply rules out, or grants while it states another, are ignored. None if it chooses several
    (`B and C`), repeats the list of options, or names none.
    """
    reply = own_words(reply).strip()
    bare = _BARE.fullmatch(reply)
    if bare:
        return bare[1].upper()
    if _ONLY_LETTERS.fullmatch(reply):
        return None
    reply = _IGNORED.sub(" ", reply)
    stated = [match for pattern in _STATED for match in pattern.finditer(reply) if not _is_weak(match)]
    if not stated and _ECHO.search(reply):
        return None
    found = max(stated, key=lambda match: match.start(1)) if stated else _MARKED.search(reply) or _ALONE.search(reply)
    if found is None:
        return None
    letter = next(letter for letter in found.groups() if letter).upper()
    another = _ANOTHER.match(reply, found.end(found.lastindex or 0))
    return None if another and another[1] != letter else letter
