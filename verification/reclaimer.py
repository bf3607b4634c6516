# SPDX-License-Identifier: Apache-2.0
"""The reclaimer alone: records that are put aside and linked again, and who frees what is removed.

A model of its own, beside that of the hash table, which takes a removed node to be freed as early
as is right. Here is shown that it is never freed earlier, and not forgotten. What is removed are
items, one at a time in a slot that all threads know; each thread has one record.

    record    state (0 outside, UNUSED as a pass leaves it, or what it is pinned as), its mark
              `dormant`, its place in the active list, what waits in it and in its bag (the code has
              four), whether it is littered
    shared    epoch, the head of the list, its lock, the littered records, what is left for all,
              the slot, and a gate

A step makes one access to shared memory, as in the other modules. Threads run these operations:

    read       pin, load the slot, use what was found, unpin
    remove     exchange the slot, then free the item, or let it wait if somebody is inside
    remove and pack         the same; what waits is put into a bag, and an old bag is freed
    move       exchange the slot for another thread: the item is left for all
    tidy       a pass over the records
    free all                wait until those who are inside have left
    write      pin for writing, look at the gate, be inside, unpin
    close      close the gate, wait for the writers, be alone
    end        the thread's record is taken off the list
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

from .search import ViolationError

State: TypeAlias = tuple[Any, ...]
Step: TypeAlias = "Callable[[Shared, Actor], Step | None]"

NONE = -1
NEVER = 99
EMPTY_BAG = (NEVER, ())
OUTSIDE, UNUSED = 0, -1  # states of a record; otherwise 2 * epoch + writing + 1
READ, REMOVE, PACK, MOVE, TIDY = "read", "remove", "remove and pack", "move", "tidy"
ALL, WRITE, CLOSE, END = "free all", "write", "close", "end"


class Scenario(NamedTuple):
    """What the threads do, and how their records are in the beginning."""

    about: str
    programs: tuple[tuple[str, ...], ...]
    unused: frozenset[int] = frozenset()  # a pass has noted these
    aside: frozenset[int] = frozenset()  # and these are off the list


class Shared:
    """What threads share; the last three are ghosts, which no thread reads."""

    FIELDS = (
        "epoch", "head", "lock", "next", "linked", "state", "dormant", "waiting", "bag", "held",
        "littered", "stack", "for_all", "slot", "gate", "items", "found", "writers",
    )  # fmt: skip
    __slots__ = (*FIELDS, "mistakes")

    epoch: int
    head: int
    lock: int
    next: list[int]
    linked: list[bool]
    state: list[int]
    dormant: list[bool]
    waiting: list[tuple[int, ...]]
    bag: list[tuple[int, tuple[int, ...]]]  # the tag, and the items
    held: list[tuple[int, ...]]  # by who frees everything
    littered: list[bool]
    stack: list[int]  # of littered records
    for_all: list[int]
    slot: int
    gate: int
    items: list[str]  # "there", "removed" or "freed"
    found: list[int]  # by each thread, under its pin
    writers: list[int]  # who is inside, past the gate

    def __init__(self, packed: State, mistakes: frozenset[str]) -> None:
        for name, value in zip(self.FIELDS, packed, strict=True):
            setattr(self, name, list(value) if isinstance(value, tuple) else value)
        self.mistakes = mistakes

    def pack(self) -> State:
        """A part of a state."""
        values = (getattr(self, name) for name in self.FIELDS)
        return tuple(tuple(value) if isinstance(value, list) else value for value in values)

    def mistaken(self, name: str) -> bool:
        """Whether this mistake is switched on."""
        return name in self.mistakes

    def is_pinned(self, record: int) -> bool:
        """Whether the thread of the record is inside."""
        return self.state[record] > 0


class Actor:
    """The registers of a thread."""

    FIELDS = ("pc", "op", "at", "mine", "tag", "oldest", "todo", "wrapped", "after")
    __slots__ = ("me", "program", *FIELDS)

    pc: Step | None
    op: int
    at: int  # the record where a scan stands
    mine: tuple[int, ...]  # items taken out of all lists
    tag: int
    oldest: int  # epoch of those that a scan has seen
    todo: tuple[int, ...]  # records whose lists are to be taken, or items to be held again
    wrapped: bool  # the scan has come to the head of the list
    after: Step | None

    def __init__(self, me: int, program: tuple[str, ...], packed: State) -> None:
        self.me, self.program = me, program
        for name, value in zip(self.FIELDS, packed, strict=True):
            setattr(self, name, value)

    def pack(self) -> State:
        """A part of a state."""
        return tuple(getattr(self, name) for name in self.FIELDS)

    @property
    def kind(self) -> str:
        """Of the operation that it is in."""
        return self.program[self.op]


GUARDS: dict[Step, Callable[[Shared, Actor], bool]] = {}


def done(s: Shared, t: Actor) -> Step | None:
    """The operation is over; local."""
    if t.mine:
        raise ViolationError(f"T{t.me} forgets i{t.mine[0]}")
    t.op, t.at, t.tag, t.oldest = t.op + 1, NONE, 0, NEVER
    t.todo, t.wrapped, t.after = (), False, None
    return START[t.kind] if t.op < len(t.program) else None


# -- pins ------------------------------------------------------------------------------------------


def load_epoch(s: Shared, t: Actor) -> Step:
    """Load the epoch that the pin is to have."""
    t.tag = s.epoch
    return look_early if s.mistaken("look before the pin") else pin


def look_early(s: Shared, t: Actor) -> Step:
    """(Mistake) Look at the mark, and then pin."""
    t.wrapped = s.dormant[t.me]
    return pin


def pin(s: Shared, t: Actor) -> Step:
    """Store the state. From here on a pass leaves the record where it is."""
    s.state[t.me] = 2 * t.tag + (t.kind == WRITE) + 1
    if s.mistaken("look before the pin"):
        marked, t.wrapped = t.wrapped, False
        return take_lock if marked else pinned(s, t)
    if s.mistaken("no look at the mark"):
        return pinned(s, t)
    if s.mistaken("link after the load"):
        return load_slot if t.kind == READ else look_at_gate
    return look_at_mark


def look_at_mark(s: Shared, t: Actor) -> Step:
    """After the pin: either we see the mark, or the pass that has set it sees the pin."""
    return take_lock if s.dormant[t.me] else pinned(s, t)


def take_lock(s: Shared, t: Actor) -> Step:
    """Wait for the pass to decide, or for others who link their records."""
    if not s.mistaken("no lock"):
        s.lock = t.me
    if s.linked[t.me] or s.mistaken("no link"):
        return clear_mark
    return link


GUARDS[take_lock] = lambda s, t: s.lock == NONE or s.mistaken("no lock")


def link(s: Shared, t: Actor) -> Step:
    """Store `next`: whoever still stands on the record goes through the whole list again."""
    s.next[t.me] = s.head
    return link_head


def link_head(s: Shared, t: Actor) -> Step:
    """Store the head: scans that load it from now on see the pin."""
    s.head, s.linked[t.me] = t.me, True
    return clear_mark


def clear_mark(s: Shared, t: Actor) -> Step:
    """Clear the mark, under the lock, as it was set."""
    s.dormant[t.me] = False
    return drop_lock


def drop_lock(s: Shared, t: Actor) -> Step:
    """Nothing of the structure has been loaded before this."""
    if s.lock == t.me:
        s.lock = NONE
    return pinned(s, t)


def pinned(s: Shared, t: Actor) -> Step:
    """What the operation does under the pin; local."""
    if s.mistaken("link after the load"):
        return use if t.kind == READ else be_inside
    return load_slot if t.kind == READ else look_at_gate


def load_slot(s: Shared, t: Actor) -> Step:
    """Find the item that is there."""
    s.found[t.me] = s.slot
    return look_at_mark if s.mistaken("link after the load") else use


def use(s: Shared, t: Actor) -> Step:
    """Look at the item."""
    if s.items[s.found[t.me]] == "freed":
        raise ViolationError(f"use after free: T{t.me} looks at i{s.found[t.me]}")
    return unpin


def unpin(s: Shared, t: Actor) -> Step | None:
    """Store the state."""
    s.state[t.me], s.found[t.me], s.writers[t.me] = OUTSIDE, NONE, 0
    return done(s, t)


# -- the gate --------------------------------------------------------------------------------------


def look_at_gate(s: Shared, t: Actor) -> Step:
    """After the pin, and after the record is linked."""
    if s.gate != NONE:
        return back_off
    return look_at_mark if s.mistaken("link after the load") else be_inside


def be_inside(s: Shared, t: Actor) -> Step:
    """Write."""
    if s.gate != NONE and s.writers[s.gate] == 2:
        raise ViolationError(f"T{t.me} writes while T{s.gate} is alone")
    s.writers[t.me] = 1
    return unpin


def back_off(s: Shared, t: Actor) -> Step:
    """The gate is closed: unpin, so that the closer does not wait for us."""
    s.state[t.me] = OUTSIDE
    return wait_for_gate


def wait_for_gate(s: Shared, t: Actor) -> Step:
    """Wait, detached; then from the beginning."""
    return load_epoch


GUARDS[wait_for_gate] = lambda s, t: s.gate == NONE


def close_gate(s: Shared, t: Actor) -> Step:
    """One closer at a time."""
    s.gate = t.me
    t.after = be_alone
    return load_head


GUARDS[close_gate] = lambda s, t: s.gate == NONE


def be_alone(s: Shared, t: Actor) -> Step:
    """All writers have been waited for."""
    if 1 in s.writers:
        raise ViolationError(f"T{t.me} is alone while T{s.writers.index(1)} writes")
    s.writers[t.me] = 2
    return open_gate


def open_gate(s: Shared, t: Actor) -> Step | None:
    """Let the writers in."""
    s.gate, s.writers[t.me] = NONE, 0
    return done(s, t)


# -- scans -----------------------------------------------------------------------------------------


def load_own_next(s: Shared, t: Actor) -> Step:
    """A removal begins behind its own record, linked or not, so that not all ask the same one."""
    t.at = s.next[t.me]
    return look_at_state if t.at != NONE else load_head


def load_head(s: Shared, t: Actor) -> Step:
    """Who is linked later loads nothing of the structure before that."""
    t.at, t.wrapped = s.head, True
    return arrive(s, t)


def arrive(s: Shared, t: Actor) -> Step:
    """At the end of the list, or at a record; local."""
    # Only on the way from the head is all that comes before our own record all that is missing.
    to_own = t.after is nobody_inside and (t.wrapped or s.mistaken("end at the own record"))
    if t.at == NONE or (t.at == t.me and to_own):
        if not t.wrapped:
            return load_head
        assert t.after is not None
        return t.after
    return load_next if t.at == t.me else look_at_state


def look_at_state(s: Shared, t: Actor) -> Step:
    """Is somebody inside who may have found it? A removal goes away then, the others wait."""
    if t.after is nobody_inside and s.is_pinned(t.at):
        return push_waiting
    if t.after is take_old_bag and s.is_pinned(t.at):
        t.oldest = min(t.oldest, (s.state[t.at] - 1) // 2)
    return load_next


def _waits(s: Shared, t: Actor) -> bool:
    if t.after is be_alone:
        return s.is_pinned(t.at) and s.state[t.at] % 2 == 0
    if t.after is take_held:
        return s.is_pinned(t.at) and (s.state[t.at] - 1) // 2 <= t.tag
    return False


GUARDS[look_at_state] = lambda s, t: not _waits(s, t)


def load_next(s: Shared, t: Actor) -> Step:
    """Go on, also from a record that is not linked any more, or again."""
    t.at = s.next[t.at]
    return arrive(s, t)


# -- removing and freeing --------------------------------------------------------------------------


def exchange(s: Shared, t: Actor) -> Step:
    """Replace the item: nobody who loads the slot from now on finds it."""
    old, s.slot = s.slot, len(s.items)
    s.items[old] = "removed"
    s.items.append("there")
    if t.kind == MOVE and not s.mistaken("free for another"):
        s.for_all.append(old)
        return done(s, t) or finished
    t.mine = (old,)
    t.after = nobody_inside
    return load_own_next if t.kind == MOVE or s.mistaken("take last") else take_for_all


def finished(s: Shared, t: Actor) -> Step | None:
    """The program is over; local."""
    return None


def take_for_all(s: Shared, t: Actor) -> Step:
    """Before the scan, which looks who may have found it."""
    t.mine, s.for_all = (*t.mine, *s.for_all), []
    return load_own_next if t.kind in (REMOVE, PACK) else advance


def nobody_inside(s: Shared, t: Actor) -> Step | None:
    """What waits of the thread's own was retired before the scan as well."""
    t.mine, s.waiting[t.me] = (*t.mine, *s.waiting[t.me], *s.bag[t.me][1]), ()
    s.bag[t.me] = EMPTY_BAG
    if t.kind == REMOVE and s.mistaken("take last"):
        t.mine, s.for_all = (*t.mine, *s.for_all), []
    return free_taken(s, t)


