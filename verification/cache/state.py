# SPDX-License-Identifier: Apache-2.0
"""What the threads of the cache's model share, and the registers of each.

A state of the model is a plain tuple. `World` and `Thread` are what a step unpacks it into. The
memory is checked at each access: to touch an entry that was freed raises `ViolationError`. Beside
it stand *ghosts*, which no thread reads: the first entry of each key whose value a new call may
still return, and whether a `get` that is under way may say that its key is absent.

    entry   a node of the cache's hash table: a key, a value word, shares, and a link
    value   RESERVED, STORED, or dead. A dead word is the link of a stack: an entry, or NOWHERE.
            A dead entry stays dead
    shares  how many there are. The tables have one, and the leader has one, which becomes that of
            the lists when it stores the value. A victim has one more until it was removed
    table   for each key the slots of its path, which an insertion makes longer. A slot is an entry
            or TOMB
    chain   one table, as far as this model is concerned. A clear replaces it by an empty one. While
            a migrator moves an entry, its slot is MOVING: nobody else may change it

An entry has one computation and, in its life, one value. So both are named by its number, and the
numbers grow with the time at which entries are inserted.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from ..search import State, ViolationError

Step: TypeAlias = "Callable[[World, Thread], Step]"
Path: TypeAlias = tuple[int, ...]
Chain: TypeAlias = tuple[Path, ...]

NOWHERE = -1
TOMB = -2  # a slot that held an entry
RESERVED, STORED = -2, -3  # meanings of a value word; what is above is a link, and so dead

ALIVE, RETIRED, FREED = "alive", "retired", "freed"  # states of an entry
RUNNING, DONE, FAILED = "running", "done", "failed"  # states of a computation
READING, WRITING = 1, 2  # how a thread is pinned; 0 when it is not


class Op(NamedTuple):
    """One call of a thread's program."""

    kind: str
    key: int = 0


class Config(NamedTuple):
    """What stays the same during one exploration."""

    programs: tuple[tuple[Op, ...], ...]
    setup: tuple[int, ...] = ()  # the keys of the entries that are stored in the beginning
    expired: frozenset[int] = frozenset()  # those entries whose values have expired
    maxsize: int | None = 2  # None: no policy, and no lists
    newest: bool = False  # is the victim the newest entry of the queue? Otherwise the oldest
    mistakes: frozenset[str] = frozenset()


class Entry(NamedTuple):
    """A node of the hash table."""

    status: str
    key: int
    value: int
    shares: int
    next: int = NOWHERE  # in the stack `stored`
    # Which events the maintenance has seen. Under its lock:
    stored_seen: bool = False
    removed_seen: bool = False


def is_dead(value: int) -> bool:
    """`Node::is_dead`: whether a value word is a link."""
    return value >= NOWHERE


class Thread:
    """The registers of one thread."""

    FIELDS = (
        "me", "pc", "op", "after", "ret", "then", "chain", "i", "entry", "value", "own", "head",
        "stored", "removed", "victims", "evicted", "has_pushed", "noted", "floor",
    )  # fmt: skip
    __slots__ = FIELDS

    me: int
    pc: Step
    op: int  # the index in the program
    after: Step | None  # where to go on once pinned, or unpinned
    ret: Step | None  # where to go on once the tables' share was given up
    then: Step | None  # where to go on once an entry was removed
    # The probe:
    chain: int
    i: int  # the index in the path; for clear(), that of a slot of the old chain
    entry: int  # what was found; for the maintenance, what it handles
    value: int  # what was last read of a value word
    own: int  # whose computation the thread leads or waits for; what it has put
    head: int  # what was last read of the head of a stack
    # The maintenance:
    stored: tuple[int, ...]  # what was taken of the stack `stored`, in the order of the pushes
    removed: int  # the next entry of the stack `removed`, which was taken as well
    victims: tuple[int, ...]  # entries that were chosen, and have to be removed
    evicted: tuple[int, ...]  # those that this thread has removed
    has_pushed: bool  # there is something for the maintenance
    # Ghosts:
    noted: int  # how many entries there were when the call began
    floor: int  # the first entry whose value the call may return

    def __init__(self, packed: State) -> None:
        (self.me, self.pc, self.op, self.after, self.ret, self.then, self.chain, self.i, self.entry,
         self.value, self.own, self.head, self.stored, self.removed, self.victims, self.evicted,
         self.has_pushed, self.noted, self.floor) = packed  # fmt: skip

    pack = attrgetter(*FIELDS)

    def reset(self, op: int) -> None:
        """Forgets everything between two calls."""
        self.__init__(Thread.fresh(self.me, self.pc, op))  # type: ignore[misc]

    def forget_probe(self) -> None:
        """Forgets what is not read again, so that more states are the same."""
        self.chain = self.entry = self.value = self.head = NOWHERE
        self.i = 0

    @staticmethod
    def fresh(me: int, pc: Step, op: int) -> State:
        """The registers between two calls."""
        return (me, pc, op, None, None, None, NOWHERE, 0, NOWHERE, NOWHERE, NOWHERE, NOWHERE, (),
                NOWHERE, (), (), False, 0, 0)  # fmt: skip


