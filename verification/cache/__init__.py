# SPDX-License-Identifier: Apache-2.0
"""The cache: reservations, removals, the maintenance of the lists, and clear.

An entry of the cache is a node of its hash table, and a member of its lists. The tables of the hash
table are one step here: see hash_map/. A retired entry is freed as early as is right: see
reclaimer/. The code is `packages/cereggii-atomicdict/src/cache/`. A step names the function that it
stands for.
"""

from __future__ import annotations

from .explore import Result, explore
from .mistakes import MISTAKES
from .scenarios import SCENARIOS

__all__ = ["MISTAKES", "SCENARIOS", "Result", "explore"]