def free(s: Shared, t: Actor) -> None:
    """Free what was taken."""
    for item in t.mine:
        if s.items[item] == "freed":
            raise ViolationError(f"i{item} is freed twice")
        if t.kind not in (REMOVE, PACK, ALL):
            raise ViolationError(f"T{t.me} removes nothing, and frees i{item}")
        s.items[item] = "freed"
    t.mine = ()


def free_taken(s: Shared, t: Actor) -> Step | None:
    """And that is all."""
    free(s, t)
    return done(s, t)


def push_waiting(s: Shared, t: Actor) -> Step:
    """Into the thread's own list."""
    s.waiting[t.me] = (*s.waiting[t.me], *t.mine)
    t.mine = ()
    t.after = pack if t.kind == PACK else done
    return look_at_litter


def look_at_litter(s: Shared, t: Actor) -> Step | None:
    """Set: who takes everything has not come to our list yet, or will come."""
    assert t.after is not None
    if not s.littered[t.me]:
        return mark_litter
    return done(s, t) if t.after is done else t.after


def mark_litter(s: Shared, t: Actor) -> Step:
    """Only the thread itself sets it."""
    s.littered[t.me] = True
    return push_littered


def push_littered(s: Shared, t: Actor) -> Step | None:
    """Now the list can be found."""
    s.stack.append(t.me)
    return done(s, t) if t.after is done else t.after


