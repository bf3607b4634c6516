# SPDX-License-Identifier: Apache-2.0
"""The ways to copy an object: shallow, deep, and as a pickle of each protocol."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

Copy: TypeAlias = Callable[[Any], Any]


def pickled(protocol: int) -> Copy:
    """What copies an object through a pickle of this protocol."""
    return lambda instance: pickle.loads(pickle.dumps(instance, protocol))


DEEP: dict[str, Copy] = {"deepcopy": copy.deepcopy} | {
    f"pickle {protocol}": pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}
every_copy = pytest.mark.parametrize("make_copy", [copy.copy, *DEEP.values()], ids=["copy", *DEEP])
every_deep_copy = pytest.mark.parametrize("make_copy", [*DEEP.values()], ids=[*DEEP])


def copy_of_slotted(make_copy: Copy, instance: Any) -> Any:
    """The copy of an instance of a class with slots, or None where it may be refused."""
    try:
        copied = make_copy(instance)
    except TypeError:
        # Python's own classes with slots refuse these, so both answers are fine.
        if make_copy not in (DEEP["pickle 0"], DEEP["pickle 1"]):
            raise
        return None
    assert type(copied) is type(instance)
    return copied
