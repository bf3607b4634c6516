# SPDX-License-Identifier: Apache-2.0
"""The drawings of the pages on concepts. Each function is a drawing of its name."""

from __future__ import annotations

from collections.abc import Callable

from tools.site.svg import Picture


def lost_update() -> Picture:
    """Two threads read the same value, and one of two additions is lost."""
    picture = Picture(640, 240, "Two threads read 7, both store 8: one addition is lost")
    for y, name, color in ((40, "thread A", "one"), (200, "thread B", "two")):
        picture.text(10, y, name, color, "start", bold=True)
        picture.arrow(85, y, 630, y)
    picture.text(10, 120, "counter", anchor="start", bold=True)
    for x, value, color in ((95, "7", "line"), (365, "8", "one"), (515, "8, not 9", "two")):
        picture.box(x, 103, 90 if len(value) > 1 else 40, 34, value, color)
    picture.line(135, 120, 365, 120, dashed=True)
    picture.line(405, 120, 515, 120, dashed=True)
    steps = [
        (150, 40, "read 7", "one"),
        (220, 200, "read 7", "two"),
        (340, 40, "store 8", "one"),
        (510, 200, "store 8", "two"),
    ]
    for x, y, text, color in steps:
        picture.box(x, y - 17, 90, 34, text, color)
    for x, start, end, color in ((195, 118, 60, "one"), (265, 122, 180, "two"),
                                 (385, 60, 100, "one"), (555, 180, 140, "two")):  # fmt: skip
        picture.arrow(x, start, x, end, color)
    picture.text(630, 226, "time", "faint", "end", 11)
    return picture


def retry() -> Picture:
    """A compare-and-set that finds another value, and starts again."""
    picture = Picture(640, 240, "B's compare-and-set fails because A's has succeeded; B starts again")
    for y, name, color in ((40, "thread A", "one"), (200, "thread B", "two")):
        picture.text(10, y, name, color, "start", bold=True)
        picture.arrow(85, y, 630, y)
    picture.text(10, 120, "level", anchor="start", bold=True)
    for x, value, color in ((95, "3", "line"), (272, "6", "one"), (550, "12", "two")):
        picture.box(x, 103, 40, 34, value, color)
    picture.line(135, 120, 272, 120, dashed=True)
    picture.line(312, 120, 550, 120, dashed=True)
    steps = [
        (105, 40, 74, "read 3", "one"),
        (222, 40, 140, "set 6 if it is 3", "one"),
        (150, 200, 74, "read 3", "two"),
        (280, 200, 106, "fails: not 3", "two"),
        (394, 200, 74, "read 6", "two"),
        (494, 200, 126, "set 12 if it is 6", "two"),
    ]
    for x, y, width, text, color in steps:
        picture.box(x, y - 17, width, 34, text, color)
    for x, start, end, color in ((142, 118, 60, "one"), (187, 122, 180, "two"),
                                 (292, 60, 100, "one"), (300, 140, 180, "two"),
                                 (431, 122, 180, "two"), (570, 180, 140, "two")):  # fmt: skip
        picture.arrow(x, start, x, end, color)
    picture.text(630, 226, "time", "faint", "end", 11)
    return picture


def linearization() -> Picture:
    """Operations that overlap, and the points at which they take effect."""
    picture = Picture(
        640, 250, "Each operation takes effect at one instant between call and return"
    )
    calls = [(40, "A", 90, 300, 220, "x += 1", "one"),
             (100, "B", 160, 480, 400, "x.get() is 2", "two"),
             (160, "C", 240, 430, 330, "x += 1", "three")]  # fmt: skip
    for y, name, start, end, point, text, color in calls:
        picture.text(40, y, f"thread {name}", color, bold=True)
        picture.line(start, y, end, y, color, 9)
        picture.text(end + 12, y, text, anchor="start")
        picture.line(point, y, point, 205, "faint", dashed=True)
        picture.dot(point, y, "text", 5)
        picture.dot(point, 205, color, 5)
    picture.arrow(90, 205, 610, 205)
    for point, text in ((220, "x is 1"), (330, "x is 2"), (400, "2 is read")):
        picture.text(point, 225, text, size=12)
    picture.text(610, 190, "one order", "faint", "end", 12)
    return picture