def pack(s: Shared, t: Actor) -> Step:
    """Take what waits, for a bag. The code makes one of 32 items."""
    if s.bag[t.me] != EMPTY_BAG:
        return find_oldest(s, t)
    t.mine, s.waiting[t.me] = s.waiting[t.me], ()
    return tag_bag if t.mine else find_oldest(s, t)


def tag_bag(s: Shared, t: Actor) -> Step:
    """Load the epoch. Who is pinned with a larger one has not found what is in the bag."""
    t.tag = s.epoch
    return advance_if_same


def advance_if_same(s: Shared, t: Actor) -> Step:
    """Advance by a compare-and-swap. Lost: another thread has done so."""
    if s.epoch == t.tag:
        s.epoch += 1
    return store_bag


def store_bag(s: Shared, t: Actor) -> Step:
    """Meanwhile it was neither here nor there for who takes everything."""
    s.bag[t.me] = (t.tag, t.mine)
    t.mine, t.tag = (), 0
    if s.mistaken("no note after packing"):
        return find_oldest(s, t)
    t.after = find_oldest
    return look_at_litter


def find_oldest(s: Shared, t: Actor) -> Step:
    """Begin to look for the oldest epoch of those who are inside; local."""
    t.after, t.wrapped = take_old_bag, True
    return load_head


