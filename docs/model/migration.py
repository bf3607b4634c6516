# SPDX-License-Identifier: Apache-2.0
"""The migration into the next table, as atomic steps: a chunk at a time, by every writer."""

from __future__ import annotations

from .pinning import ENTRY, op_of, unpin
from .protocol import publish_next, start_unlink
from .state import CLAIMED, DONE, EMPTY, FREE, FROZEN, NOWHERE, TOMB, Step, Thread, World


def start_resize(w: World, t: Thread) -> Step:
    """Load the root, to give it a next table."""
    t.table = w.root
    return resize


def resize(w: World, t: Thread) -> Step:
    """Publish the next table, if there is none."""
    op = op_of(w, t)
    assert op.value is not None
    publish_next(w, t.table, op.value)
    return help_root if op.kind == "migrate" else unpin


def start_extend(w: World, t: Thread) -> Step:
    """Load the root, to give the last table of the chain a next one before it is full."""
    t.table = w.root
    return extend


def extend(w: World, t: Thread) -> Step:
    """Follow `next` to the last table, and publish one behind it."""
    following = w.table(t.table).next
    if following != NOWHERE:
        t.table = following
        return extend
    return resize


def help_root(w: World, t: Thread) -> Step:
    """Load the root: no other table of the chain may be emptied yet."""
    t.table = w.root
    return help_next


ENTRY.update(resize=start_resize, extend=start_extend, migrate=start_resize)
ENTRY.update(help=help_root, settle=help_root)


def help_next(w: World, t: Thread) -> Step:
    """Load its `next`; without one there is nothing to do."""
    t.dest = w.table(t.table).next
    return unpin if t.dest == NOWHERE else claim_chunk


def claim_chunk(w: World, t: Thread) -> Step:
    """CAS the state byte of a free chunk; two helpers never have the same one."""
    chunks = w.table(t.table).chunks
    if FREE in chunks:
        t.chunk = chunks.index(FREE)
        t.i = t.chunk * w.cfg.chunk
        w.set_chunk(t.table, t.chunk, CLAIMED)
        return move_look
    if w.mistaken("empty any table") and w.table(t.dest).next != NOWHERE:
        t.table = t.dest
        return help_next
    # Whoever finished the last chunk may be asleep before it could advance the root.
    return advance_root if set(chunks) == {DONE} else unpin


def move_look(w: World, t: Thread) -> Step:
    """Load a word of the chunk."""
    tag, t.node = word = w.word(t.table, t.i)
    if word == EMPTY:
        return move_freeze
    return move_mark if tag == "NODE" else move_next(w, t)


def move_freeze(w: World, t: Thread) -> Step:
    """Close the end of a path. Lost to an insertion, whose node has to be moved: look again."""
    if not w.cas(t.table, t.i, EMPTY, FROZEN) and not w.mistaken("chunk done early"):
        return move_look
    return move_next(w, t)


def move_mark(w: World, t: Thread) -> Step:
    """NODE to MOVING: from now on only we change the word. Lost to an unlink: look again."""
    if not w.cas(t.table, t.i, ("NODE", t.node), ("MOVING", t.node)):
        return move_look
    return move_first_look


def move_first_look(w: World, t: Thread) -> Step:
    """Load the value. Whoever deletes stops at MOVING, so a dead node is for us to retire."""
    if w.node(t.node).value is None:
        return move_drop
    t.j = 0
    return move_probe


def move_drop(w: World, t: Thread) -> Step:
    """MOVING to TOMB: the node is in no later table, and no earlier one is reachable."""
    w.store(t.table, t.i, TOMB)
    w.retire(t, "node", t.node)
    return move_next(w, t)


def move_probe(w: World, t: Thread) -> Step:
    """Load the next word of the node's path in a later table. No other node of its key lives."""
    word = w.word(t.dest, w.position(t.dest, w.nodes[t.node].key, t.j))
    if word == EMPTY:
        return move_at_empty
    if word == FROZEN:
        return move_further
    t.j += 1
    return move_probe if t.j < len(w.table(t.dest).words) else move_further


