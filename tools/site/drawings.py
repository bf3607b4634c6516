# SPDX-License-Identifier: Apache-2.0
"""The drawings of the pages on concepts. Each function is a drawing of its name."""

from __future__ import annotations

from collections.abc import Callable

from tools.site.svg import Picture


def lost_update() -> Picture:
    """Two threads read the same value, and one of two additions is lost."""
    picture = Picture(460, 236, "Two threads read 7, both store 8: one addition is lost")
    for y, name, color in ((36, "thread A", "one"), (196, "thread B", "two")):
        picture.text(4, y, name, color, "start", bold=True)
        picture.arrow(66, y, 454, y)
    picture.text(4, 116, "counter", anchor="start", bold=True)
    picture.line(96, 116, 250, 116, dashed=True)
    picture.line(280, 116, 362, 116, dashed=True)
    for x, width, value, color in (
        (70, 26, "7", "line"),
        (250, 30, "8", "one"),
        (362, 76, "8, not 9", "two"),
    ):
        picture.box(x, 99, width, 34, value, color)
    for x, y, text, color in (
        (84, 36, "read 7", "one"),
        (140, 196, "read 7", "two"),
        (234, 36, "store 8", "one"),
        (369, 196, "store 8", "two"),
    ):
        picture.box(x, y - 17, 62, 34, text, color)
    for x, start, end, color in ((115, 114, 56, "one"), (171, 118, 176, "two"),
                                 (265, 56, 96, "one"), (400, 176, 136, "two")):  # fmt: skip
        picture.arrow(x, start, x, end, color)
    picture.text(454, 226, "time", "faint", "end", 11)
    return picture


def retry() -> Picture:
    """A compare-and-set that finds another value, and starts again."""
    picture = Picture(
        460, 236, "B's compare-and-set fails because A's has succeeded; B starts again"
    )
    for y, name, color in ((36, "thread A", "one"), (196, "thread B", "two")):
        picture.text(4, y, name, color, "start", bold=True)
        picture.arrow(66, y, 454, y)
    picture.text(4, 116, "level", anchor="start", bold=True)
    picture.line(92, 116, 194, 116, dashed=True)
    picture.line(220, 116, 366, 116, dashed=True)
    for x, width, value, color in (
        (66, 26, "3", "line"),
        (194, 26, "6", "one"),
        (366, 30, "12", "two"),
    ):
        picture.box(x, 99, width, 34, value, color)
    for x, y, width, text, color in (
        (80, 36, 52, "read 3", "one"),
        (156, 36, 104, "set 6 if it is 3", "one"),
        (110, 196, 52, "read 3", "two"),
        (178, 196, 80, "fails: not 3", "two"),
        (264, 196, 52, "read 6", "two"),
        (322, 196, 112, "set 12 if it is 6", "two"),
    ):
        picture.box(x, y - 17, width, 34, text, color)
    for x, start, end, color in ((106, 114, 56, "one"), (136, 118, 176, "two"),
                                 (207, 56, 96, "one"), (210, 135, 176, "two"),
                                 (290, 118, 176, "two"), (381, 176, 136, "two")):  # fmt: skip
        picture.arrow(x, start, x, end, color)
    picture.text(454, 226, "time", "faint", "end", 11)
    return picture


def linearization() -> Picture:
    """Operations that overlap, and the points at which they take effect."""
    picture = Picture(
        460, 240, "Each operation takes effect at one instant between call and return"
    )
    calls = [(30, "A", 72, 200, 150, "x += 1", "one"),
             (90, "B", 120, 340, 288, "x.get() is 2", "two"),
             (150, "C", 175, 296, 226, "x += 1", "three")]  # fmt: skip
    for y, name, start, end, point, text, color in calls:
        picture.text(4, y, f"thread {name}", color, "start", bold=True)
        picture.line(start, y, end, y, color, 9)
        picture.text(end + 12, y, text, anchor="start")
        picture.line(point, y, point, 195, "faint", dashed=True)
        picture.dot(point, y, "text", 5)
        picture.dot(point, 195, color, 5)
    picture.arrow(66, 195, 454, 195)
    for point, text in ((150, "x is 1"), (226, "x is 2"), (288, "2 is read")):
        picture.text(point, 215, text, size=11)
    picture.text(454, 180, "one order", "faint", "end", 11)
    return picture


