# SPDX-License-Identifier: Apache-2.0
"""What the threads of the reclaimer's model share, and the registers of each.

A state is a pair of tuples, for what is shared and for the threads. `Shared` and `Thread` are what
a step unpacks them into. Three fields of `Shared` are *ghosts*, which no thread reads: `items`,
`found` and `writers`. They know what is right.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from ..search import State, ViolationError

Step: TypeAlias = "Callable[[Shared, Thread], Step | None]"
Items: TypeAlias = tuple[int, ...]

NONE = -1
NEVER = 99  # UINT64_MAX: an epoch that is larger than any other

# The state of a participant: epoch << 2 | WRITING | PINNED. Without PINNED it is 0 or UNUSED.
PINNED, WRITING, UNUSED = 1, 2, 4
THE_MAP, ANOTHER_MAP = 0, 1  # what a writer is pinned for

# The operations, as a scenario names them.
READ, REMOVE, PACK, MOVE, TIDY = "read", "remove", "remove and pack", "move", "tidy"
FREE, WRITE, WRITE_ELSEWHERE, CLOSE = "free everything", "write", "write elsewhere", "close"
END, FORK = "end", "fork"

THERE, REMOVED, FREED, LOST = "there", "removed", "freed", "lost"  # states of an item


class Scenario(NamedTuple):
    """What the threads do, and how their participants are in the beginning.

    The first threads have a participant each, with the same number. `newcomers` have none yet.
    """

    about: str
    programs: tuple[tuple[str, ...], ...]
    unused: frozenset[int] = frozenset()  # participants whose state is UNUSED
    dormant: frozenset[int] = frozenset()  # participants that are marked and not linked
    newcomers: int = 0  # how many of the last threads have no participant
    bags: int = 1  # how many bags a participant has; 4 in the code
    # What the finalizer of an item does: (item, operations).
    finalizers: tuple[tuple[int, tuple[str, ...]], ...] = ()


class Shared:
    """What threads share. A field of participants is a list with an entry for each of them."""

    SCALARS = ("epoch", "first", "lock", "littered_first", "slot", "gate")
    LISTS = (
        "free", "next", "linked", "state", "written", "dormant", "waiting", "bags", "tags",
        "last_tag", "held", "littered", "next_littered", "orphans", "items", "found", "writers",
    )  # fmt: skip
    FIELDS = SCALARS + LISTS
    __slots__ = (*FIELDS, "mistakes", "scenario")

    scenario: Scenario
    epoch: int
    first: int  # the head of the active list
    lock: int  # the thread that holds the lock of the lists
    littered_first: int  # the head of the littered list
    slot: int  # the item that is there
    gate: int  # the thread that has closed the gate for writers
    free: list[int]  # a stack of participants whose threads have ended
    # Of each participant:
    next: list[int]  # in the active list; of one that was unlinked, what it was then
    linked: list[bool]  # is it in the active list? Only under the lock
    state: list[int]
    written: list[int]  # the map that its thread writes to while it is pinned for writing
    dormant: list[bool]  # it is off the active list, or is being taken off
    waiting: list[Items]
    bags: list[tuple[Items, ...]]
    tags: list[Items]  # the epoch of each bag
    last_tag: list[int]  # the tag of the bag that was filled last
    held: list[Items]  # what free_everything() is about to free
    littered: list[bool]  # it is in the littered list, or about to be
    next_littered: list[int]
    # Of nobody:
    orphans: list[int]
    # Ghosts:
    items: list[str]
    found: list[int]  # the item that each thread has loaded under its pin
    writers: list[int]  # by thread: 1 while it writes, 2 while it is alone behind the gate

    def __init__(self, packed: State, scenario: Scenario, mistakes: frozenset[str]) -> None:
        (self.epoch, self.first, self.lock, self.littered_first, self.slot,
         self.gate) = packed[:6]  # fmt: skip
        (self.free, self.next, self.linked, self.state, self.written, self.dormant, self.waiting,
         self.bags, self.tags, self.last_tag, self.held, self.littered, self.next_littered,
         self.orphans, self.items, self.found, self.writers) = map(list, packed[6:])  # fmt: skip
        self.scenario, self.mistakes = scenario, mistakes

    def pack(self) -> State:
        """A part of a state."""
        return (*_scalars(self), *map(tuple, _lists(self)))

    def mistaken(self, name: str) -> bool:
        """Whether this mistake is switched on."""
        return name in self.mistakes

    def is_pinned(self, participant: int) -> bool:
        """Whether the thread of the participant is pinned."""
        return self.state[participant] & PINNED != 0

    def epoch_of(self, participant: int) -> int:
        """The epoch that a pinned participant has."""
        return self.state[participant] >> 2

    def new_participant(self) -> int:
        """Allocates one, which is not linked."""
        new = len(self.state)
        bags = self.scenario.bags
        self.next.append(NONE)
        self.linked.append(False)
        self.state.append(0)
        self.written.append(NONE)
        self.dormant.append(False)
        self.waiting.append(())
        self.bags.append(((),) * bags)
        self.tags.append((0,) * bags)
        self.last_tag.append(0)
        self.held.append(())
        self.littered.append(False)
        self.next_littered.append(NONE)
        return new

    def set_bag(self, participant: int, number: int, items: Items) -> None:
        """Stores into a bag."""
        bags = self.bags[participant]
        self.bags[participant] = (*bags[:number], items, *bags[number + 1 :])

    def take_bag(self, participant: int, number: int) -> Items:
        """Exchanges a bag for an empty one."""
        items = self.bags[participant][number]
        self.set_bag(participant, number, ())
        return items


_scalars, _lists = attrgetter(*Shared.SCALARS), attrgetter(*Shared.LISTS)


class Thread:
    """The registers of a thread."""

    FIELDS = (
        "pc", "program", "op", "own", "at", "following", "mine", "tag", "oldest", "rest", "i",
        "scan", "from_first", "after", "frames",
    )  # fmt: skip
    __slots__ = ("me", *FIELDS)

    me: int
    pc: Step | None
    program: tuple[str, ...]  # of the thread, or of the finalizer that it runs
    op: int  # the index in the program
    own: int  # the thread's participant
    at: int  # the participant that a scan stands on
    following: int  # the one behind it in the littered list
    mine: Items  # what the thread has taken out of all lists
    tag: int
    oldest: int  # the oldest epoch that a scan has seen; bags with a smaller tag are freed
    rest: Items  # what is to be held again
    i: int  # the number of a bag
    scan: str  # what a scan of the active list is for
    from_first: bool  # the scan has loaded the head of the active list
    after: Step | None  # where to go on after a scan, or after note_litter()
    frames: tuple[State, ...]  # the operations whose finalizers the thread runs

    def __init__(self, me: int, packed: State) -> None:
        self.me = me
        (self.pc, self.program, self.op, self.own, self.at, self.following, self.mine, self.tag,
         self.oldest, self.rest, self.i, self.scan, self.from_first, self.after,
         self.frames) = packed  # fmt: skip

    pack = attrgetter(*FIELDS)

    @staticmethod
    def fresh(pc: Step | None, program: tuple[str, ...], op: int, own: int) -> State:
        """The registers at the beginning of an operation."""
        return (pc, program, op, own, NONE, NONE, (), 0, NEVER, (), 0, "", False, None, ())

    @property
    def kind(self) -> str:
        """The operation that the thread is in."""
        return self.program[self.op]


# How each operation begins. The modules of the steps add to it.
START: dict[str, Step] = {}
# A step that can wait, and what it waits for.
WAITS_UNTIL: dict[Step, Callable[[Shared, Thread], bool]] = {}
# Steps in which the thread may be detached, besides the first one of an operation.
DETACHED: set[Step] = set()


# What an operation begins with if its thread has no participant yet; see participants.py.
ACQUIRE: list[Step] = []
# These do without a participant.
NEED_NONE = frozenset({FREE, FORK, TIDY})


def first_step(kind: str, own: int) -> Step:
    """How an operation begins; local."""
    return ACQUIRE[0] if own == NONE and kind not in NEED_NONE else START[kind]


def begin(t: Thread, program: tuple[str, ...], op: int) -> Step:
    """Go on with an operation of a program; local."""
    pc, frames = first_step(program[op], t.own), t.frames
    t.__init__(t.me, Thread.fresh(pc, program, op, t.own))  # type: ignore[misc]
    t.frames = frames
    return pc


def done(s: Shared, t: Thread) -> Step | None:
    """The operation is over; local."""
    if t.mine:
        raise ViolationError(f"T{t.me} forgets i{t.mine[0]}")
    if t.op + 1 < len(t.program):
        return begin(t, t.program, t.op + 1)
    if t.frames:  # the end of a finalizer
        own = t.own
        t.__init__(t.me, t.frames[-1])  # type: ignore[misc]
        t.own = own
        return t.pc
    t.__init__(t.me, Thread.fresh(None, (), 0, t.own))  # type: ignore[misc]
    return None


def free(s: Shared, t: Thread, again: Step, after: Step) -> Step | None:
    """`Items::free` of what was taken, one item after another; local.

    The finalizer of an item may be a program. The thread runs it, and then goes on with `again`.
    """
    while t.mine:
        item, t.mine = t.mine[0], t.mine[1:]
        if s.items[item] == FREED:
            raise ViolationError(f"i{item} is freed twice")
        if t.kind not in (REMOVE, PACK, FREE):
            raise ViolationError(f"T{t.me} removes nothing, and frees i{item}")
        s.items[item] = FREED
        for finalized, program in s.scenario.finalizers:
            if finalized == item:
                t.pc = again
                t.frames = (*t.frames, Thread.pack(t))
                return begin(t, program, 0)
    return after(s, t)