def take_old_bag(s: Shared, t: Actor) -> Step | None:
    """Take the bag if all who are inside are younger."""
    tag, items = s.bag[t.me]
    if tag < t.oldest or (s.mistaken("free the same epoch") and tag == t.oldest):
        t.mine, s.bag[t.me] = items, EMPTY_BAG
    return free_taken(s, t)


def free_all(s: Shared, t: Actor) -> Step:
    """Take the littered records."""
    t.todo, s.stack, t.after = tuple(s.stack), [], free_taken
    if s.mistaken("advance first"):
        t.tag, s.epoch = s.epoch, s.epoch + 1
    return next_littered(s, t)


def next_littered(s: Shared, t: Actor) -> Step:
    """To the next of them; local."""
    if not t.todo:
        return take_for_all
    return take_list if s.mistaken("clear afterwards") else clear_litter


def clear_litter(s: Shared, t: Actor) -> Step:
    """Before the list is taken: whoever adds to it later sees that, and can be found again."""
    s.littered[t.todo[0]] = False
    if s.mistaken("clear afterwards"):
        t.todo = t.todo[1:]
        return next_littered(s, t)
    return take_list


def take_list(s: Shared, t: Actor) -> Step:
    """Take what waits in the record."""
    record = t.todo[0]
    t.mine, s.waiting[record] = (*t.mine, *s.waiting[record]), ()
    return take_bag


