# SPDX-License-Identifier: Apache-2.0
"""Emptying the root into the next table, as atomic steps: migration.cpp and resize.cpp.

Writers help: each claims a chunk of the root and moves what is in it. A chunk is done when each of
its slots is FROZEN, MOVED or TOMB. When all chunks are done, the root moves on.

    the migrator of a chunk                     a thread that has deleted a node
    1. load deferred_unlinks                    1. make the node dead
    2. for each slot: NODE to MOVING,           2. load the slot. MOVING: add to deferred_unlinks,
       insert further on, MOVING to MOVED          and load the slot again
    3. load deferred_unlinks again.                still MOVING: leave the node to the migrator
       Different: look at each node of             otherwise: unlink it
       the chunk, and unlink dead ones

So either the migrator sees the count, or the other thread sees what it has written.
"""

from __future__ import annotations

from .guard import ENTRY, op_of, unpin
from .state import (
    CLAIMED,
    DONE,
    EMPTY,
    FREE,
    FROZEN,
    NAMES_A_NODE,
    NOWHERE,
    Step,
    Thread,
    World,
)
from .unlink import start_unlink
from .update import publish_next

# -- a next table ----------------------------------------------------------------------------------


def start_resize(w: World, t: Thread) -> Step:
    """`append_table`: load the root, to give it a next table."""
    t.table = w.root
    return resize


def resize(w: World, t: Thread) -> Step:
    """`append_table`: CAS `next` to a new table, if there is none."""
    op = op_of(w, t)
    assert op.value is not None
    publish_next(w, t.table, op.value)
    return help_root if op.kind == "migrate" else unpin


def start_append(w: World, t: Thread) -> Step:
    """`append_table`: load the root, to give the last table of the chain a next one.

    The table need not be full.
    """
    t.table = w.root
    return find_last_table


def find_last_table(w: World, t: Thread) -> Step:
    """`append_table`: load `next`, to find the last table of the chain."""
    following = w.table(t.table).next
    if following != NOWHERE:
        t.table = following
        return find_last_table
    return resize


# -- claiming a chunk ------------------------------------------------------------------------------


def help_root(w: World, t: Thread) -> Step:
    """`help`: load the root. No other table of the chain is emptied yet."""
    t.table = w.root
    return help_next


ENTRY.update(resize=start_resize, append=start_append, migrate=start_resize)
ENTRY.update(help=help_root, settle=help_root)


def help_next(w: World, t: Thread) -> Step:
    """`help`: load the root's `next`. Without one there is nothing to do."""
    t.dest = w.table(t.table).next
    return unpin if t.dest == NOWHERE else claim_chunk


def claim_chunk(w: World, t: Thread) -> Step:
    """`claim_chunk`: CAS the state of a free chunk. No two helpers have the same chunk."""
    chunks = w.table(t.table).chunks
    if FREE in chunks:
        t.chunk = chunks.index(FREE)
        t.i = t.chunk * w.cfg.chunk
        w.set_chunk(t.table, t.chunk, CLAIMED)
        return load_deferred_unlinks
    # The thread that finished the last chunk may be asleep before it could advance the root.
    return advance_root if set(chunks) == {DONE} else unpin


# -- moving what is in it --------------------------------------------------------------------------


def load_deferred_unlinks(w: World, t: Thread) -> Step:
    """`Chunk::Chunk`: load the counter, before a slot can say that a migrator is here."""
    t.deferred_before = w.table(t.table).deferred_unlinks
    return move_slot


def move_slot(w: World, t: Thread) -> Step:
    """`Chunk::move_slot`: load a slot of the chunk."""
    state, t.node = slot = w.slot(t.table, t.i)
    if slot == EMPTY:
        return move_freeze
    return move_mark if state == "NODE" else move_next(w, t)


def move_freeze(w: World, t: Thread) -> Step:
    """`Chunk::move_slot`: CAS EMPTY to FROZEN.

    Lost to an insertion, whose node has to be moved: look at the same slot again.
    """
    if not w.cas(t.table, t.i, EMPTY, FROZEN) and not w.mistaken("chunk done early"):
        return move_slot
    return move_next(w, t)


