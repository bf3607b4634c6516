# SPDX-License-Identifier: Apache-2.0
"""The hash table: its slots, nodes and tables, and every operation on them.

A removed node is freed as early as is right, which is the worst case for a use after free. That it
is never freed earlier is shown by the model of the reclaimer. The code is
`packages/cereggii-atomicdict/src/map/`. A step names the function that it stands for.
"""

from __future__ import annotations

from .explore import Result, explore
from .mistakes import MISTAKES
from .scenarios import SCENARIOS

__all__ = ["MISTAKES", "SCENARIOS", "Result", "explore"]
