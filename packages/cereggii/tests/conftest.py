# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest

from .caches import Clock, SharedClock, caches_go_by


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock by which caches go."""
    with caches_go_by(Clock()) as clock:
        yield clock


@pytest.fixture
def shared_clock() -> Iterator[SharedClock]:
    """The clock by which caches go, the same for all threads of a test."""
    with caches_go_by(SharedClock()) as clock:
        yield clock
