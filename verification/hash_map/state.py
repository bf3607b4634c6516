# SPDX-License-Identifier: Apache-2.0
"""What the threads of the hash table's model share, and the registers of each.

A state of the model is a plain tuple. `World` and `Thread` are what a step unpacks it into. The
memory is checked at each access: to touch what was freed raises `ViolationError`. Beside it stand
*ghosts*, which no thread reads. They know the value that each key has by the linearization points
so far, and what an exact length or an iterator may still answer.

    slot    (state, node). As in table.hpp, EMPTY → NODE → TOMB, and while the table is emptied
            EMPTY → FROZEN, NODE → MOVING → MOVED → TOMB, and MOVING → NODE if there is no room
    node    (status, key, value). A value of None marks a dead node, which stays dead
    table   slots, a filter, the state of each chunk, and the next table of the chain
    list    what was retired together, and the threads whose pins it waits for
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from ..search import State, ViolationError

Slot: TypeAlias = tuple[str, int]
Step: TypeAlias = "Callable[[World, Thread], Step]"

EMPTY: Slot = ("EMPTY", -1)  # the end of a probe path: its key can be inserted here
FROZEN: Slot = ("FROZEN", -1)  # was EMPTY: the path goes on in the next table
TOMB: Slot = ("TOMB", -1)  # held a node; never claimed again
NAMES_A_NODE = frozenset({"NODE", "MOVING", "MOVED"})

FREE, CLAIMED, DONE = "free", "claimed", "done"  # states of a chunk
ALIVE, RETIRED, FREED = "alive", "retired", "freed"  # states of a node or table
READING, WRITING = 1, 2  # how a thread is pinned; 0 when it is not
NOWHERE = -1
HASH_BITS = 2


class Op(NamedTuple):
    """One call of a thread's program."""

    kind: str
    key: int = 0
    value: int | None = None
    expected: int | None = None
    slow: bool = False  # the user's __eq__ compares the keys, outside the pin


class Node(NamedTuple):
    """A key and its value, which every table of the chain shares."""

    status: str
    key: int
    value: int | None


class Table(NamedTuple):
    """A power of two of slots."""

    status: str
    generation: int  # names the table forever, as its address does not
    chain: int  # how many clears there were before; `Table::count` tells chains apart in the code
    slots: tuple[Slot, ...]
    chunks: tuple[str, ...]
    next: int = NOWHERE
    filter: frozenset[int] = frozenset()  # hashes of the keys that a slot may be claimed for
    deferred_unlinks: int = 0  # how often an unlink has left a dead node to a migrator
    chunk_was_returned: bool = False  # by a migrator that found no room


class Config(NamedTuple):
    """What stays the same during one exploration."""

    programs: tuple[tuple[Op, ...], ...]
    hashes: tuple[int, ...] = (0, 0)  # of each key
    size: int = 2  # slots in the first table
    chunk: int = 1  # slots in a chunk
    setup: tuple[Op, ...] = ()  # done by thread 0 before the others exist
    mistakes: frozenset[str] = frozenset()
    memory: bool = True  # can a migrator allocate another table?
    reuse: bool = False  # are addresses reused at once?
    collections: int = 0  # how often the garbage collector may run
    counting: bool = False  # is there a gate and are there counters?
    history: bool = False  # is every call and return remembered?


