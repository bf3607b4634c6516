# SPDX-License-Identifier: Apache-2.0
"""The reclaimer alone: participants, epochs and bags, and who frees what was removed.

A model of its own, beside that of the hash table. There a removed node is freed as early as is
right. Here it is shown that it is never freed earlier, and that it is not forgotten. The code is
`atomics/include/cereggii/atomics/reclamation.hpp`, and the files that it puts together. A step
names the function that it stands for.

What is removed are items, one at a time, from a slot that all threads know.
"""

from __future__ import annotations

from .explore import Result, explore
from .mistakes import MISTAKES
from .scenarios import SCENARIOS

__all__ = ["MISTAKES", "SCENARIOS", "Result", "explore"]
