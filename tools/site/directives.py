# SPDX-License-Identifier: Apache-2.0
"""The directives of the site."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from tools.site import drawings, members, results, svg


class Members(Directive):
    """`{members} AtomicInt`: the reference of that class or function."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        """The nodes that it stands for."""
        (name,) = self.arguments
        environment = self.state.document.settings.env
        environment.note_dependency(str(members.FOLDER / f"{name}.toml"))
        container = nodes.container()
        container.document = self.state.document
        text = members.text_of(name)
        self.state.nested_parse(StringList(text.splitlines(), name), 0, container)
        return container.children


class Figure(Directive):
    """A directive that puts an SVG into the page, with its content as the caption."""

    required_arguments = 1
    has_content = True
    # The files that the picture is made of: if one changes, the page is made again.
    made_of: tuple[str, ...] = ()

    def svg(self, name: str) -> str:
        """The SVG of that name."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """The nodes that it stands for."""
        for file in (svg.__file__, *self.made_of):
            self.state.document.settings.env.note_dependency(str(file))
        caption = nodes.container()
        caption.document = self.state.document
        self.state.nested_parse(self.content, self.content_offset, caption)
        picture = self.svg(self.arguments[0])
        return [
            nodes.raw("", f'<figure class="drawing">{picture}<figcaption>', format="html"),
            *caption.children,
            nodes.raw("", "</figcaption></figure>", format="html"),
        ]


class DrawingDirective(Figure):
    """`{drawing} biased`: a drawing of `drawings.py`, with its caption."""

    made_of = (drawings.__file__,)

    def svg(self, name: str) -> str:
        """The drawing of that name."""
        return drawings.DRAWINGS[name]().svg()


class ResultsDirective(Figure):
    """`{results} Integers and references`: a section of benchmarks/RESULTS.md as a picture."""

    final_argument_whitespace = True
    made_of = (results.__file__, str(results.FILE))

    def svg(self, name: str) -> str:
        """The picture of that section."""
        return results.picture(name)
