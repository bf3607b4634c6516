# SPDX-License-Identifier: Apache-2.0
"""The rule by which operations that compare match a stored object with an expected one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


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


class MyInt(int):
    """A subclass of int."""


class MyStr(str):
    """A subclass of str."""

    __slots__ = ()


class MyBytes(bytes):
    """A subclass of bytes."""


# Strategies for objects that match by value, and for those and others that may equal them.
exact = st.integers() | st.text(st.characters()) | st.binary()
alike = st.one_of(
    exact,
    st.booleans(),
    st.none(),
    st.floats(),
    st.integers().map(MyInt),
    st.text().map(MyStr),
    st.binary().map(MyBytes),
    st.binary().map(bytearray),
    st.tuples(st.integers()),
)