class Thread:
    """The registers of one thread."""

    FIELDS = (
        "me", "pc", "op", "after", "table", "i", "node", "value", "chunk", "deferred_before",
        "dest", "j", "generation", "unlinking", "u_table", "u_i", "marks", "ret", "retired", "out",
        "returned",
    )  # fmt: skip
    __slots__ = FIELDS

    me: int
    pc: Step
    op: int  # the index in the program; -1 while the dict is being settled
    after: Step | None  # where to go on once pinned, or once a chunk was rechecked
    # The probe:
    table: int
    i: int  # the distance from home, or the index in a scan
    node: int  # the node that was found
    value: int | None  # what was last read of a value
    # The migrator:
    chunk: int  # the number of the chunk; for an iterator, that of its range
    deferred_before: int  # `deferred_unlinks` before the chunk was moved
    dest: int  # the table where the node is inserted
    j: int  # the distance from home there; for others, a sum or a number of slots
    # A comparison of keys:
    generation: int  # of the table, to find it again
    # unlink():
    unlinking: int  # the dead node
    u_table: int
    u_i: int
    marks: tuple[tuple[int, int], ...]  # the MOVED slots that name the node
    ret: Step | None  # where to return to
    # The guard, and an iterator:
    retired: tuple[tuple[str, int], ...]  # what the guard retires at its end
    out: tuple[int, ...]  # keys that the iterator has returned, and behind them nodes it has noted
    returned: int  # how many of `out` are keys

    def __init__(self, packed: State) -> None:
        (self.me, self.pc, self.op, self.after, self.table, self.i, self.node, self.value,
         self.chunk, self.deferred_before, self.dest, self.j, self.generation, self.unlinking,
         self.u_table, self.u_i, self.marks, self.ret, self.retired, self.out,
         self.returned) = packed  # fmt: skip

    pack = attrgetter(*FIELDS)

    def reset(self, op: int) -> None:
        """Forgets everything between two calls."""
        self.__init__(Thread.fresh(self.me, self.pc, op))  # type: ignore[misc]

    @staticmethod
    def fresh(me: int, pc: Step, op: int) -> State:
        """The registers between two calls."""
        return (me, pc, op, None, NOWHERE, 0, NOWHERE, None, 0, 0, NOWHERE, 0, NOWHERE, NOWHERE,
                NOWHERE, 0, (), None, (), (), 0)  # fmt: skip


