# SPDX-License-Identifier: Apache-2.0
"""What the documentation site adds to Sphinx; `docs/conf.py` names it as an extension.

- `pages`: a page may be another document of the repository, and links between documents work on
  the site as in the repository.
- `members`: the directive `members`, which makes the reference of a class or function of its
  docstrings, its stub and `docs/reference/members/`.
- `drawings` and `results`: the directives of these names, which put an SVG into the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    from tools.site import directives, pages

    app.connect("source-read", pages.read)
    app.add_directive("members", directives.Members)
    app.add_directive("drawing", directives.DrawingDirective)
    app.add_directive("results", directives.ResultsDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
