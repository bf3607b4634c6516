# SPDX-License-Identifier: Apache-2.0
"""Programs in which threads share objects, by a clock that stands still until told otherwise.

And a check of objects that become immortal while threads share them.
"""

from __future__ import annotations

import sys
import textwrap
import threading
from typing import Any

import pytest

from tools.testing.concurrency import background
from tools.testing.interpreters import FREE_THREADED, run_program
from tools.testing.lifetimes import is_immortal

where_objects_get_help = pytest.mark.skipif(
    not FREE_THREADED or sys.version_info < (3, 14),
    reason="shared objects get help by themselves on free-threaded 3.14 and later only",
)

# The beginning of the programs; `extension` is imported before it. Each program runs in its own
# process, since a policy has one budget for the whole process.
SHARE = """
    import gc, sys, threading, time, weakref

    TURN = 257  # the sampler looks at one of so many uses by a thread
    MS = 1_000_000
    STEP = 2.5  # ms; the age in use grows by an eighth of what is required at the most
    now = 0

    def wait(ms):
        global now
        now += int(ms * MS)
        extension._set_sharing_time(now)

    def statistic(name):
        return extension._sharing_statistics()[name]

    def has_help(instance):
        return sys.getrefcount(instance) > 2**28

    def take_turns(instances, turns, step=STEP, use=None):
        # Two threads use each instance in turn; each of their turns is looked at once.
        gates = [threading.Lock(), threading.Lock()]
        gates[1].acquire()
        def work(number):
            for instance in instances:
                for turn in range(turns):
                    if turn % 2 == number:
                        gates[number].acquire()
                        wait(step)
                        (use or USE)(instance, TURN)
                        gates[(turn + 1) % turns % 2].release()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

    wait(1000)
"""


def run_sharing(extension: str, use: str, program: str, *arguments: str) -> str:
    """Run a program in a fresh interpreter. Its output.

    `extension` is the module of the types; `use` is the body of a function that uses `instance`
    for `times` times.
    """
    package = extension.partition(".")[0]
    source = [
        f"from {package} import *",
        f"import {extension} as extension",
        textwrap.dedent(SHARE),
        "def USE(instance, times):",
        textwrap.indent(textwrap.dedent(use), "    "),
        # In a function: since 3.15 CPython by itself defers the counting of a global that a thread
        # reads which does not own it. That would look like help.
        "def main():",
        textwrap.indent(textwrap.dedent(program), "    "),
        "main()",
    ]
    return run_program("\n".join(source), *arguments, timeout=90).strip()


def check_made_immortal_while_used(atomic: Any, rounds: int) -> None:
    """An object keeps working that becomes immortal after other threads have references to it."""

    class Late(atomic):  # type: ignore[misc]
        """Immortal only once other threads have references to it."""

    for _ in range(rounds):
        instance = Late.__new__(Late)
        started = threading.Barrier(3)

        def work(instance: Any = instance, started: threading.Barrier = started) -> None:
            started.wait(30)
            references = []
            for _ in range(2000):
                references.append(instance)
                if len(references) > 100:
                    references.clear()

        with background(work, work):
            started.wait(30)
            atomic.__init__(instance, 5, immortal=True)
        assert is_immortal(instance)
        assert instance.get() == 5