class World:
    """Everything that threads share, and the ghosts."""

    FIELDS = (
        "root", "chains", "moving", "deferred_unlinks", "entries", "computations", "pinned",
        "waiting", "closer", "stored", "removed", "lock", "queue", "floors", "absent", "threads",
    )  # fmt: skip
    __slots__ = (*FIELDS, "cfg")

    cfg: Config
    root: int  # the number of the present chain
    chains: tuple[Chain, ...]
    entries: tuple[Entry, ...]
    computations: tuple[str, ...]  # the state of each, by entry
    pinned: tuple[int, ...]  # how each thread is pinned
    moving: frozenset[int]  # the entries whose slots are MOVING
    deferred_unlinks: int  # how often an unlink has left a dead entry to a migrator
    # Retired entries: the mask of the threads that each waits for, and the entry.
    waiting: tuple[tuple[int, int], ...]
    closer: int  # the thread that has closed the gate
    stored: int  # the head of the stack of entries that were stored
    removed: int  # the head of the stack of entries that were removed
    lock: int  # the thread that does the maintenance
    queue: tuple[int, ...]  # the policy's queue; under the lock
    # Ghosts.
    floors: tuple[int, ...]  # by key: the first entry whose value a new call may return
    absent: tuple[bool | None, ...]  # by thread: was the key of its `get` absent at an instant?
    threads: tuple[State, ...]

    def __init__(self, cfg: Config, packed: State) -> None:
        self.cfg = cfg
        (self.root, self.chains, self.moving, self.deferred_unlinks, self.entries,
         self.computations, self.pinned, self.waiting, self.closer, self.stored, self.removed,
         self.lock, self.queue, self.floors, self.absent, self.threads) = packed  # fmt: skip

    pack = attrgetter(*FIELDS)

    @staticmethod
    def initial(cfg: Config, pc: Step) -> State:
        """What was stored in the beginning is in the policy's queue. No thread has begun."""
        n = len(cfg.programs)
        keys = 1 + max((op.key for program in cfg.programs for op in program), default=0)
        keys = max(keys, *(key + 1 for key in cfg.setup), 1)
        listed = cfg.maxsize is not None
        entries = tuple(
            Entry(ALIVE, key, STORED, 1 + listed, stored_seen=listed) for key in cfg.setup
        )
        chain = tuple(
            tuple(entry for entry, has in enumerate(cfg.setup) if has == key) for key in range(keys)
        )
        queue = tuple(range(len(entries))) if listed else ()
        return (0, (chain,), frozenset(), 0, entries, (DONE,) * len(entries), (0,) * n, (),
                NOWHERE, NOWHERE, NOWHERE, NOWHERE, queue, (0,) * keys, (None,) * n,
                tuple(Thread.fresh(me, pc, 0) for me in range(n)))  # fmt: skip

    def mistaken(self, switch: str) -> bool:
        """Whether this mistake is switched on."""
        return switch in self.cfg.mistakes

    # -- tables ------------------------------------------------------------------------------------

    def path(self, chain: int, key: int) -> Path:
        """The slots that a probe visits. Behind them is an EMPTY one."""
        return self.chains[chain][key]

    def set_path(self, chain: int, key: int, path: Path) -> None:
        """Changes a slot, or adds one."""
        paths = self.chains[chain]
        paths = (*paths[:key], path, *paths[key + 1 :])
        self.chains = (*self.chains[:chain], paths, *self.chains[chain + 1 :])

    def insert(self, chain: int, key: int, value: int) -> int:
        """Makes an entry, and changes the EMPTY slot to it."""
        new = len(self.entries)
        # The tables have a share, and the leader has one.
        self.entries = (*self.entries, Entry(ALIVE, key, value, 2))
        self.computations = (*self.computations, RUNNING if value == RESERVED else DONE)
        self.set_path(chain, key, (*self.path(chain, key), new))
        return new

    def is_linked(self, address: int) -> bool:
        """Whether a slot of the present chain names the entry."""
        return address in self.path(self.root, self.entries[address].key)

    def dead_in_tables(self) -> list[int]:
        """The dead entries that slots of the present chain name."""
        slots = [slot for path in self.chains[self.root] for slot in path if slot != TOMB]
        return [slot for slot in slots if is_dead(self.entries[slot].value)]

    def unlink(self, address: int) -> bool:
        """`unlink`: one thread gets true, if the entry is in the present chain.

        In one step here. How it is done is a part of the hash table's model.
        """
        key = self.entry(address).key
        path = self.path(self.root, key)
        if not self.is_linked(address):
            return False
        self.set_path(self.root, key, tuple(TOMB if slot == address else slot for slot in path))
        return True

    # -- entries -----------------------------------------------------------------------------------

    def entry(self, address: int) -> Entry:
        """Dereferences a pointer to an entry."""
        assert address >= 0
        entry = self.entries[address]
        if entry.status == FREED:
            raise ViolationError(f"use after free: entry e{address} is touched")
        return entry

    def set_entry(self, address: int, **changes: Any) -> None:
        """Stores into an entry."""
        entry = self.entry(address)._replace(**changes)
        self.entries = (*self.entries[:address], entry, *self.entries[address + 1 :])

    def cas_value(self, address: int, expected: int, value: int) -> bool:
        """Compare-and-swap on a value word."""
        if self.entry(address).value != expected:
            return False
        self.set_entry(address, value=value)
        return True

    def give_up_share(self, me: int, address: int) -> None:
        """`give_up_share`: the thread that gives up the last one retires the entry."""
        shares = self.entry(address).shares - 1
        if shares < 0:
            raise ViolationError(f"a share of e{address} is given up that nobody has")
        self.set_entry(address, shares=shares)
        if shares == 0:
            self.retire(me, address)

    # -- reclamation -------------------------------------------------------------------------------

    def pin(self, me: int, how: int) -> None:
        """`Reclaimer::pin`: the participant says that its thread is pinned, and how."""
        self._set_pinned(me, how)

    def unpin(self, me: int) -> None:
        """`Reclaimer::unpin`. Frees the entries that have waited for nobody else."""
        self._set_pinned(me, 0)

    def _set_pinned(self, me: int, how: int) -> None:
        self.pinned = (*self.pinned[:me], how, *self.pinned[me + 1 :])
        if self.waiting:
            waiting = [(waits & ~(1 << me), address) for waits, address in self.waiting]
            self.waiting = tuple(each for each in waiting if each[0])
            for waits, address in waiting:
                if not waits:
                    self.free(address)

    def retire(self, me: int, address: int) -> None:
        """`Guard::retire`: the entry waits for the other threads that are pinned now.

        A thread does not protect from itself what it retires, even if it is pinned.
        """
        if self.entry(address).status != ALIVE:
            raise ViolationError(f"e{address} is retired twice")
        self.set_entry(address, status=RETIRED)
        waits = sum(1 << other for other, how in enumerate(self.pinned) if how and other != me)
        if waits:
            self.waiting = tuple(sorted((*self.waiting, (waits, address))))
        else:
            self.free(address)

    def free(self, address: int) -> None:
        """What was in it is gone, so that states which differ in nothing else are the same."""
        freed = Entry(FREED, self.entries[address].key, NOWHERE, 0)
        self.entries = (*self.entries[:address], freed, *self.entries[address + 1 :])

    # -- ghosts ------------------------------------------------------------------------------------

    def has_value(self, key: int) -> bool:
        """Whether a value is stored for the key, in the present chain."""
        return any(
            slot != TOMB and self.entries[slot].value == STORED and slot not in self.cfg.expired
            for slot in self.path(self.root, key)
        )

    def watch(self, me: int, key: int) -> None:
        """A `get` begins."""
        self.absent = (*self.absent[:me], not self.has_value(key), *self.absent[me + 1 :])

    def observe(self, key_of: Callable[[int], int]) -> None:
        """Each `get` that is under way takes note of whether its key has a value."""
        if False in self.absent:
            self.absent = tuple(
                not self.has_value(key_of(me)) if absent is False else absent
                for me, absent in enumerate(self.absent)
            )

    def misses(self, me: int, key: int) -> None:
        """A `get` says that its key is absent. It was so at an instant of the call."""
        if not self.absent[me]:
            raise ViolationError(f"k{key} is taken to be absent, and had a value all the time")

    def unwatch(self, me: int) -> None:
        """The `get` is over."""
        self.absent = (*self.absent[:me], None, *self.absent[me + 1 :])

    def stores(self, address: int) -> None:
        """A leader has tried to store its value. It must not if an invalidation has returned.

        In an old chain it may, until the clear has made the entry dead: no new call finds it there.
        """
        entry = self.entries[address]
        if entry.value == STORED and self.is_linked(address) and address < self.floors[entry.key]:
            raise ViolationError(f"e{address} gets a value, and was filled before an invalidation")

    def returns(self, t: Thread, address: int) -> None:
        """A call returns the value of an entry: it is not from before an invalidation."""
        entry = self.entries[address]
        if address < t.floor:
            raise ViolationError(f"a call returns the value of e{address}, from before")
        if entry.value == RESERVED and self.is_linked(address):
            raise ViolationError(f"a call returns the value of e{address}, which is not stored yet")

    def raise_floor(self, key: int, floor: int) -> None:
        """A call returns after which nobody may return the values of earlier entries."""
        floor = max(floor, self.floors[key])
        self.floors = (*self.floors[:key], floor, *self.floors[key + 1 :])
