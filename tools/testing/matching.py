# SPDX-License-Identifier: Apache-2.0
"""The rule by which operations that compare match a stored object with an expected one."""

from __future__ import annotations

from typing import Any


def matches(stored: object, expected: object) -> bool:
    """Whether a stored object matches an expected one: by identity, or by value if simple."""
    if stored is expected:
        return True
    kind = type(stored)
    return kind is type(expected) and kind in (int, str, bytes) and stored == expected


def twin(value: Any) -> Any:
    """An equal object of the same exact type, and another one where the interpreter allows."""
    if type(value) is int:
        return int(str(value))
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")
    if type(value) is bytes:
        return bytes(bytearray(value))
    raise AssertionError(value)
