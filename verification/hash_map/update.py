# SPDX-License-Identifier: Apache-2.0
"""The operations on one key, as atomic steps: probe.hpp, lookup.hpp, update.hpp and popitem.cpp.

What each operation stands for:

    get                   look_up()
    set, insert, cas      KeyUpdate with the spec of each
    delete                the same, and then unlink_and_retire()
    popitem               pop_any(), which finds a node by a scan, and then goes on as delete does
"""

from __future__ import annotations

from .guard import ENTRY, SAFE_POINTS, op_of, pin, unpin
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
from .unlink import start_unlink

# -- probing ---------------------------------------------------------------------------------------


def read_root(w: World, t: Thread) -> Step:
    """Load the root, to begin the probe there. What leaves the chain from now on waits for us."""
    if not w.mistaken("pin without fence"):
        t.table = w.root
    t.i = 0
    return rules_out if op_of(w, t).kind == "get" else probe


def rules_out(w: World, t: Thread) -> Step:
    """`Table::rules_out`: load the filter. No slot was claimed for a hash that is not in it."""
    key, table = op_of(w, t).key, w.table(t.table)
    if not w.rules_out(t.table, key):
        return probe
    if w.mistaken("trust the filter alone"):
        return absent(w, t)
    w.note(t.me, table.chain, key)
    return is_there_a_next


def is_there_a_next(w: World, t: Thread) -> Step:
    """`look_up`: load `next`. Without one there was none when the filter was loaded.

    Then the load of the filter was the linearization point. The key may be there by now.
    """
    if w.table(t.table).next == NOWHERE:
        w.answers_as_noted(t.me, op_of(w, t).key, None)
        return unpin
    w.watch_for(t.me, None)
    return probe


for _kind in ("get", "set", "insert", "delete", "cas", "popitem"):
    ENTRY[_kind] = read_root


def probe(w: World, t: Thread) -> Step:
    """`find_key`: load the next slot of the path."""
    op = op_of(w, t)
    state, node = slot = w.slot(t.table, probed(w, t))
    if op.kind == "popitem":
        t.node = node
        return load_value if state in NAMES_A_NODE else advance(w, t)
    if slot == EMPTY:
        # No key was inserted behind this slot, or it would be FROZEN. So it is in no later table.
        return at_empty if op.kind in ("set", "insert") else absent(w, t)
    if slot == FROZEN:
        return next_table
    if state in NAMES_A_NODE:
        # MOVING and MOVED as well: the node may be in no other table yet, and has the value.
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
    """The index of the slot that the probe is at. popitem takes all slots, one after another."""
    op = op_of(w, t)
    return t.i if op.kind == "popitem" else w.position(t.table, op.key, t.i)


def advance(w: World, t: Thread) -> Step:
    """`Probe::advance`: go on to the next slot; local."""
    t.i += 1
    return probe if t.i < len(w.table(t.table).slots) else table_is_full


def absent(w: World, t: Thread) -> Step:
    """The load of the slot, or of `next`, was the linearization point: there is no key; local."""
    if op_of(w, t).kind != "popitem":  # its "empty" needs the gate, as an exact length does
        w.answers(w.table(t.table).chain, op_of(w, t).key, None)
    return unpin


def next_table(w: World, t: Thread) -> Step:
    """`find_key`: load `next`, where a FROZEN path goes on. It never changes once it is set."""
    following = w.table(t.table).next
    assert following != NOWHERE
    t.table, t.i = following, 0
    return probe


def table_is_full(w: World, t: Thread) -> Step:
    """`find_key`: load `next`, after the last slot. No slot ends a path in a full table."""
    if w.table(t.table).next != NOWHERE:
        return next_table(w, t)
    return append_table if op_of(w, t).kind in ("set", "insert") else absent(w, t)


# -- inserting -------------------------------------------------------------------------------------


def append_table(w: World, t: Thread) -> Step:
    """`append_table`: publish a table twice the size, by CAS. Lost to another one: use that."""
    publish_next(w, t.table, 2 * len(w.table(t.table).slots))
    return next_table(w, t)


def publish_next(w: World, address: int, size: int) -> None:
    """The CAS of `next` to a new table. If it fails, nobody has seen ours."""
    table = w.table(address)
    if table.next == NOWHERE:
        w.set_table(address, next=w.new_table(min(size, 1 << HASH_BITS), table.chain))


def at_empty(w: World, t: Thread) -> Step:
    """`KeyUpdate::insert`: load `next`: is the table the last? The CAS that follows settles it."""
    if w.table(t.table).next == NOWHERE:
        return claim if w.mistaken("insert into filter afterwards") else insert_into_filter
    if w.mistaken("insert before freeze"):
        return next_table
    return freeze