def take_bag(s: Shared, t: Actor) -> Step:
    """Take its bag."""
    record = t.todo[0]
    t.mine, s.bag[record] = (*t.mine, *s.bag[record][1]), EMPTY_BAG
    return take_held_of


def take_held_of(s: Shared, t: Actor) -> Step:
    """Take what its thread holds, which may have waited, or not. If it is our own, it has."""
    record = t.todo[0]
    held, s.held[record] = s.held[record], ()
    if s.mistaken("trust what is held"):
        kept, t.mine = t.mine, held
        free(s, t)
        held, t.mine = (), kept
    t.mine = (*t.mine, *held)
    if s.mistaken("clear afterwards"):
        return clear_litter
    t.todo = t.todo[1:]
    return next_littered(s, t)


def advance(s: Shared, t: Actor) -> Step | None:
    """After everything was taken: who is pinned with the new epoch found none of it; local."""
    if not t.mine:
        return done(s, t)
    return hold


def hold(s: Shared, t: Actor) -> Step | None:
    """Where others find it: a finalizer may take its time."""
    s.held[t.me], t.mine = t.mine, ()
    if s.mistaken("advance first"):
        t.after = load_head_to_wait
    else:
        t.after = advance_epoch
    return look_at_litter(s, t)


def advance_epoch(s: Shared, t: Actor) -> Step:
    """Who is pinned with this one or an older one may have found what is held."""
    t.tag, s.epoch = s.epoch, s.epoch + 1
    return load_head_to_wait(s, t)


def load_head_to_wait(s: Shared, t: Actor) -> Step:
    """Begin to wait; local."""
    t.after = take_held
    return load_head


def take_held(s: Shared, t: Actor) -> Step | None:
    """Take it back, if nobody else has taken it. One is freed, the others are held again."""
    held, s.held[t.me] = s.held[t.me], ()
    if not held:
        return done(s, t)
    t.mine, t.todo = held[:1], held[1:]
    return hold_rest if t.todo else free_one


def hold_rest(s: Shared, t: Actor) -> Step | None:
    """Of what was taken back."""
    s.held[t.me], t.todo, t.after = t.todo, (), free_one
    return look_at_litter(s, t)


def free_one(s: Shared, t: Actor) -> Step | None:
    """Then the next one."""
    free(s, t)
    return take_held


# -- the active list -------------------------------------------------------------------------------


def begin_pass(s: Shared, t: Actor) -> Step:
    """One at a time, and nobody links a record meanwhile."""
    s.lock = t.me
    t.at = s.head
    return examine(s, t)


GUARDS[begin_pass] = lambda s, t: s.lock == NONE


def examine(s: Shared, t: Actor) -> Step:
    """The next record but our own; local, since only the holder of the lock changes the list."""
    if t.at == t.me:
        t.at = s.next[t.at]
    return look_whether_used if t.at != NONE else end_pass


def look_whether_used(s: Shared, t: Actor) -> Step:
    """Note that it is unused by a compare-and-swap. The next pin undoes that."""
    if s.state[t.at] == UNUSED:
        return unlink if s.mistaken("mark after the look") else mark
    if s.state[t.at] == OUTSIDE:
        s.state[t.at] = UNUSED
    t.at = s.next[t.at]
    return examine(s, t)


