# SPDX-License-Identifier: Apache-2.0
"""The operations on one key, and the unlink, as atomic steps."""

from __future__ import annotations

from .pinning import ENTRY, SAFE_POINTS, op_of, pin, unpin
from .state import (
    EMPTY,
    FROZEN,
    HASH_BITS,
    NAMES_A_NODE,
    NOWHERE,
    TOMB,
    WRITING,
    Slot,
    Step,
    Thread,
    World,
)

# -- get, set, insert, delete, compare-and-set -----------------------------------------------------


def read_root(w: World, t: Thread) -> Step:
    """Start the probe in the root. Whatever leaves the chain from now on waits for our unpin."""
    if not w.mistaken("pin without fence"):
        t.table = w.root
    t.i = 0
    return rules_out if op_of(w, t).kind == "get" else probe


def rules_out(w: World, t: Thread) -> Step:
    """Load the filter: no slot of this table was claimed before for a hash that is not in it."""
    key, table = op_of(w, t).key, w.table(t.table)
    if not w.rules_out(t.table, key):
        return probe
    if w.mistaken("trust the filter alone"):
        return absent(w, t)
    w.note(t.me, table.chain, key)
    return is_there_a_next


def is_there_a_next(w: World, t: Thread) -> Step:
    """Load `next`: if there is none, there was none when the filter was loaded; that was it."""
    if w.table(t.table).next == NOWHERE:
        w.answers_as_noted(t.me, op_of(w, t).key, None)
        return unpin
    w.watch_for(t.me, None)
    return probe


for _kind in ("get", "set", "insert", "delete", "cas", "popitem"):
    ENTRY[_kind] = read_root


def probe(w: World, t: Thread) -> Step:
    """Load the next slot of the path."""
    op = op_of(w, t)
    state, node = slot = w.slot(t.table, probed(w, t))
    if op.kind == "popitem":
        t.node = node
        return load_value if state in NAMES_A_NODE else advance(w, t)
    if slot == EMPTY:
        # Nobody has gone past this slot, or it would be FROZEN: the key is in no later table.
        return at_empty if op.kind in ("set", "insert") else absent(w, t)
    if slot == FROZEN:
        return next_table
    if state in NAMES_A_NODE:
        # MOVING and MOVED, too: the key may be nowhere else yet, and its value is in the node.
        found = w.node(node)
        if w.cfg.hashes[found.key] == w.cfg.hashes[op.key]:
            if op.slow:
                return needs_eq(w, t, node)
            if found.key == op.key:
                t.node = node
                return load_value
    elif w.mistaken("reuse tombstone") and op.kind in ("set", "insert"):
        return claim_tombstone
    return advance(w, t)


def probed(w: World, t: Thread) -> int:
    """The index of the slot that the probe is at; popitem takes them all in turn."""
    op = op_of(w, t)
    return t.i if op.kind == "popitem" else w.position(t.table, op.key, t.i)


def advance(w: World, t: Thread) -> Step:
    """Go to the next slot; local."""
    t.i += 1
    return probe if t.i < len(w.table(t.table).slots) else table_is_full


def absent(w: World, t: Thread) -> Step:
    """The load of the slot, or of `next`, was the linearization point of not finding the key."""
    if op_of(w, t).kind != "popitem":  # whose "empty" needs the gate, as an exact length does
        w.answers(w.table(t.table).chain, op_of(w, t).key, None)
    return unpin


def next_table(w: World, t: Thread) -> Step:
    """Load `next`, which never changes once set: follow a path that does not end in its table."""
    following = w.table(t.table).next
    assert following != NOWHERE
    t.table, t.i = following, 0
    return probe


def table_is_full(w: World, t: Thread) -> Step:
    """A full table ends no path; only after the last slot does the absence of `next` mean that."""
    if w.table(t.table).next != NOWHERE:
        return next_table(w, t)
    return append_table if op_of(w, t).kind in ("set", "insert") else absent(w, t)


def append_table(w: World, t: Thread) -> Step:
    """Publish a table twice the size by CAS on `next`; lost to another one: use theirs."""
    publish_next(w, t.table, 2 * len(w.table(t.table).slots))
    return next_table(w, t)


def publish_next(w: World, address: int, size: int) -> None:
    """CAS a new table into `next`; ours was never seen by anybody if that fails."""
    table = w.table(address)
    if table.next == NOWHERE:
        w.set_table(address, next=w.new_table(min(size, 1 << HASH_BITS), table.chain))


def at_empty(w: World, t: Thread) -> Step:
    """Load `next`: is the table still the last? The CAS that follows settles it either way."""
    if w.table(t.table).next == NOWHERE:
        return claim if w.mistaken("insert into filter afterwards") else insert_into_filter
    if w.mistaken("insert before freeze"):
        return next_table
    return freeze