def freeze(w: World, t: Thread) -> Step:
    """`KeyUpdate::insert`: CAS EMPTY to FROZEN, before the key is inserted further on.

    From now on no reader stops here, and no rival claims the slot. Lost to an insertion: look at
    the same slot again.
    """
    return next_table if w.cas(t.table, probed(w, t), EMPTY, FROZEN) else probe


def insert_into_filter(w: World, t: Thread) -> Step:
    """`Table::insert_into_filter`: set the bit of the hash, before there is a node to find."""
    w.insert_into_filter(t.table, op_of(w, t).key)
    return unpin if w.mistaken("insert into filter afterwards") else claim


def claim(w: World, t: Thread) -> Step:
    """`KeyUpdate::insert`: CAS EMPTY to the node.

    Lost to a rival insertion or to a freeze: look at the same slot again.
    """
    return insert_over(w, t, EMPTY)


def claim_tombstone(w: World, t: Thread) -> Step:
    """(Mistake) Insert where a node was, though the key may be further on."""
    return insert_over(w, t, TOMB)


def insert_over(w: World, t: Thread, expected: Slot) -> Step:
    """The CAS of an insertion. The code allocates the node before the pin."""
    op, index = op_of(w, t), probed(w, t)
    if w.slot(t.table, index) != expected:
        return probe
    w.store(t.table, index, ("NODE", w.new_node(op.key, op.value)))
    w.becomes(w.table(t.table).chain, op.key, None, op.value)
    late = w.mistaken("insert into filter afterwards")
    return counted(w, t, +1, insert_into_filter if late else unpin)


# -- changing the value ----------------------------------------------------------------------------


def load_value(w: World, t: Thread) -> Step:
    """`KeyUpdate::change_value`, `take_value`: load the value. A dead node stays dead: go on."""
    op = op_of(w, t)
    t.value = w.node(t.node).value
    if t.value is None:
        return advance(w, t)
    if op.kind in ("get", "insert") or (op.kind == "cas" and t.value != op.expected):
        w.answers(w.table(t.table).chain, op.key, t.value)
        return unpin
    return exchange_value


def exchange_value(w: World, t: Thread) -> Step:
    """`KeyUpdate::exchange`: CAS the value, in whatever table the node is by now.

    Lost to an update or a deletion: load the value again.
    """
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
    """`unlink_and_retire`, in the same way for every kind of deletion; local."""
    if op_of(w, t).kind == "popitem" and w.mistaken("own unlink"):
        return tomb_what_was_found
    return start_unlink(w, t, t.node, unpin)


def tomb_what_was_found(w: World, t: Thread) -> Step:
    """(Mistake) popitem knows the slot in which it found the node, and looks at no other."""
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
    """`LiveCount::note_insertion`, `note_deletion`: add to the thread's counter of the chain."""
    chain = w.table(t.table).chain
    row = w.counters[chain]
    row = (*row[: t.me], row[t.me] + t.j, *row[t.me + 1 :])
    w.counters = (*w.counters[:chain], row, *w.counters[chain + 1 :])
    t.j = 0
    assert t.after is not None
    return t.after


# -- comparing keys by the user's __eq__, outside the pin ------------------------------------------
#
# When the comparison is over, the table, the node and their addresses may belong to something else.


def needs_eq(w: World, t: Thread, node: int) -> Step:
    """`compare_keys`: note the generation of the table, and take a reference to the key."""
    t.node = node
    by_address = w.mistaken("compare addresses")
    t.generation = t.table if by_address else w.table(t.table).generation
    t.value = int(w.node(node).key == op_of(w, t).key)  # what __eq__ will say
    return unpin_to_compare


def unpin_to_compare(w: World, t: Thread) -> Step:
    """`compare_keys`: unpin, since the comparison may run anything, for any time."""
    w.unpin(t.me)
    return compare


def compare(w: World, t: Thread) -> Step:
    """`compare_keys`: the comparison is over. Pin again."""
    t.after = find_table
    return pin(w, t)


def find_table(w: World, t: Thread) -> Step:
    """`find_table`: load the root, and look for the generation from there on.

    If it is gone, the answer may be about the past: the operation starts again.
    """
    return is_it_the_table(w, t, w.root)


def find_table_further(w: World, t: Thread) -> Step:
    """`find_table`: load `next` in that search."""
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
    """`compare_keys`: load the slot again. A slot names one node in its life.

    If it still names the node, the answer is about that node. TOMB: the node was deleted.
    """
    same, t.value, t.generation, t.u_table = t.value, None, NOWHERE, NOWHERE
    state, node = w.slot(t.table, probed(w, t))
    if state not in NAMES_A_NODE or node != t.node:
        return advance(w, t)
    return load_value if same else advance(w, t)


SAFE_POINTS.add(compare)
