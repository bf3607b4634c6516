# SPDX-License-Identifier: Apache-2.0
"""The scenarios of the reclaimer: a few threads with an operation or two each."""

from __future__ import annotations

from .state import (
    CLOSE,
    END,
    FORK,
    FREE,
    MOVE,
    PACK,
    READ,
    REMOVE,
    TIDY,
    WRITE,
    WRITE_ELSEWHERE,
    Scenario,
)

SCENARIOS: dict[str, Scenario] = {
    # The active list.
    "dormant and read": Scenario(
        "A reader pins while its participant is made dormant, and an item is removed.",
        ((READ, READ), (REMOVE,), (TIDY,)),
        unused=frozenset({0}),
    ),
    "two passes and a read": Scenario(
        "The thread that removes an item makes two passes over the participants before.",
        ((READ, READ), (TIDY, TIDY, REMOVE), (REMOVE,)),
    ),
    "all dormant": Scenario(
        "Two readers link their participants at the same time.",
        ((READ,), (READ,), (REMOVE,)),
        unused=frozenset({0, 1}),
        dormant=frozenset({0, 1}),
    ),
    "unlinked during a scan": Scenario(
        "Participants are unlinked before the scan, behind it, and where it stands.",
        ((READ,), (READ,), (REMOVE,), (TIDY,)),
        unused=frozenset({0, 1}),
    ),
    "own participant dormant": Scenario(
        "The participant of the thread that removes an item is not linked.",
        ((REMOVE,), (READ, READ), (READ,)),
        unused=frozenset({0}),
        dormant=frozenset({0}),
    ),
    "first read of a thread": Scenario(
        "A thread gets its first participant during a scan. Another thread does, too.",
        ((REMOVE, REMOVE), (READ,), (READ,)),
        newcomers=2,
    ),
    "end of a thread": Scenario(
        "A thread ends while others look at its participant, and something waits in it.",
        ((READ, END), (REMOVE, END), (REMOVE, FREE)),
    ),
    "participant used again": Scenario(
        "A thread that begins gets the participant of one that ends, with what waits in it.",
        ((READ, READ), (REMOVE, END), (REMOVE, READ)),
        newcomers=1,
    ),
    "used again while dormant": Scenario(
        "A thread ends whose participant is being made dormant, and another thread gets it.",
        ((READ, END), (REMOVE,), (TIDY,), (READ,)),
        unused=frozenset({0}),
        newcomers=1,
    ),
    # free_everything().
    "wait for readers": Scenario(
        "What had to wait is freed beside readers that come and go.",
        ((READ, READ), (REMOVE, FREE), (READ,)),
    ),
    "wait for a dormant reader": Scenario(
        "The same with a participant that is made dormant and linked again.",
        ((READ, READ), (REMOVE, FREE), (TIDY,)),
        unused=frozenset({0}),
    ),
    "free everything": Scenario(
        "A third thread frees what waits, while more is removed.",
        ((READ, READ), (REMOVE, REMOVE), (FREE,)),
    ),
    "two free everything": Scenario(
        "Two threads free everything.",
        ((READ, FREE), (REMOVE, REMOVE), (FREE,)),
    ),
    "free what another holds": Scenario(
        "A thread takes from another what that has not waited for yet, or has.",
        ((READ, READ), (REMOVE, FREE), (FREE,)),
    ),
    "litter of two threads": Scenario(
        "Two threads put their participants into the littered list while it is taken.",
        ((READ,), (REMOVE, FREE), (REMOVE, REMOVE)),
    ),
    "free without a participant": Scenario(
        "A thread that has no participant frees everything.",
        ((READ, READ), (REMOVE, REMOVE), (FREE,)),
        newcomers=1,
    ),
    # Bags.
    "bags": Scenario(
        "A thread fills bags and frees old ones, beside readers that come and go.",
        ((READ, READ), (PACK, PACK), (READ,)),
    ),
    "two bags": Scenario(
        "A thread has two bags, of different epochs.",
        ((READ, READ), (PACK, PACK, PACK)),
        bags=2,
    ),
    "bags of two threads": Scenario(
        "Two threads fill bags and advance the epoch.",
        ((READ,), (PACK, PACK), (PACK,)),
    ),
    "bags and everything": Scenario(
        "A third thread frees everything, while a bag is filled.",
        ((READ,), (PACK, PACK), (FREE, READ)),
    ),
    "bags and a dormant reader": Scenario(
        "The reader's participant is made dormant and linked again.",
        ((READ, READ), (PACK, PACK), (TIDY,)),
        unused=frozenset({0}),
    ),
    "bags of a thread that ends": Scenario(
        "A thread gets the participant of one that has ended, with a bag and its tag.",
        ((READ, READ), (PACK, END), (PACK,)),
        newcomers=1,
    ),
    # Items that nobody has retired.
    "left for all": Scenario(
        "A migrator leaves an item to whoever removes something next.",
        ((READ, READ), (MOVE,), (REMOVE,)),
    ),
    "left for all and freed": Scenario(
        "The same, and the migrator frees everything afterwards.",
        ((READ,), (MOVE, FREE), (REMOVE,)),
    ),
    # Finalizers.
    "a finalizer removes": Scenario(
        "The finalizer of an item removes the next one, while a reader is pinned.",
        ((READ, READ), (REMOVE, REMOVE)),
        finalizers=((0, (REMOVE,)), (1, (REMOVE,))),
    ),
    "a finalizer frees everything": Scenario(
        "A thread frees everything in a finalizer, while another does as well.",
        ((READ,), (REMOVE, REMOVE, FREE), (FREE,)),
        finalizers=((0, (MOVE, FREE)),),
    ),
    # A fork.
    "fork and free": Scenario(
        "A thread forks while others free everything, or end. The child frees what they have left.",
        ((FORK, FREE), (REMOVE, FREE), (READ, END)),
    ),
    "fork at the end of a thread": Scenario(
        "A thread forks while two others end. The child reads, removes and frees.",
        ((FORK, READ, REMOVE), (REMOVE, END), (READ, END)),
    ),
    "fork in a finalizer": Scenario(
        "The finalizer of an item that free_everything() frees forks.",
        ((REMOVE, REMOVE, FREE), (READ, READ)),
        finalizers=((0, (FORK, FREE)),),
    ),
    "fork without a participant": Scenario(
        "A thread forks that has no participant. What the others have left goes to one without.",
        ((READ, READ), (REMOVE, REMOVE), (FORK, FREE)),
        newcomers=1,
    ),
    # Writers and the gate.
    "a dormant writer": Scenario(
        "A writer pins while its participant is made dormant and the gate is closed.",
        ((WRITE, WRITE), (CLOSE,), (TIDY,)),
        unused=frozenset({0}),
    ),
    "two dormant writers": Scenario(
        "Two writers link their participants while the gate is closed.",
        ((WRITE,), (WRITE,), (CLOSE, CLOSE)),
        unused=frozenset({0, 1}),
        dormant=frozenset({0, 1}),
    ),
    "a writer of two maps": Scenario(
        "A writer writes to another map, then to this one, while the gate is closed.",
        ((WRITE_ELSEWHERE, WRITE), (CLOSE, CLOSE), (WRITE, WRITE_ELSEWHERE)),
    ),
}