class World:
    """Everything that threads share, and the ghosts."""

    FIELDS = (
        "root", "tables", "nodes", "generations", "pinned", "waiting", "sampled", "closer",
        "counters", "ghost", "watch", "history", "collections", "threads",
    )  # fmt: skip
    __slots__ = (*FIELDS, "cfg")

    cfg: Config
    root: int
    tables: tuple[Table, ...]  # by address
    nodes: tuple[Node, ...]  # by address
    generations: int  # how many were handed out
    pinned: tuple[int, ...]  # how each thread is pinned
    # Retired lists: the mask of the threads that each waits for, and what is in it.
    waiting: tuple[tuple[int, tuple[tuple[str, int], ...]], ...]
    sampled: tuple[int, ...]  # (mistakes) by thread: such a mask that was taken too early, or -1
    closer: int  # the thread that has closed the gate
    counters: tuple[tuple[int, ...], ...]  # by chain and thread
    # Ghosts.
    ghost: tuple[tuple[int | None, ...], ...]  # the value of each key, by chain and key
    watch: tuple[Any, ...]  # by thread: what it may answer, if earlier steps decide that
    history: tuple[tuple[str, int, int, int | None], ...]  # calls and returns, if wanted
    collections: int  # how often the garbage collector may still run
    threads: tuple[State, ...]

    def __init__(self, cfg: Config, packed: State) -> None:
        self.cfg = cfg
        (self.root, self.tables, self.nodes, self.generations, self.pinned, self.waiting,
         self.sampled, self.closer, self.counters, self.ghost, self.watch, self.history,
         self.collections, self.threads) = packed  # fmt: skip

    pack = attrgetter(*FIELDS)

    @staticmethod
    def initial(cfg: Config, pc: Step) -> State:
        """One empty table, and every thread before its first call."""
        n = len(cfg.programs)
        table = Table(ALIVE, 0, 0, (EMPTY,) * cfg.size, (FREE,) * max(1, cfg.size // cfg.chunk))
        return (0, (table,), (), 1, (0,) * n, (), (-1,) * n, NOWHERE, ((0,) * n,),
                ((None,) * len(cfg.hashes),), (None,) * n, (), cfg.collections,
                tuple(Thread.fresh(me, pc, 0) for me in range(n)))  # fmt: skip

    def mistaken(self, switch: str) -> bool:
        """Whether this mistake is switched on."""
        return switch in self.cfg.mistakes

    # -- tables ------------------------------------------------------------------------------------

    def table(self, address: int) -> Table:
        """Dereferences a pointer to a table."""
        table = self.tables[address]
        if table.status == FREED:
            raise ViolationError(f"use after free: table t{address} is touched")
        return table

    def set_table(self, address: int, **changes: Any) -> None:
        """Stores into a table."""
        table = self.table(address)._replace(**changes)
        self.tables = (*self.tables[:address], table, *self.tables[address + 1 :])

    def position(self, address: int, key: int, distance: int) -> int:
        """The index of the slot at this distance on the probe path of a key.

        The top bits of the hash choose the home slot. In the code they choose the home group.
        """
        size = len(self.tables[address].slots)
        home = self.cfg.hashes[key] >> (HASH_BITS - (size.bit_length() - 1))
        return (home + distance) % size

    def slot(self, address: int, index: int) -> Slot:
        """Loads a slot."""
        return self.table(address).slots[index]

    def store(self, address: int, index: int, slot: Slot) -> None:
        """Stores a slot."""
        slots = self.table(address).slots
        self.set_table(address, slots=(*slots[:index], slot, *slots[index + 1 :]))

    def cas(self, address: int, index: int, expected: Slot, slot: Slot) -> bool:
        """Compare-and-swap on a slot."""
        if self.slot(address, index) != expected:
            return False
        self.store(address, index, slot)
        return True

    def set_chunk(self, address: int, chunk: int, state: str) -> None:
        """Stores the state of a chunk."""
        chunks = self.table(address).chunks
        self.set_table(address, chunks=(*chunks[:chunk], state, *chunks[chunk + 1 :]))

    def insert_into_filter(self, address: int, key: int) -> None:
        """`Table::insert_into_filter`: sets the bit of a key's hash."""
        hashes = self.table(address).filter | {self.cfg.hashes[key]}
        self.set_table(address, filter=hashes)

    def rules_out(self, address: int, key: int) -> bool:
        """`Table::rules_out`: whether no slot was ever claimed for the hash of this key."""
        return self.cfg.hashes[key] not in self.table(address).filter

    def new_table(self, size: int, chain: int) -> int:
        """`Table::allocate`, at the lowest free address if addresses are reused."""
        chunks = (FREE,) * max(1, size // self.cfg.chunk)
        table = Table(ALIVE, self.generations, chain, (EMPTY,) * size, chunks)
        self.generations += 1
        address = self._free_address(self.tables)
        self.tables = (*self.tables[:address], table, *self.tables[address + 1 :])
        return address

    def _free_address(self, memory: tuple[Any, ...]) -> int:
        if self.cfg.reuse:
            for address, thing in enumerate(memory):
                if thing.status == FREED:
                    return address
        return len(memory)

    # -- nodes -------------------------------------------------------------------------------------

    def node(self, address: int) -> Node:
        """Dereferences a pointer to a node."""
        node = self.nodes[address]
        if node.status == FREED:
            raise ViolationError(f"use after free: node n{address} is touched")
        return node

    def set_node(self, address: int, node: Node) -> None:
        """Stores into a node."""
        self.nodes = (*self.nodes[:address], node, *self.nodes[address + 1 :])

    def new_node(self, key: int, value: int | None) -> int:
        """`Node::allocate`, at the lowest free address if addresses are reused."""
        address = self._free_address(self.nodes)
        self.set_node(address, Node(ALIVE, key, value))
        return address

    # -- reclamation -------------------------------------------------------------------------------

    def pin(self, me: int, how: int) -> None:
        """`Reclaimer::pin`: the participant says that its thread is pinned, and how."""
        self._set_pinned(me, how)

    def unpin(self, me: int) -> None:
        """`Reclaimer::unpin`. Frees the lists that have waited for nobody else."""
        self._set_pinned(me, 0)

    def _set_pinned(self, me: int, how: int) -> None:
        # A retired list does not wait for a later pin of the thread, which has a newer epoch.
        self.pinned = (*self.pinned[:me], how, *self.pinned[me + 1 :])
        self.sampled = tuple(m if m == -1 else m & ~(1 << me) for m in self.sampled)
        if self.waiting:
            waiting = [(waits & ~(1 << me), items) for waits, items in self.waiting]
            self.waiting = tuple(each for each in waiting if each[0])
            for waits, items in waiting:
                if not waits:
                    self.free(items)

    def others(self, me: int) -> int:
        """The other threads that are found pinned, as a mask: a retired list waits for each."""
        return sum(1 << other for other, how in enumerate(self.pinned) if how and other != me)

    def sample_early(self, me: int) -> None:
        """(Mistake) Remembers who is found pinned now, for what is retired later."""
        self.sampled = (*self.sampled[:me], self.others(me), *self.sampled[me + 1 :])

    def retire(self, t: Thread, kind: str, address: int) -> None:
        """`Guard::retire`: links a node, a table or a chain into the guard's own list."""
        if kind == "node":
            node = self.node(address)
            if node.status != ALIVE:
                raise ViolationError(f"node n{address} is retired twice")
            self.set_node(address, node._replace(status=RETIRED))
        else:
            if self.table(address).status != ALIVE:
                raise ViolationError(f"table t{address} is retired twice")
            self.set_table(address, status=RETIRED)
        t.retired = (*t.retired, (kind, address))

    def retire_list(self, t: Thread) -> None:
        """`Reclaimer::retire`, after the unpin: frees the list at once if nobody else is pinned."""
        waits = self.others(t.me) if self.sampled[t.me] == -1 else self.sampled[t.me]
        self.sampled = (*self.sampled[: t.me], -1, *self.sampled[t.me + 1 :])
        items, t.retired = t.retired, ()
        if waits:
            self.waiting = tuple(sorted((*self.waiting, (waits, items))))
        else:
            self.free(items)

    def free(self, items: tuple[tuple[str, int], ...]) -> None:
        """`RetiredItems::free` of a list."""
        for kind, address in items:
            if kind == "node":
                self._free_node(address)
            elif kind == "table":
                self.set_table(address, status=FREED)
            else:
                self._free_chain(address)

    def _free_node(self, address: int) -> None:
        node = self.nodes[address]
        if node.status == FREED:
            raise ViolationError(f"node n{address} is freed twice")
        # Its key and value are gone, so that states which differ in nothing else are the same.
        self.set_node(address, Node(FREED, 0, None))

    def _free_chain(self, address: int) -> None:
        # `free_chain`. The tables are enumerated only now, since threads that were pinned may have
        # added some. A MOVED slot names a node that a later table owns.
        while address != NOWHERE:
            table = self.table(address)
            for state, node in table.slots:
                if state == "NODE":
                    self._free_node(node)
            self.set_table(address, status=FREED)
            address = table.next

    # -- ghosts ------------------------------------------------------------------------------------

    def answers(self, chain: int, key: int, value: int | None) -> None:
        """A linearization point that leaves a key as it is, and takes its value to be this."""
        self._compare(key, value, self.ghost[chain][key])

    def note(self, me: int, chain: int, key: int) -> None:
        """What will have been the linearization point, if a later step says so."""
        self.watch_for(me, ("value", self.ghost[chain][key]))

    def answers_as_noted(self, me: int, key: int, value: int | None) -> None:
        """The later step says so."""
        self._compare(key, value, self.watch[me][1])
        self.watch_for(me, None)

    @staticmethod
    def _compare(key: int, value: int | None, actual: int | None) -> None:
        if actual != value:
            raise ViolationError(
                f"k{key} is taken to be {_value(value)} at an instant when it is {_value(actual)}"
            )

    def becomes(self, chain: int, key: int, old: int | None, new: int | None) -> None:
        """A linearization point that changes a key from `old` to `new`."""
        self.answers(chain, key, old)
        values = self.ghost[chain]
        values = (*values[:key], new, *values[key + 1 :])
        self.ghost = (*self.ghost[:chain], values, *self.ghost[chain + 1 :])
        self.observe(frozenset() if new is None else frozenset({key}))

    def observe(self, appeared: frozenset[int] = frozenset()) -> None:
        """The answers that are watched for take note of the values."""
        watch: list[Any] = []
        for awaited in self.watch:
            if awaited is None or awaited[0] == "value":
                watch.append(awaited)
            elif awaited[0] == "len":
                watch.append(("len", awaited[1] | {len(self.live_keys())}))
            else:
                watch.append(("keys", awaited[1] & self.live_keys(), awaited[2] | appeared))
        self.watch = tuple(watch)

    def live_keys(self) -> frozenset[int]:
        """The keys that are present."""
        return frozenset(key for key, value in enumerate(self.ghost[-1]) if value is not None)

    def called(self, me: int, op: int) -> None:
        """Remembers that a call began. To say it late makes the check stricter."""
        if self.cfg.history:
            self.history = (*self.history, ("call", me, op, None))

    def returns(self, me: int, op: int, found: int | None) -> None:
        """Remembers that a call returned, and which value it found."""
        if self.cfg.history:
            self.history = (*self.history, ("return", me, op, found))

    def watch_for(self, me: int, awaited: Any) -> None:
        """Starts or ends the watch for an answer."""
        self.watch = (*self.watch[:me], awaited, *self.watch[me + 1 :])


def _value(value: int | None) -> str:
    return "absent" if value is None else str(value)