def reference_counts() -> Picture:
    """Threads that count references to one object, and threads with handles."""
    picture = Picture(460, 246, "Threads that share an object count in it; handles count apart")
    for left, title in ((0, "without handles"), (236, "with handles")):
        picture.text(left + 110, 18, title, bold=True)
        for number, color in enumerate(("one", "two")):
            picture.box(left + 4 + 122 * number, 40, 90, 34, f"thread {'AB'[number]}", color)
        picture.box(left + 60, 190, 100, 44, "AtomicDict", "line")
    for x, end, color in ((40, 85, "one"), (180, 135, "two")):
        picture.arrow(x, 76, end, 187, color)
    picture.text(110, 120, "one count,\nwritten by both", "faint", size=11)
    for number, color in enumerate(("one", "two")):
        x = 240 + 122 * number
        picture.arrow(x + 45, 76, x + 45, 108, color)
        picture.box(x + 5, 110, 80, 34, "handle", color)
        picture.arrow(x + 28 + 34 * number, 146, 318 + 56 * number, 187, "faint", dashed=True)
    picture.text(346, 90, "two counts,\none writer each", "faint", size=11)
    picture.text(346, 163, "pointers that\nare not counted", "faint", size=11)
    return picture


def reclamation() -> Picture:
    """From the unlinking of a key to its freeing."""
    picture = Picture(
        460, 240, "A removed key is freed when every thread that could see it has left"
    )
    for y, name, color in (
        (50, "reader A", "one"),
        (110, "writer B", "two"),
        (170, "reader C", "three"),
    ):
        picture.text(4, y, name, color, "start", bold=True)
        picture.arrow(68, y, 454, y)
    picture.line(96, 50, 265, 50, "one", 9)
    picture.text(180, 28, "pinned: may have found the key", "one", size=11)
    picture.box(139, 92, 62, 36, "unlink", "two")
    picture.text(162, 142, "del d[key]", "faint", "end", size=11)
    picture.box(278, 92, 52, 36, "free", "two")
    picture.line(230, 170, 410, 170, "three", 9)
    picture.text(274, 192, "pinned: cannot find the key", "three", "start", size=11)
    picture.line(170, 130, 170, 215, "faint", dashed=True)
    picture.line(265, 55, 265, 215, "faint", dashed=True)
    picture.arrow(174, 215, 261, 215)
    picture.text(218, 230, "the key waits", "faint", size=11)
    picture.text(454, 230, "time", "faint", "end", 11)
    return picture


def gate() -> Picture:
    """An exact operation closes the gate to writers, and readers go on."""
    picture = Picture(
        460, 220, "While len or snapshot reads the keys, writers wait and readers do not"
    )
    rows = ((45, "len(d)", "one"), (105, "d[k] = v", "two"), (165, "d[k]", "three"))
    for y, name, color in rows:
        picture.text(4, y, name, color, "start", bold=True)
        picture.arrow(68, y, 454, y)
    picture.box(170, 27, 110, 36, "reads all keys", "one")
    picture.line(92, 105, 142, 105, "two", 9)
    picture.line(200, 105, 280, 105, "faint", 3, dashed=True)
    picture.text(240, 88, "waits", "faint", size=11)
    picture.line(284, 105, 340, 105, "two", 9)
    for start in (92, 185, 292, 370):
        picture.line(start, 165, start + 62, 165, "three", 9)
    for x, text in ((170, "gate closed"), (280, "gate open")):
        picture.line(x, 65, x, 190, "faint", dashed=True)
        picture.text(x, 204, text, "faint", size=11)
    return picture


DRAWINGS: dict[str, Callable[[], Picture]] = {
    function.__name__: function
    for function in (lost_update, retry, linearization, reference_counts, reclamation, gate)
}