def mark(s: Shared, t: Actor) -> Step:
    """Before the second look."""
    s.dormant[t.at] = True
    if s.mistaken("mark after the look"):
        t.at = s.next[t.at]
        return examine(s, t)
    return unlink if s.mistaken("unlink without a look") else look_again


def look_again(s: Shared, t: Actor) -> Step:
    """After the mark: either we see the pin, or the owner sees the mark, and waits for us."""
    return unlink if s.state[t.at] == UNUSED else unmark


def unmark(s: Shared, t: Actor) -> Step:
    """It is in use."""
    s.dormant[t.at] = False
    t.at = s.next[t.at]
    return examine(s, t)


def unlink(s: Shared, t: Actor) -> Step:
    """Its own `next` stays, for a scan that stands there."""
    _take_off(s, t.at)
    if s.mistaken("mark after the look"):
        return mark
    t.at = s.next[t.at] if not s.mistaken("forget next") else NONE
    return examine(s, t)


def _take_off(s: Shared, record: int) -> None:
    if s.head == record:
        s.head = s.next[record]
    else:
        at = s.head
        while s.next[at] != record:
            at = s.next[at]
        s.next[at] = s.next[record]
    s.linked[record] = False
    if s.mistaken("forget next"):
        s.next[record] = NONE


def end_pass(s: Shared, t: Actor) -> Step | None:
    """Drop the lock."""
    s.lock = NONE
    return done(s, t)


def end(s: Shared, t: Actor) -> Step | None:
    """Under the lock: the record of a thread that ends is looked at no more."""
    if s.linked[t.me]:
        _take_off(s, t.me)
    s.state[t.me] = OUTSIDE
    return done(s, t)


GUARDS[end] = lambda s, t: s.lock == NONE

START: dict[str, Step] = {
    READ: load_epoch, WRITE: load_epoch, REMOVE: exchange, PACK: exchange, MOVE: exchange,
    TIDY: begin_pass, ALL: free_all, CLOSE: close_gate, END: end,
}  # fmt: skip

# -- what is explored ------------------------------------------------------------------------------

SCENARIOS: dict[str, Scenario] = {
    "put aside and read": Scenario(
        "A reader comes inside while its record is put aside, and an item is removed.",
        ((READ, READ), (REMOVE,), (TIDY,)),
        unused=frozenset({0}),
    ),
    "two passes and a read": Scenario(
        "The passes are made by the thread that removes.",
        ((READ, READ), (TIDY, TIDY, REMOVE), (REMOVE,)),
    ),
    "all aside": Scenario(
        "Two readers link their records at the same time.",
        ((READ,), (READ,), (REMOVE,)),
        unused=frozenset({0, 1}),
        aside=frozenset({0, 1}),
    ),
    "aside in the middle of a scan": Scenario(
        "Records before, behind and under the scan are put aside.",
        ((READ,), (READ,), (REMOVE,), (TIDY,)),
        unused=frozenset({0, 1}),
    ),
    "an own record aside": Scenario(
        "The thread that removes is not linked itself.",
        ((REMOVE,), (READ, READ), (READ,)),
        unused=frozenset({0}),
        aside=frozenset({0}),
    ),
    "wait for readers": Scenario(
        "What had to wait is freed beside readers that come and go.",
        ((READ, READ), (REMOVE, ALL), (READ,)),
    ),
    "wait for a reader that was aside": Scenario(
        "The same with a record that is put aside and linked again.",
        ((READ, READ), (REMOVE, ALL), (TIDY,)),
        unused=frozenset({0}),
    ),
    "free everything": Scenario(
        "A third thread frees what waits, while more is left.",
        ((READ, READ), (REMOVE, REMOVE), (ALL,)),
    ),
    "two free everything": Scenario(
        "Two threads do.",
        ((READ, ALL), (REMOVE, REMOVE), (ALL,)),
    ),
    "free what another holds": Scenario(
        "One takes from the other what that has not waited for yet, or has.",
        ((READ, READ), (REMOVE, ALL), (ALL,)),
    ),
    "bags": Scenario(
        "A thread fills bags and frees old ones beside readers that come and go.",
        ((READ, READ), (PACK, PACK), (READ,)),
    ),
    "bags of two threads": Scenario(
        "Two threads do.",
        ((READ,), (PACK, PACK), (PACK,)),
    ),
    "bags and everything": Scenario(
        "A third thread frees everything, while a bag is filled.",
        ((READ,), (PACK, PACK), (ALL, READ)),
    ),
    "bags and a reader that was aside": Scenario(
        "The reader's record is put aside and linked again.",
        ((READ, READ), (PACK, PACK), (TIDY,)),
        unused=frozenset({0}),
    ),
    "left for all": Scenario(
        "A mover leaves an item to whoever removes something next.",
        ((READ, READ), (MOVE,), (REMOVE,)),
    ),
    "left for all and freed": Scenario(
        "The same, and the mover frees everything afterwards.",
        ((READ,), (MOVE, ALL), (REMOVE,)),
    ),
    "the end of a thread": Scenario(
        "A thread ends while others look at its record, and leaves something.",
        ((READ, END), (REMOVE, END), (REMOVE, ALL)),
    ),
    "a writer that was aside": Scenario(
        "A writer comes inside while its record is put aside and the gate is closed.",
        ((WRITE, WRITE), (CLOSE,), (TIDY,)),
        unused=frozenset({0}),
    ),
    "two writers aside": Scenario(
        "Two writers link their records while the gate is closed.",
        ((WRITE,), (WRITE,), (CLOSE, CLOSE)),
        unused=frozenset({0, 1}),
        aside=frozenset({0, 1}),
    ),
}


