# SPDX-License-Identifier: Apache-2.0
"""What the documentation site adds to Sphinx: links between documents, and drawings."""

from __future__ import annotations

import re
import xml.dom.minidom
from pathlib import Path, PurePosixPath

import pytest

from tools.site import drawings, pages

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("document", "page", "text", "shown"),
    [
        # From a document of the repository to a page, and to a part of it.
        ("README.md", "index", "[a](docs/api.md)", "[a](api.md)"),
        ("CHANGELOG.md", "changelog", "[a](docs/api.md#timeouts)", "[a](api.md#timeouts)"),
        ("benchmarks/README.md", "benchmarking", "[a](RESULTS.md)", "[a](results.md)"),
        # From a page to a document of the repository; a folder stands for its README.
        ("docs/proof.md", "proof", "[a](../verification/README.md)", "[a](models.md)"),
        ("docs/howto/dask.md", "howto/dask", "[a](../../examples/)", "[a](../examples.md)"),
        # To what is not a page.
        ("docs/proof.md", "proof", "[a](../noxfile.py)", "a (`noxfile.py`)"),
        ("docs/proof.md", "proof", "[`noxfile.py`](../noxfile.py)", "`noxfile.py`"),
        # Sphinx reports what is not there. Other hosts and the page itself are left alone.
        ("docs/proof.md", "proof", "[a](nothing.txt)", "[a](nothing.txt)"),
        ("docs/proof.md", "proof", "[a](https://example.org/x)", "[a](https://example.org/x)"),
        ("docs/proof.md", "proof", "[a](#here)", "[a](#here)"),
    ],
)
def test_a_link_between_documents_leads_to_a_page(
    document: str, page: str, text: str, shown: str
) -> None:
    assert pages.with_links(text, PurePosixPath(document), page) == shown


def test_every_document_that_is_a_page_exists() -> None:
    for document, page in pages.PAGES.items():
        assert (ROOT / document).is_file()
        text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
        assert page == "index" or pages.INCLUDE.findall(text) == [document]


DOCUMENTS = [
    path
    for pattern in ("*.md", "*/*.md", "docs/*/*.md", "packages/*/*.md")
    for path in sorted(ROOT.glob(pattern))
]


def anchors_of(document: Path) -> set[str]:
    """The anchors of the headings, as the site and most hosts of repositories make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_in_the_repository_lead_somewhere(document: Path) -> None:
    for match in pages.LINK.finditer(document.read_text("utf-8")):
        if ":" in match["target"]:
            continue
        path = document.parent / match["target"]
        assert path.exists(), match[0]
        if match["anchor"] and path.suffix == ".md":
            assert match["anchor"].removeprefix("#") in anchors_of(path), match[0]


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_a_drawing_is_well_formed_and_inside_of_its_frame(name: str) -> None:
    svg = drawings.DRAWINGS[name]().svg()
    (root,) = xml.dom.minidom.parseString(svg).getElementsByTagName("svg")
    _, _, width, height = map(float, root.getAttribute("viewBox").split())
    assert root.getAttribute("aria-label")
    for kind in ("x", "x1", "x2", "cx"):
        assert all(0 <= float(at) <= width for at in re.findall(rf' {kind}="([\d.-]+)"', svg))
    for kind in ("y", "y1", "y2", "cy"):
        assert all(0 <= float(at) <= height for at in re.findall(rf' {kind}="([\d.-]+)"', svg))


def test_every_drawing_is_on_a_page() -> None:
    text = "".join(path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md"))
    assert set(re.findall(r"^```\{drawing\} (\w+)$", text, re.MULTILINE)) == {*drawings.DRAWINGS}
