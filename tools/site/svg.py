# SPDX-License-Identifier: Apache-2.0
"""Small pictures as SVG that is a part of a page, so that it has the colours of the page.

The colours are those of furo and of `docs/_static/site.css`, which differ between light and dark.
"""

from __future__ import annotations

from html import escape
from typing import Literal

COLORS = {
    "text": "var(--color-foreground-primary)",
    "faint": "var(--color-foreground-muted)",
    "box": "var(--color-background-secondary)",
    "line": "var(--color-foreground-border)",
    "one": "var(--drawing-one)",
    "two": "var(--drawing-two)",
    "three": "var(--drawing-three)",
    "four": "var(--drawing-four)",
}

Anchor = Literal["start", "middle", "end"]


class Picture:
    """An SVG that is being drawn. `title` is read aloud in its place."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size = (width, height)
        self._title = title
        self._parts: list[str] = []

    def text(
        self, x: float, y: float, text: str, color: str = "text", anchor: Anchor = "middle",
        size: float = 12, bold: bool = False,
    ) -> None:  # fmt: skip
        """A line of text, or several. The point is in the middle of its height."""
        lines = text.splitlines()
        weight = ' font-weight="600"' if bold else ""
        for number, line in enumerate(lines):
            at = y + (number - (len(lines) - 1) / 2) * size * 1.25
            self._parts.append(
                f'<text x="{x:g}" y="{at:g}" fill="{COLORS[color]}" font-size="{size:g}"{weight} '
                f'text-anchor="{anchor}" dominant-baseline="central">{escape(line)}</text>'
            )

    def box(
        self, x: float, y: float, width: float, height: float, text: str = "",
        color: str = "line", fill: str = "box",
    ) -> None:  # fmt: skip
        """A rectangle with text in its middle."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" '
            f'fill="{COLORS[fill]}" stroke="{COLORS[color]}" stroke-width="1.5"/>'
        )
        if text:
            self.text(x + width / 2, y + height / 2, text)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, color: str = "line",
        width: float = 1.5, dashed: bool = False,
    ) -> None:  # fmt: skip
        """A line."""
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{COLORS[color]}" '
            f'stroke-width="{width:g}" stroke-linecap="round"{dashes}/>'
        )

    def arrow(
        self, x1: float, y1: float, x2: float, y2: float, color: str = "faint", dashed: bool = False
    ) -> None:
        """A line with a head at its end."""
        self.line(x1, y1, x2, y2, color, dashed=dashed)
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5 or 1
        dx, dy = (x2 - x1) / length, (y2 - y1) / length
        corners = [(x2, y2), (x2 - 9 * dx - 4 * dy, y2 - 9 * dy + 4 * dx),
                   (x2 - 9 * dx + 4 * dy, y2 - 9 * dy - 4 * dx)]  # fmt: skip
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        self._parts.append(f'<polygon points="{points}" fill="{COLORS[color]}"/>')

    def dot(self, x: float, y: float, color: str, radius: float = 4) -> None:
        """A filled circle."""
        self._parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{COLORS[color]}"/>')

    def svg(self) -> str:
        """The text of the picture."""
        width, height = self._size
        return (
            f'<svg viewBox="0 0 {width:g} {height:g}" role="img" '
            f'aria-label="{escape(self._title)}"><title>{escape(self._title)}</title>'
            f"{''.join(self._parts)}</svg>"
        )
