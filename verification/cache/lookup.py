# SPDX-License-Identifier: Apache-2.0
"""The calls that look for one key, as atomic steps: hits, waiting, and what a removal begins with.

get         a hit or a miss. Pinned for reading
call        a hit, or else a fill. The thread that fills is the leader; others wait for it
fail        the same, and the fill fails
put         remove what is there, and insert a stored value
invalidate  remove what is there
"""

from __future__ import annotations

from ..search import ViolationError
from .guard import ENTRY, OUTSIDE, WAITS_UNTIL, finish, is_gated, op_of, pin, unpin, unpin_for_long
from .removal import load_removed_head, start_unlink
from .reservation import start_fill, start_push
from .state import NOWHERE, RESERVED, RUNNING, STORED, TOMB, Step, Thread, World, is_dead

FILLS = frozenset({"call", "fail"})


def start(w: World, t: Thread) -> Step:
    """Begin with the first step of the pin; local."""
    t.forget_probe()
    t.after = load_root
    if not is_gated(w):  # then the root stays, and is not loaded, to save states
        t.after = load_root(w, t)
    return pin(w, t)


for _kind in ("get", "call", "fail", "put", "invalidate"):
    ENTRY[_kind] = start

# -- probing ---------------------------------------------------------------------------------------


def load_root(w: World, t: Thread) -> Step:
    """Load the root. What leaves the chain from now on waits for us."""
    t.chain, t.i = w.root, 0
    return probe


def probe(w: World, t: Thread) -> Step:
    """`find_key`: load the next slot of the path."""
    op = op_of(w, t)
    path = w.path(t.chain, op.key)
    if t.i == len(path):
        return at_empty(w, t)
    if path[t.i] == TOMB:
        return advance(t)
    t.entry = path[t.i]
    w.entry(t.entry)  # for its key
    return load_value


def advance(t: Thread) -> Step:
    """Go on to the next slot; local."""
    t.i += 1
    return probe


def at_empty(w: World, t: Thread) -> Step:
    """There is no entry with the key; local."""
    op = op_of(w, t)
    if op.kind in FILLS or op.kind == "put":
        return insert
    if op.kind == "get":
        w.misses(t.me, op.key)
    return unpin


def insert(w: World, t: Thread) -> Step:
    """CAS EMPTY to a new entry: a reservation, or a value that is put.

    Lost to another insertion: look at the same slot again.
    """
    op = op_of(w, t)
    path = w.path(t.chain, op.key)
    if t.i != len(path):
        return probe
    for slot in path:
        if slot != TOMB and not is_dead(w.entries[slot].value):
            raise ViolationError(f"k{op.key} has an entry e{slot}, and gets another one")
    fills = op.kind in FILLS
    t.own = w.insert(t.chain, op.key, RESERVED if fills else STORED)
    return start_fill(w, t) if fills else start_push(w, t)


# -- the value -------------------------------------------------------------------------------------


def load_value(w: World, t: Thread) -> Step:
    """Load the value word. A dead entry stays dead: the key is behind it, or nowhere."""
    op = op_of(w, t)
    t.value = w.entry(t.entry).value
    if is_dead(t.value):
        return advance(t)
    if op.kind in ("put", "invalidate"):
        return make_dead
    if t.value == RESERVED:
        if op.kind == "get":
            w.misses(t.me, op.key)
            return unpin
        # The reference to the computation is taken under the pin.
        t.own = t.entry
        return unpin_for_long(w, t, await_computation)
    if t.entry in w.cfg.expired:
        return make_dead
    w.returns(t, t.entry)
    return unpin


def await_computation(w: World, t: Thread) -> Step:
    """Wait until the leader has ended. A failure is for all who wait, and so is a value.

    The value is theirs even if it was not stored: they have asked before the invalidation.
    """
    w.returns(t, t.own)
    return finish(w, t)


OUTSIDE.add(await_computation)
WAITS_UNTIL[await_computation] = lambda w, t: w.computations[t.own] != RUNNING


def make_dead(w: World, t: Thread) -> Step:
    """CAS the value word from what was loaded to dead. The winner removes the entry.

    Lost to the leader that stores its value, or to another removal: load the value again.
    """
    if not w.cas_value(t.entry, t.value, NOWHERE):
        if w.mistaken("link by a loser") and is_dead(w.entry(t.entry).value):
            t.then = unpin
            return load_removed_head
        return load_value
    if op_of(w, t).kind != "invalidate":
        t.after = start_again
    return start_unlink(w, t, unpin)


def start_again(w: World, t: Thread) -> Step:
    """Pin again, since the value was released meanwhile."""
    return start(w, t)
