# SPDX-License-Identifier: Apache-2.0
"""Taking a dead node out of every table, as atomic steps: unlink() of migration.cpp.

Several threads may unlink one node. The one whose CAS makes its NODE slot a TOMB retires it.

    NODE      CAS to TOMB. Then the MOVED slots of earlier tables that name the node are cleared
    MOVING    a migrator is about to insert the node further on. It is told by deferred_unlinks,
              and looks at its chunk once more; see migration.py
    MOVED     the node is further on
"""

from __future__ import annotations

from .state import EMPTY, FROZEN, NAMES_A_NODE, NOWHERE, TOMB, Step, Thread, World


def start_unlink(w: World, t: Thread, node: int, ret: Step) -> Step:
    """Begin to unlink a dead node, and return to `ret` then; local."""
    t.unlinking, t.ret = node, ret
    return unlink_from_root


def unlink_from_root(w: World, t: Thread) -> Step:
    """`unlink`: load the root. No new reader can reach a table before it."""
    w.node(t.unlinking)  # for its hash
    if w.mistaken("sample before unlink"):
        w.sample_early(t.me)
    t.u_table, t.u_i, t.marks = w.root, 0, ()
    return unlink_probe


def unlink_probe(w: World, t: Thread) -> Step:
    """`unlink`: load the next slot of the node's path."""
    index = w.position(t.u_table, w.nodes[t.unlinking].key, t.u_i)
    state, node = slot = w.slot(t.u_table, index)
    if node == t.unlinking and state in NAMES_A_NODE:
        if state == "NODE":
            return unlink_slot
        if state == "MOVING" and w.mistaken("tomb a moving slot"):
            return unlink_slot
        if state == "MOVING":
            return unlinked(t) if w.mistaken("no deferred unlink") else defer_unlink
        return mark_moved(t, index)
    if slot == EMPTY:
        return unlinked(t)  # another thread has unlinked the node
    if slot == FROZEN:
        return unlink_further
    t.u_i += 1
    return unlink_probe if t.u_i < len(w.table(t.u_table).slots) else unlink_further


def mark_moved(t: Thread, index: int) -> Step:
    """Note a MOVED slot that names the node; local."""
    t.marks = (*t.marks, (t.u_table, index))
    return unlink_further


def defer_unlink(w: World, t: Thread) -> Step:
    """`unlink`: add to the counter that the migrator loads after it has written MOVED, or NODE."""
    w.set_table(t.u_table, deferred_unlinks=w.table(t.u_table).deferred_unlinks + 1)
    return unlinked(t) if w.mistaken("no look after deferring") else look_after_deferring


def look_after_deferring(w: World, t: Thread) -> Step:
    """`unlink`: load the slot again. Still MOVING: the migrator's load is yet to come.

    Otherwise the migrator may have loaded the counter before, so the node is left to us.
    """
    index = w.position(t.u_table, w.nodes[t.unlinking].key, t.u_i)
    state, _ = w.slot(t.u_table, index)
    if state == "NODE":
        return unlink_slot
    # TOMB: another unlink has won.
    return mark_moved(t, index) if state == "MOVED" else unlinked(t)


def unlink_further(w: World, t: Thread) -> Step:
    """`unlink`: load `next`."""
    t.u_table, t.u_i = w.table(t.u_table).next, 0
    return unlinked(t) if t.u_table == NOWHERE else unlink_probe


def unlink_slot(w: World, t: Thread) -> Step:
    """`unlink`: CAS NODE to TOMB.

    Lost to a migrator, which has made it MOVING, or to another unlink: look at it again.
    """
    index = w.position(t.u_table, w.nodes[t.unlinking].key, t.u_i)
    moving = w.mistaken("tomb a moving slot") and w.cas(
        t.u_table, index, ("MOVING", t.unlinking), TOMB
    )
    if not moving and not w.cas(t.u_table, index, ("NODE", t.unlinking), TOMB):
        return unlink_probe
    if t.marks and w.mistaken("retire while reachable"):
        w.sample_early(t.me)
    return clear_mark if t.marks else retire_unlinked(w, t)


def clear_mark(w: World, t: Thread) -> Step:
    """`unlink`: the winner stores TOMB into the MOVED slots, one by one. Nobody else writes them.

    A reader can find the node through them until then.
    """
    (table, index), *marks = t.marks
    w.store(table, index, TOMB)
    t.marks = tuple(marks)
    return clear_mark if marks else retire_unlinked(w, t)


def retire_unlinked(w: World, t: Thread) -> Step:
    """`Guard::retire`: no table that a new reader can reach names the node; local.

    No migrator is about to insert it either.
    """
    w.retire(t, "node", t.unlinking)
    return unlinked(t)


def unlinked(t: Thread) -> Step:
    """Return to the caller; local."""
    ret, t.ret, t.marks = t.ret, None, ()
    t.unlinking = t.u_table = NOWHERE
    t.u_i = 0
    assert ret is not None
    return ret