def reference_counts() -> Picture:
    """Threads that count references to one object, and threads with handles."""
    picture = Picture(640, 250, "Threads that share an object count in it; handles count apart")
    for left, title in ((0, "without handles"), (330, "with handles")):
        picture.text(left + 155, 18, title, bold=True)
        for number, color in enumerate(("one", "two")):
            picture.box(left + 20 + 150 * number, 40, 110, 34, f"thread {'AB'[number]}", color)
        picture.box(left + 95, 190, 120, 44, "AtomicDict", "line")
    for x, end, color in ((75, 125, "one"), (225, 185, "two")):
        picture.arrow(x, 76, end, 187, color)
    picture.text(155, 120, "one count,\nwritten by both", "faint", size=12)
    for number, color in enumerate(("one", "two")):
        x = 350 + 150 * number
        picture.arrow(x + 55, 76, x + 55, 108, color)
        picture.box(x + 5, 110, 100, 34, "handle", color)
        picture.arrow(x + 35 + 50 * number, 146, 445 + 80 * number, 187, "faint", dashed=True)
    picture.text(485, 90, "two counts,\none writer each", "faint", size=12)
    picture.text(485, 160, "pointers that\nare not counted", "faint", size=11)
    return picture


def reclamation() -> Picture:
    """From the unlinking of a key to its freeing."""
    picture = Picture(
        640, 240, "A removed key is freed when every thread that could see it has left"
    )
    for y, name, color in (
        (50, "reader A", "one"),
        (110, "writer B", "two"),
        (170, "reader C", "three"),
    ):
        picture.text(10, y, name, color, "start", bold=True)
        picture.arrow(85, y, 625, y)
    picture.line(130, 50, 370, 50, "one", 9)
    picture.text(250, 28, "pinned: may have found the key", "one", size=12)
    picture.box(200, 92, 90, 36, "unlink", "two")
    picture.text(235, 142, "del d[key]", "faint", "end", size=12)
    picture.box(385, 92, 70, 36, "free", "two")
    picture.line(320, 170, 560, 170, "three", 9)
    picture.text(480, 192, "pinned later: cannot find the key", "three", size=12)
    picture.line(245, 130, 245, 215, "faint", dashed=True)
    picture.line(370, 55, 370, 215, "faint", dashed=True)
    picture.arrow(250, 215, 365, 215)
    picture.text(308, 230, "the key waits", "faint", size=12)
    picture.text(625, 230, "time", "faint", "end", 11)
    return picture


def gate() -> Picture:
    """An exact operation closes the gate to writers, and readers go on."""
    picture = Picture(
        640, 220, "While len or snapshot reads the keys, writers wait and readers do not"
    )
    rows = ((45, "len(d)", "one"), (105, "d[k] = v", "two"), (165, "d[k]", "three"))
    for y, name, color in rows:
        picture.text(10, y, name, color, "start", bold=True)
        picture.arrow(85, y, 625, y)
    picture.box(240, 27, 150, 36, "reads all keys", "one")
    picture.line(120, 105, 200, 105, "two", 9)
    picture.line(280, 105, 390, 105, "faint", 3, dashed=True)
    picture.text(335, 88, "waits", "faint", size=12)
    picture.line(392, 105, 470, 105, "two", 9)
    for start in (120, 250, 400, 500):
        picture.line(start, 165, start + 90, 165, "three", 9)
    for x, text in ((240, "gate closed"), (390, "gate open")):
        picture.line(x, 65, x, 190, "faint", dashed=True)
        picture.text(x, 204, text, "faint", size=12)
    return picture


DRAWINGS: dict[str, Callable[[], Picture]] = {
    function.__name__: function
    for function in (lost_update, retry, linearization, reference_counts, reclamation, gate)
}