def move_mark(w: World, t: Thread) -> Step:
    """`Chunk::move_slot`: CAS NODE to MOVING. From now on only we change the slot.

    Lost to an unlink: look at the same slot again.
    """
    if not w.cas(t.table, t.i, ("NODE", t.node), ("MOVING", t.node)):
        return move_slot
    return move_into_filter


def move_into_filter(w: World, t: Thread) -> Step:
    """`Table::insert_into_filter`: set the bit in a table before the node can be there."""
    if not w.mistaken("move without filter"):
        w.insert_into_filter(t.dest, w.nodes[t.node].key)
    return move_probe


def move_probe(w: World, t: Thread) -> Step:
    """`insert_further`: load the next slot of the node's path. The node may be dead by now."""
    slot = w.slot(t.dest, w.position(t.dest, w.nodes[t.node].key, t.j))
    if slot == EMPTY:
        return move_at_empty
    if slot == FROZEN:
        return move_further
    t.j += 1
    return move_probe if t.j < len(w.table(t.dest).slots) else move_further


def move_at_empty(w: World, t: Thread) -> Step:
    """`insert_further`: load `next`, as an insertion does."""
    return move_insert if w.table(t.dest).next == NOWHERE else move_freeze_there


def move_freeze_there(w: World, t: Thread) -> Step:
    """`insert_further`: CAS EMPTY to FROZEN, before the node is inserted further on.

    Lost to an insertion or another freeze: look at the same slot again.
    """
    w.cas(t.dest, w.position(t.dest, w.nodes[t.node].key, t.j), EMPTY, FROZEN)
    return move_probe


def move_further(w: World, t: Thread) -> Step:
    """`insert_further`: load `next`. Without one a full table has no room for the node."""
    following = w.table(t.dest).next
    if following != NOWHERE:
        t.dest, t.j = following, 0
        return move_into_filter
    return append_for_move if w.cfg.memory or t.op == -1 else no_room


def append_for_move(w: World, t: Thread) -> Step:
    """`append_table`: CAS `next` to a new table.

    The code does this after it has returned the chunk.
    """
    publish_next(w, t.dest, 2 * len(w.table(t.dest).slots))
    return move_further


def move_insert(w: World, t: Thread) -> Step:
    """`insert_further`: CAS EMPTY to the same node.

    Lost to an insertion or a freeze: look at the same slot again.
    """
    index = w.position(t.dest, w.nodes[t.node].key, t.j)
    return move_done if w.cas(t.dest, index, EMPTY, ("NODE", t.node)) else move_probe


def move_done(w: World, t: Thread) -> Step:
    """`Chunk::move_slot`: store MOVED. The slot still names the node, for readers that are here."""
    w.store(t.table, t.i, ("MOVED", t.node))
    return move_next(w, t)


def move_next(w: World, t: Thread) -> Step:
    """Go on to the next slot; local."""
    t.j, t.node = 0, NOWHERE
    t.dest = w.table(t.table).next
    if next_slot(w, t):
        return move_slot
    return after_slots(t, chunk_is_done, recheck=not w.mistaken("no recheck"))


def next_slot(w: World, t: Thread) -> bool:
    """Go on to the next slot of the chunk, if there is one; local."""
    t.i += 1
    return t.i < min((t.chunk + 1) * w.cfg.chunk, len(w.table(t.table).slots))


# -- the recheck of a chunk ------------------------------------------------------------------------


def after_slots(t: Thread, after: Step, *, recheck: bool) -> Step:
    """No slot of the chunk is MOVING any more; local."""
    t.after = after
    return was_anything_deferred if recheck else chunk_is_rechecked(t)


def was_anything_deferred(w: World, t: Thread) -> Step:
    """`Chunk::recheck`: load the counter again.

    A thread that saw MOVING has counted before, or sees what the slot says now.
    """
    if w.table(t.table).deferred_unlinks != t.deferred_before:
        return recheck_chunk(w, t)
    return chunk_is_rechecked(t) if w.mistaken("recheck only if deferred") else was_chunk_returned


