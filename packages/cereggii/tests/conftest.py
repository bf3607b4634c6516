# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest

from .caches import Clock, caches_go_by


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock by which caches go."""
    with caches_go_by(Clock()) as clock:
        yield clock