class Mistake(NamedTuple):
    """A change of the protocol, and what it breaks in which scenario."""

    about: str
    shown_by: dict[str, str]


USE, ALONE = "use after free", "while"
MISTAKES: dict[str, Mistake] = {
    "no look at the mark": Mistake(
        "a thread pins, and does not look whether its record was put aside",
        {"put aside and read": USE, "a writer that was aside": ALONE},
    ),
    "look before the pin": Mistake(
        "a thread looks at the mark, and then pins", {"put aside and read": USE}
    ),
    "link after the load": Mistake(
        "a thread links its record again after it has loaded something",
        {"all aside": USE, "two writers aside": ALONE},
    ),
    "no link": Mistake(
        "a thread that sees the mark clears it, and does not link its record", {"all aside": USE}
    ),
    "no lock": Mistake("records are linked without the lock", {"all aside": USE}),
    "mark after the look": Mistake(
        "a pass looks at the state, unlinks the record and then sets the mark",
        {"put aside and read": USE},
    ),
    "unlink without a look": Mistake(
        "a pass sets the mark and unlinks the record, without a look at the state in between",
        {"put aside and read": USE},
    ),
    "forget next": Mistake(
        "a record that is unlinked does not keep its `next`",
        {"aside in the middle of a scan": USE},
    ),
    "end at the own record": Mistake(
        "a scan that began behind its own record goes on to the head when it comes to it again",
        {"aside in the middle of a scan": USE},
    ),
    "advance first": Mistake(
        "the epoch is advanced before the lists are taken", {"free everything": USE}
    ),
    "trust what is held": Mistake(
        "who takes what another thread holds frees it, as if that had waited",
        {"free what another holds": USE},
    ),
    "clear afterwards": Mistake(
        "who takes everything takes a list, and then clears the mark of its record",
        {"free everything": "nobody will free"},
    ),
    "no note after packing": Mistake(
        "who has filled a bag does not see to it that it can be found",
        {"bags and everything": "nobody will free"},
    ),
    "free the same epoch": Mistake(
        "a bag is freed when the oldest who is inside has the epoch of its tag", {"bags": USE}
    ),
    "take last": Mistake(
        "who removes something takes what is left for all after the look who is inside",
        {"left for all": USE},
    ),
    "free for another": Mistake(
        "a mover frees what another thread has removed", {"left for all": "removes nothing"}
    ),
}


class Result(NamedTuple):
    """What an exploration found; `trace` leads to the violation."""

    states: int
    seconds: float
    violation: str | None
    trace: list[str]
    taken: frozenset[str]  # the names of the steps
    asides: int  # ends in which a record is off the list