def was_chunk_returned(w: World, t: Thread) -> Step:
    """`Chunk::recheck`: load whether a chunk was returned.

    If it is ours, the count may have been for the migrator that had it before.
    """
    return recheck_chunk(w, t) if w.table(t.table).chunk_was_returned else chunk_is_rechecked(t)


def recheck_chunk(w: World, t: Thread) -> Step:
    """Begin with the first slot; local."""
    t.i = t.chunk * w.cfg.chunk
    return recheck_slot


def recheck_slot(w: World, t: Thread) -> Step:
    """`Chunk::recheck`: load a slot. It names a node if that was moved, or if there was no room."""
    state, node = w.slot(t.table, t.i)
    if state not in NAMES_A_NODE:
        return recheck_further(w, t)
    t.node = node
    return recheck_node


def recheck_node(w: World, t: Thread) -> Step:
    """`Chunk::recheck`: load the value. The thread that deleted the node may have seen MOVING."""
    node = t.node
    dead = w.node(node).value is None
    following = recheck_further(w, t)
    return start_unlink(w, t, node, following) if dead else following


def recheck_further(w: World, t: Thread) -> Step:
    """Go on to the next slot; local."""
    t.node = NOWHERE
    return recheck_slot if next_slot(w, t) else chunk_is_rechecked(t)


def chunk_is_rechecked(t: Thread) -> Step:
    """No dead node is left to us any more; local."""
    after, t.after = t.after, None
    t.deferred_before = 0
    assert after is not None
    return after


# -- the end of a chunk ----------------------------------------------------------------------------


def chunk_is_done(w: World, t: Thread) -> Step:
    """`help`: store that the chunk is done. Each slot is FROZEN, MOVED or TOMB, and stays so."""
    w.set_chunk(t.table, t.chunk, DONE)
    t.i = t.chunk = 0
    return are_all_done


def are_all_done(w: World, t: Thread) -> Step:
    """`help`: load how many chunks are done. The last thread to finish one sees all of them."""
    if set(w.table(t.table).chunks) == {DONE}:
        return advance_root
    return next_chunk(w, t)


def next_chunk(w: World, t: Thread) -> Step:
    """One chunk for each writer. A migration in one go takes them all; local."""
    t.dest = NOWHERE
    return help_root if op_of(w, t).kind in ("migrate", "settle") else unpin


def advance_root(w: World, t: Thread) -> Step:
    """`help`: CAS the root. The winner retires the table.

    Lost to another helper, or to a clear, which owns the whole chain then.
    """
    if w.root == t.table:
        w.root = t.dest
        w.retire(t, "table", t.table)
    return next_chunk(w, t)


def no_room(w: World, t: Thread) -> Step:
    """`Chunk::move_slot`: no room. Store NODE again, so that an unlink takes the node out here."""
    if not w.mistaken("leave slot moving"):
        w.store(t.table, t.i, ("NODE", t.node))
    t.j, t.node, t.dest = 0, NOWHERE, NOWHERE
    return after_slots(t, mark_chunk_returned, recheck=not w.mistaken("no recheck without room"))


def mark_chunk_returned(w: World, t: Thread) -> Step:
    """`help`: store that a chunk was returned, before other threads can claim it."""
    if w.mistaken("return chunk unmarked"):
        w.set_chunk(t.table, t.chunk, FREE)
        return mark_afterwards
    w.set_table(t.table, chunk_was_returned=True)
    return return_chunk


def return_chunk(w: World, t: Thread) -> Step:
    """`help`: make the chunk free. Helping never fails for the writer who helps."""
    if not w.mistaken("keep chunk"):
        w.set_chunk(t.table, t.chunk, FREE)
    return unpin


def mark_afterwards(w: World, t: Thread) -> Step:
    """(Mistake) A thread that claims the chunk meanwhile takes itself for its first migrator."""
    w.set_table(t.table, chunk_was_returned=True)
    return unpin