def freeze(w: World, t: Thread) -> Step:
    """Freeze before inserting further on: from now on no reader stops here, no rival claims."""
    return next_table if w.cas(t.table, probed(w, t), EMPTY, FROZEN) else probe


def insert_into_filter(w: World, t: Thread) -> Step:
    """Set the filter's bit, before there is anything to find: whoever sees none may miss it."""
    w.insert_into_filter(t.table, op_of(w, t).key)
    return unpin if w.mistaken("insert into filter afterwards") else claim


def claim(w: World, t: Thread) -> Step:
    """Insert at the end of the path. Lost to a rival insertion or to a freeze: look again."""
    return insert_over(w, t, EMPTY)


def claim_tombstone(w: World, t: Thread) -> Step:
    """(Mistake) Insert where a node was, though the key may be further on."""
    return insert_over(w, t, TOMB)


def insert_over(w: World, t: Thread, expected: Slot) -> Step:
    """The CAS of an insertion; the node was allocated before the table was touched."""
    op, index = op_of(w, t), probed(w, t)
    if w.slot(t.table, index) != expected:
        return probe
    w.store(t.table, index, ("NODE", w.new_node(op.key, op.value)))
    w.becomes(w.table(t.table).chain, op.key, None, op.value)
    return counted(
        w, t, +1, insert_into_filter if w.mistaken("insert into filter afterwards") else unpin
    )


def load_value(w: World, t: Thread) -> Step:
    """Load the value of the key's node. A dead node stays dead: go on behind it."""
    op = op_of(w, t)
    t.value = w.node(t.node).value
    if t.value is None:
        return advance(w, t)
    if op.kind in ("get", "insert") or (op.kind == "cas" and t.value != op.expected):
        w.answers(w.table(t.table).chain, op.key, t.value)
        return unpin
    return exchange_value


def exchange_value(w: World, t: Thread) -> Step:
    """CAS the value, wherever the node is by now. Lost to an update or a delete: look again."""
    op, node = op_of(w, t), w.node(t.node)
    if node.value != t.value:
        return load_value
    deletes = op.kind in ("delete", "popitem")
    new = None if deletes else op.value
    w.set_node(t.node, node._replace(value=new))
    key = node.key if op.kind == "popitem" else op.key
    w.becomes(w.table(t.table).chain, key, t.value, new)
    if not deletes:
        return unpin
    if w.mistaken("decref while pinned"):
        return counted(w, t, -1, release_value)
    return counted(w, t, -1, after_delete(w, t))


def after_delete(w: World, t: Thread) -> Step:
    """Every delete unlinks in the same way, however it found the node."""
    if op_of(w, t).kind == "popitem" and w.mistaken("own unlink"):
        return tomb_what_was_found
    return start_unlink(w, t, t.node, unpin)


def tomb_what_was_found(w: World, t: Thread) -> Step:
    """(Mistake) Popitem knows the slot in which it found the node, and looks at no other."""
    for state in ("NODE", "MOVED"):
        if w.cas(t.table, t.i, (state, t.node), TOMB):
            w.retire(t, "node", t.node)
    return unpin


def release_value(w: World, t: Thread) -> Step:
    """(Mistake) Release the old value at once: its __del__ uses the dict, and pins once more."""
    w.unpin(t.me)
    return release_is_done


def release_is_done(w: World, t: Thread) -> Step:
    """(Mistake) After that use of the dict the thread pins again."""
    w.pin(t.me, WRITING)
    return after_delete(w, t)


SAFE_POINTS.add(release_value)


def counted(w: World, t: Thread, amount: int, after: Step) -> Step:
    """If there are counters, go on to add to them, in the same pin as the CAS."""
    if not w.cfg.counting:
        return after
    t.j = amount
    t.after = after
    return count


def count(w: World, t: Thread) -> Step:
    """Add to the thread's counter of the chain in which the CAS was."""
    chain = w.table(t.table).chain
    row = w.counters[chain]
    row = (*row[: t.me], row[t.me] + t.j, *row[t.me + 1 :])
    w.counters = (*w.counters[:chain], row, *w.counters[chain + 1 :])
    t.j = 0
    assert t.after is not None
    return t.after


# -- comparing keys outside the pin ----------------------------------------------------------------


def needs_eq(w: World, t: Thread, node: int) -> Step:
    """Note which slot it was, by its generation, which names a table forever; take references."""
    t.node = node
    by_address = w.mistaken("compare addresses")
    t.generation = t.table if by_address else w.table(t.table).generation
    t.value = int(w.node(node).key == op_of(w, t).key)  # what __eq__ will say
    return unpin_to_compare


