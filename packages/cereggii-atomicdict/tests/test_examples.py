# SPDX-License-Identifier: Apache-2.0
"""The programs in examples/ that use AtomicDict give right results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.testing.interpreters import STARTUP

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.mark.skipif(not EXAMPLES.exists(), reason="an sdist has no examples")
@pytest.mark.thread_unsafe(reason="starts a process that makes threads of its own")
def test_words_are_counted_by_many_threads_in_one_dict() -> None:
    for needed in ("rich", "cereggii_atomicint"):
        pytest.importorskip(needed, reason=f"{needed} is not installed: the example needs it")
    program = [sys.executable, str(EXAMPLES / "word_count.py"), "--files", "50", "--threads"]
    done = subprocess.run(
        [*program, "1", "2", "4"], capture_output=True, text=True, timeout=STARTUP, check=False
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.count("right") == 3
