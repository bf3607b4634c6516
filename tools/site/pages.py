# SPDX-License-Identifier: Apache-2.0
"""Documents of the repository as pages of the site, and the links between them.

A document links to another one by its path in the repository, so that the link also works where
the repository is shown. On the site, such a link leads to the page of that document.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]

# The documents that lie outside of docs/, and the names of their pages.
PAGES = {
    "README.md": "index",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "benchmarks/README.md": "benchmarking",
    "benchmarks/RESULTS.md": "results",
    "examples/README.md": "examples",
    "verification/README.md": "models",
}

INCLUDE = re.compile(r"^% include (?P<path>\S+)$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\[]+)\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def page_of(path: PurePosixPath) -> str | None:
    """The page of a document or folder, which is named by its path in the repository."""
    for name in (str(path), f"{path}/README.md"):
        if name in PAGES:
            return PAGES[name]
    if path.parts[:1] == ("docs",) and path.suffix == ".md":
        return str(path.relative_to("docs").with_suffix(""))
    return None


def with_links(text: str, document: PurePosixPath, page: str) -> str:
    """The text of a document with its links changed to those of a page.

    A link to what is not a page becomes the name of the file. A link to nothing stays, so that
    Sphinx reports it.
    """

    def replace(match: re.Match[str]) -> str:
        path = PurePosixPath(os.path.normpath(document.parent / match["target"]))
        target = page_of(path)
        if target is not None:
            start = PurePosixPath(page).parent
            relative = os.path.relpath(target, start).replace(os.sep, "/")
            return f"[{match['text']}]({relative}.md{match['anchor'] or ''})"
        if (ROOT / path).exists():
            named = str(path) in match["text"].strip("`")
            return match["text"] if named else f"{match['text']} (`{path}`)"
        return match[0]

    return LINK.sub(replace, text)


def read(app: Sphinx, page: str, source: list[str]) -> None:
    """Change the text of a page before Sphinx parses it."""

    def include(match: re.Match[str]) -> str:
        path = PurePosixPath(match["path"])
        app.env.note_dependency(str(ROOT / path))
        return with_links((ROOT / path).read_text("utf-8"), path, page)

    text = with_links(source[0], PurePosixPath("docs", f"{page}.md"), page)
    source[0] = INCLUDE.sub(include, text)
