# SPDX-License-Identifier: Apache-2.0
"""Whether an object is freed, or lives as long as the process."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

from tools.testing.concurrency import eventually


def collected(reference: weakref.ref[Any]) -> bool:
    """Whether the collector frees the object; it does nothing while another thread collects."""

    def gone() -> bool:
        gc.collect()
        return reference() is None

    return eventually(gone, timeout=10)


def is_immortal(instance: object) -> bool:
    """Whether the object's reference count is one of those that are never changed."""
    return sys.getrefcount(instance) > 2**28
