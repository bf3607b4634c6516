# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator

import hypothesis
import pytest

# A machine that is busy is no reason to fail, and a test run leaves nothing behind in the tree.
hypothesis.settings.register_profile(
    "cereggii",
    deadline=None,
    max_examples=50,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("cereggii")


def pytest_configure(config: pytest.Config) -> None:
    # Known to pytest-run-parallel; registered here for runs without it.
    config.addinivalue_line("markers", "thread_unsafe(reason): not run in many threads at once")


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