def move_at_empty(w: World, t: Thread) -> Step:
    """Load `next`, as an insertion does."""
    return move_insert if w.table(t.dest).next == NOWHERE else move_freeze_there


def move_freeze_there(w: World, t: Thread) -> Step:
    """Freeze before inserting further on, as an insertion does."""
    w.cas(t.dest, w.position(t.dest, w.nodes[t.node].key, t.j), EMPTY, FROZEN)
    return move_probe


def move_further(w: World, t: Thread) -> Step:
    """Load `next`. A full table without one: make one, or give up."""
    following = w.table(t.dest).next
    if following != NOWHERE:
        t.dest, t.j = following, 0
        return move_probe
    return move_grow if w.cfg.memory or t.op == -1 else give_up_word


def move_grow(w: World, t: Thread) -> Step:
    """Publish a next table."""
    publish_next(w, t.dest, 2 * len(w.table(t.dest).words))
    return move_further


def move_insert(w: World, t: Thread) -> Step:
    """CAS EMPTY to the same node. Lost to an insertion or a freeze: look again."""
    index = w.position(t.dest, w.nodes[t.node].key, t.j)
    return move_done if w.cas(t.dest, index, EMPTY, ("NODE", t.node)) else move_probe


def move_done(w: World, t: Thread) -> Step:
    """MOVING to MOVED, which still names the node for whoever reads here."""
    w.store(t.table, t.i, ("MOVED", t.node))
    return move_next(w, t) if w.mistaken("no second look") else move_second_look


def move_second_look(w: World, t: Thread) -> Step:
    """Load the value again: who deleted it since may have seen MOVING, and left it to us."""
    if w.node(t.node).value is None:
        node = t.node
        return start_unlink(w, t, node, move_next(w, t))
    return move_next(w, t)


def move_next(w: World, t: Thread) -> Step:
    """Go to the next word; local."""
    t.i += 1
    t.j, t.node = 0, NOWHERE
    t.dest = w.table(t.table).next
    end = min((t.chunk + 1) * w.cfg.chunk, len(w.table(t.table).words))
    return chunk_is_done if t.i == end else move_look


def chunk_is_done(w: World, t: Thread) -> Step:
    """Every word is FROZEN, MOVED or TOMB, and stays so. The last one to say so sees the others."""
    w.set_chunk(t.table, t.chunk, DONE)
    t.i = t.chunk = 0
    return are_all_done


def are_all_done(w: World, t: Thread) -> Step:
    """Load the states of all chunks; DONE is final."""
    if set(w.table(t.table).chunks) == {DONE}:
        return advance_root
    return next_chunk(w, t)


def next_chunk(w: World, t: Thread) -> Step:
    """One chunk for each writer; a migration in one go takes them all."""
    t.dest = NOWHERE
    return help_root if op_of(w, t).kind in ("migrate", "settle") else unpin


def advance_root(w: World, t: Thread) -> Step:
    """CAS the root. Lost to another helper, or to a clear, which then owns the whole chain."""
    if w.root == t.table:
        w.root = t.dest
        w.retire(t, "table", t.table)
    return next_chunk(w, t)


def give_up_word(w: World, t: Thread) -> Step:
    """No room: MOVING back to NODE. Helping never fails for the writer who helps."""
    if not w.mistaken("leave word moving"):
        w.store(t.table, t.i, ("NODE", t.node))
    return give_up_chunk if w.mistaken("no look after giving up") else give_up_look


def give_up_look(w: World, t: Thread) -> Step:
    """Load the value again: who deleted it since may have seen MOVING, and left it to us."""
    if w.node(t.node).value is None:
        return start_unlink(w, t, t.node, give_up_chunk)
    return give_up_chunk


def give_up_chunk(w: World, t: Thread) -> Step:
    """Let another helper claim the chunk."""
    if not w.mistaken("keep chunk"):
        w.set_chunk(t.table, t.chunk, FREE)
    return unpin
