"""The generated part of docs/reading_answers.md.

To write it again: `cd tests/unit && python -m reply_table.document`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from reply_table.field_scorers import SCORERS
from reply_table.table import TASKS, Entry, entries, reasons

DOCUMENT = Path(__file__).parents[3] / "docs" / "reading_answers.md"
BEGIN, END = "<!-- from here on written by tests/unit/reply_table/document.py -->\n", "<!-- to here -->\n"


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _shown(reply: str) -> str:
    text = json.dumps(reply, ensure_ascii=False)
    mark = "``" if "`" in text else "`"
    return f"{mark} {text if len(text) <= 60 else text[:59] + '…'} {mark}"


def _overview() -> list[str]:
    lines = [_row("task", "replies", "should pass", "should fail", "kinds"), _row(*["---"] * 5)]
    for task in TASKS:
        table = entries(task)
        passing = sum(entry.passes for entry in table)
        kinds = Counter(entry.kind for entry in table)
        named = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        lines.append(_row(f"`{task}`", len(table), passing, len(table) - passing, named))
    return lines


def _scorer(name: str, table: list[Entry]) -> list[str]:
    differing = [entry for entry in table if name in entry.differs]
    lines = [f"### {name}", "", f"Says the same of {len(table) - len(differing)} of {len(table)} replies.", ""]
    lines += [_row("difference", "replies", "for example", "ours", "why"), _row(*["---"] * 5)]
    for label, why in reasons()[name].items():
        among = [entry for entry in differing if entry.differs[name] == label]
        verdicts = {"pass" if entry.passes else "fail" for entry in among}
        lines.append(_row(label, len(among), _shown(among[0].reply), " or ".join(sorted(verdicts)), why))
    return [*lines, ""]


def rendered() -> str:
    """The overview, then each scorer with its differences by class."""
    lines = [*_overview(), ""]
    for task, scorers in SCORERS.items():
        for name in scorers:
            lines += _scorer(name, entries(task))
    return "\n".join(lines)


def main() -> None:
    head, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    DOCUMENT.write_text(f"{head}{BEGIN}\n{rendered()}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