def explore(scenario: Scenario, mistakes: frozenset[str] = frozenset()) -> Result:
    """Visits every interleaving, breadth first, until one violates a promise."""
    started = time.perf_counter()
    first = _initial(scenario)
    parents: dict[State, tuple[State, int] | None] = {first: None}
    frontier, asides = [first], 0
    taken: set[str] = set()

    def result(violation: str | None, trace: list[str]) -> Result:
        seconds = time.perf_counter() - started
        return Result(len(parents), seconds, violation, trace, frozenset(taken), asides)

    while frontier:
        following: list[State] = []
        for state in frontier:
            actor = NONE
            try:
                moved = False
                for actor in range(len(scenario.programs)):
                    after = _step(scenario, mistakes, state, actor)
                    if after is None:
                        continue
                    moved = True
                    taken.add(state[1][actor][0].__name__)
                    if after not in parents:
                        parents[after] = (state, actor)
                        following.append(after)
                if not moved:
                    actor = NONE
                    asides += _check_end(mistakes, state)
            except ViolationError as violation:
                return result(str(violation), _trace(parents, state, actor))
        frontier = following
    return result(None, [])


def _initial(scenario: Scenario) -> State:
    n = len(scenario.programs)
    linked = [me not in scenario.aside for me in range(n)]
    order = [me for me in reversed(range(n)) if linked[me]]  # the newest is the head
    following = [NONE] * n
    for before, behind in pairwise(order):
        following[before] = behind
    # What is off the list was in front of the rest.
    for me in scenario.aside:
        following[me] = order[0]
    state = tuple(UNUSED if me in scenario.unused else OUTSIDE for me in range(n))
    shared = (0, order[0], NONE, tuple(following), tuple(linked), state,
              tuple(not is_linked for is_linked in linked), ((),) * n, (EMPTY_BAG,) * n,
              ((),) * n, (False,) * n, (), (), 0,
              NONE, ("there",), (NONE,) * n, (0,) * n)  # fmt: skip
    threads = tuple(
        (START[program[0]], 0, NONE, (), 0, NEVER, (), False, None) for program in scenario.programs
    )
    return (shared, threads)


def _step(scenario: Scenario, mistakes: frozenset[str], state: State, actor: int) -> State | None:
    shared, threads = state
    pc: Step | None = threads[actor][0]
    if pc is None:
        return None
    s = Shared(shared, mistakes)
    t = Actor(actor, scenario.programs[actor], threads[actor])
    guard = GUARDS.get(pc)
    if guard is not None and not guard(s, t):
        return None
    following = pc(s, t)
    t.pc = None if following is finished else following
    return (s.pack(), (*threads[:actor], t.pack(), *threads[actor + 1 :]))


def _check_end(mistakes: frozenset[str], state: State) -> bool:
    shared, threads = state
    for me, packed in enumerate(threads):
        if packed[0] is not None:
            raise ViolationError(f"T{me} waits for ever in {packed[0].__name__}")
    s = Shared(shared, mistakes)
    if s.lock != NONE or s.gate != NONE:
        raise ViolationError("the lock is held, or the gate closed, by nobody")
    can_be_found = {*s.for_all}
    for record in s.stack:
        can_be_found |= {*s.waiting[record], *s.bag[record][1], *s.held[record]}
    for item, status in enumerate(s.items):
        if status == "removed" and item not in can_be_found:
            raise ViolationError(f"nobody will free i{item}")
    return not all(s.linked)


def _trace(parents: dict[State, tuple[State, int] | None], state: State, last: int) -> list[str]:
    lines = [] if last == NONE else [f"T{last}  {state[1][last][0].__name__}  ← here"]
    here = state
    while (link_to := parents[here]) is not None:
        before, actor = link_to
        changes = [
            f"{name} {old} → {new}"
            for name, old, new in zip(Shared.FIELDS, before[0], here[0], strict=True)
            if old != new
        ]
        lines.append(f"T{actor}  {before[1][actor][0].__name__:20}{'; '.join(changes)}".rstrip())
        here = before
    return lines[::-1]
