# SPDX-License-Identifier: Apache-2.0
"""How long the memory of a freed object stays: what readers of references rely on.

A reader looks at the counts of an object that may have been freed. It may do so as long as it has
stayed attached since it found the pointer (try_incref.hpp). The object here is so large that
CPython's allocator gives its memory back to the system, as soon as it thinks that no thread looks
at it any more. So the test can see whether the memory is still there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig

import pytest

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts processes"),
    pytest.mark.skipif(
        not sysconfig.get_config_var("Py_GIL_DISABLED"),
        reason="with a GIL, no object is freed while another thread reads a reference to it",
    ),
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="only Linux has /proc/self/maps"
    ),
]

# It runs in a process of its own: while the reader is attached, no thread can stop the world.
PROGRAM = """
import ctypes, gc, json, os, sys, threading
from cereggii_atomicref import AtomicRef

gc.disable()
new_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
new_bytes.restype, new_bytes.argtypes = ctypes.py_object, [ctypes.c_char_p, ctypes.c_ssize_t]
HUGE = 1100 << 20  # more than the allocator keeps: it is unmapped. It is never written to.

def is_mapped(address):
    with open("/proc/self/maps") as maps:
        ranges = [line.split()[0].split("-") for line in maps]
    return any(int(low, 16) <= address < int(high, 16) for low, high in ranges)

def allocate():
    # The allocator finds what it can give back: of this thread, and of those that have ended.
    new_bytes(None, 40 << 20)
    new = threading.Thread(target=bytes, args=[1])
    new.start()
    new.join()

arrive, leave = os.pipe()[::-1]
begin = threading.Event()
library = ctypes.PyDLL(None)  # its functions are called while the thread is attached
library.write.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
MORE = bytes(1 << 20)  # than a pipe holds: the call begins to write, and then waits

def read():
    begin.wait()
    library.write(arrive, MORE, len(MORE))

# First, so that it is not given the identity of the owner, which would make it the owner.
reader = threading.Thread(target=read)
reader.start()
ref = AtomicRef(None)
if sys.argv[1] == "alive":
    ref.set(new_bytes(None, HUGE))
else:
    owner = threading.Thread(target=lambda: ref.set(new_bytes(None, HUGE)))
    owner.start()
    owner.join()
address = id(ref.get())
begin.set()
left = len(MORE) - len(os.read(leave, 1))
# The reader may have found the pointer, and stays attached.
ref.set(None)
allocate()
during = is_mapped(address)
while left:
    left -= len(os.read(leave, left))
reader.join()
for _ in range(3):
    allocate()
print(json.dumps([during, is_mapped(address)]))
"""


def _is_mapped(owner: str) -> list[bool]:
    """Whether the memory is there: while a reader may look at it, and when none does any more."""
    child = subprocess.run(
        [sys.executable, "-c", PROGRAM, owner], capture_output=True, text=True, timeout=120
    )
    assert child.returncode == 0, child.stderr
    result: list[bool] = json.loads(child.stdout)
    return result


def test_memory_of_a_freed_object_stays_for_a_thread_that_may_look_at_it() -> None:
    assert _is_mapped("alive") == [True, False]


@pytest.mark.xfail(
    reason="CPython frees at once what threads that have ended have allocated: docs/platforms.md"
)
def test_memory_stays_even_if_the_thread_that_allocated_it_has_ended() -> None:
    assert _is_mapped("ended") == [True, False]