def unpin_to_compare(w: World, t: Thread) -> Step:
    """Unpin: the comparison may run anything, and take for ever."""
    w.unpin(t.me)
    return compare


def compare(w: World, t: Thread) -> Step:
    """The comparison is over, and the table, the node and their addresses may be others' now."""
    t.after = find_table
    return pin(w, t)


def find_table(w: World, t: Thread) -> Step:
    """Look for the generation from the root on. Gone: the answer may be about the past; start again."""
    return is_it_the_table(w, t, w.root)


def find_table_further(w: World, t: Thread) -> Step:
    """Follow `next` in that search."""
    following = w.table(t.u_table).next
    if following == NOWHERE:
        t.value, t.node, t.generation, t.u_table = None, NOWHERE, NOWHERE, NOWHERE
        return read_root
    return is_it_the_table(w, t, following)


def is_it_the_table(w: World, t: Thread, address: int) -> Step:
    """Compare the generation, which never changes; local."""
    generation = address if w.mistaken("compare addresses") else w.table(address).generation
    t.u_table = address
    if generation != t.generation:
        return find_table_further
    t.table = address
    return find_slot


def find_slot(w: World, t: Thread) -> Step:
    """A slot names one node in its life: if it still does, the answer is about that node."""
    same, t.value, t.generation, t.u_table = t.value, None, NOWHERE, NOWHERE
    state, node = w.slot(t.table, probed(w, t))
    if state not in NAMES_A_NODE or node != t.node:
        return advance(w, t)  # TOMB
    return load_value if same else advance(w, t)


SAFE_POINTS.add(compare)


# -- unlink ----------------------------------------------------------------------------------------


def start_unlink(w: World, t: Thread, node: int, ret: Step) -> Step:
    """Take a dead node out of every table; several threads may try, one retires it."""
    t.unlinking, t.ret = node, ret
    return unlink_from_root


def unlink_from_root(w: World, t: Thread) -> Step:
    """Walk the path from the root of now: no table before it can be reached by a new reader."""
    w.node(t.unlinking)  # for its hash
    if w.mistaken("sample before unlink"):
        w.sample_early(t.me)
    t.u_table, t.u_i, t.marks = w.root, 0, ()
    return unlink_probe


def unlink_probe(w: World, t: Thread) -> Step:
    """Load the next slot of the node's path."""
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
        return unlinked(t)  # somebody else has done it
    if slot == FROZEN:
        return unlink_further
    t.u_i += 1
    return unlink_probe if t.u_i < len(w.table(t.u_table).slots) else unlink_further


def mark_moved(t: Thread, index: int) -> Step:
    """Note a MOVED slot that names the node; local."""
    t.marks = (*t.marks, (t.u_table, index))
    return unlink_further


def defer_unlink(w: World, t: Thread) -> Step:
    """Add to the counter that the migrator loads after it has written MOVED, or NODE."""
    w.set_table(t.u_table, deferred_unlinks=w.table(t.u_table).deferred_unlinks + 1)
    return unlinked(t) if w.mistaken("no look after deferring") else look_after_deferring


def look_after_deferring(w: World, t: Thread) -> Step:
    """Load the slot again. Still MOVING: the migrator's load is yet to come. Else it may be past."""
    index = w.position(t.u_table, w.nodes[t.unlinking].key, t.u_i)
    state, _ = w.slot(t.u_table, index)
    if state == "NODE":
        return unlink_slot
    # TOMB: another unlink has won.
    return mark_moved(t, index) if state == "MOVED" else unlinked(t)


def unlink_further(w: World, t: Thread) -> Step:
    """Load `next`."""
    t.u_table, t.u_i = w.table(t.u_table).next, 0
    return unlinked(t) if t.u_table == NOWHERE else unlink_probe


def unlink_slot(w: World, t: Thread) -> Step:
    """CAS NODE to TOMB: lost to a migrator, who has made it MOVING, or to another unlink."""
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
    """The winner clears the MOVED slots before it, one by one: nobody else writes them."""
    (table, index), *marks = t.marks
    w.store(table, index, TOMB)
    t.marks = tuple(marks)
    return clear_mark if marks else retire_unlinked(w, t)


def retire_unlinked(w: World, t: Thread) -> Step:
    """No table that a new reader can reach names the node, and no migrator is about to insert it."""
    w.retire(t, "node", t.unlinking)
    return unlinked(t)


def unlinked(t: Thread) -> Step:
    """Return to whom the unlink was for."""
    ret, t.ret, t.marks = t.ret, None, ()
    t.unlinking = t.u_table = NOWHERE
    t.u_i = 0
    assert ret is not None
    return ret
