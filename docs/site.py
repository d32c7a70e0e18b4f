"""A hook of mkdocs: pages from outside of this folder, and links that work on the site as they do in the repository."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "configs/README.md": "configs.md",
    "benchmarks/README.md": "benchmarks.md",
    **{f"benchmarks/results/{name}.md": f"{name}_results.md" for name in ("bench", "gateway", "growth", "sweep")},
}
"""Files of the repository by what they are called on the site. What lies in docs/ keeps its name."""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Any, config: Any) -> Any:
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    here = page.file.src_uri
    source = next((source for source, name in PAGES.items() if name == here), f"docs/{here}")
    return _LINK.sub(lambda found: _on_the_site(found, posixpath.dirname(source)), markdown)


def _on_the_site(found: re.Match[str], folder: str) -> str:
    """A link as the site has it; only its text where it leads to a file of the project's code."""
    shows, text, target = found.groups()
    path, mark, anchor = target.partition("#")
    if "://" in target or not path:
        return found[0]
    place = posixpath.normpath(posixpath.join(folder, path))
    page = place.removeprefix("docs/") if place.startswith("docs/") else PAGES.get(place)
    return text if page is None else f"{shows}[{text}]({page}{mark}{anchor})"
