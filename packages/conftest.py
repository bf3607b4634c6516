# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Iterator

import hypothesis
import pytest

EXAMPLES = 50


def pytest_configure(config: pytest.Config) -> None:
    # Known to pytest-run-parallel; registered here for runs without it.
    config.addinivalue_line("markers", "thread_unsafe(reason): not run in many threads at once")
    threads = config.getoption("parallel_threads", 1)
    # A machine that is busy is no reason to fail, and a run leaves nothing behind in the tree. Each
    # of the threads that run a test at once draws examples of its own: so each draws fewer.
    hypothesis.settings.register_profile(
        "cereggii",
        deadline=None,
        max_examples=EXAMPLES if threads == 1 else 10,
        database=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("cereggii")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    # All that pytest knows of thousands of tests lives to the end: no collection in a test need
    # visit it.
    gc.collect()
    gc.freeze()


@pytest.fixture
def seed() -> int:
    """A seed for this run of the test: printed, so a failure shows it; set to repeat it."""
    chosen = os.environ.get("CEREGGII_TEST_SEED")
    number = int(chosen) if chosen else random.SystemRandom().randrange(2**32)
    print(f"CEREGGII_TEST_SEED={number}")
    return number


@pytest.fixture
def switch_often() -> Iterator[None]:
    """With a GIL, let threads take turns as often as they can; otherwise nothing."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
