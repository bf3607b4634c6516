# SPDX-License-Identifier: Apache-2.0
"""How Sphinx makes the site of these pages: `python3 tools/dev.py docs`.

Sphinx and furo, because both are maintained, and because the site needs no other host: furo uses
the fonts of the system, the search is a local index, and drawings are part of the pages. Sphinx
checks each internal link, and its `linkcheck` the external ones. The API reference is made by
`tools/site`, as Sphinx's autodoc reads docstrings as reStructuredText, and ours are Markdown.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

project = "cereggii"
author = "The cereggii developers"
copyright = author  # noqa: A001 - the name of Sphinx's setting
version = release = version_of("cereggii")

extensions = ["myst_parser", "tools.site"]
exclude_patterns = ["reference/members/*"]
html_theme = "furo"
html_title = "cereggii"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "default"
pygments_dark_style = "github-dark"

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]

# Types in signatures are text: those of Python are not part of the site.
nitpicky = True
nitpick_ignore_regex = [(r"py:class", r".*")]
add_module_names = False
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 80
