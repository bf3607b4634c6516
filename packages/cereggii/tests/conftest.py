# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from cereggii.atomic_dict import atomic_cache

from .caches import Clock


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock by which caches go."""
    clock = Clock()
    module: Any = atomic_cache
    before = module.time
    module.time = SimpleNamespace(monotonic=lambda: clock.now)
    yield clock
    module.time = before
