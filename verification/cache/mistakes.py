# SPDX-License-Identifier: Apache-2.0
"""The mistakes of the cache, and for each the scenarios in which it shows."""

from __future__ import annotations

from ..search import Mistake

USE, LEFT, LEAK, LOST = "use after free", "left in a stack", "nobody will retire", "in no table"

MISTAKES: dict[str, Mistake] = {
    # Reservations.
    "plain store": Mistake(
        "The leader stores its value by a store, instead of a compare-and-swap.",
        {"stored and removed": "before an invalidation", "clear and fill": LOST},
    ),
    "keep the share": Mistake(
        "A leader whose value was not stored does not give up its share.",
        {"fill and invalidate": LEAK, "clear and fill": LEAK},
    ),
    "wake first": Mistake(
        "The leader wakes those that wait, and then stores its value.",
        {"fill and fill": "not stored yet"},
    ),
    "push first": Mistake(
        "The leader pushes its entry, and then stores the value.",
        {"fill and invalidate": USE},
    ),
    "look after the push": Mistake(
        "The leader looks at its entry after it has pushed it.",
        {"stored and removed": USE},
    ),
    # Removals.
    "no unlink": Mistake(
        "An invalidation does not unlink the entry that it has made dead.",
        {"fill and invalidate": "nobody will unlink"},
    ),
    "unlink unpinned": Mistake(
        "An invalidation makes a reservation dead, unpins, and then unlinks it.",
        {"clear and invalidate a reservation": "gate is closed"},
    ),
    "link by a loser": Mistake(
        "A thread that finds the entry dead at its compare-and-swap stores a link as well.",
        {"stored and removed": USE},
    ),
    "retire without shares": Mistake(
        "The thread that takes an entry out of the tables retires it at once.",
        {"fill and invalidate": USE, "evict and invalidate": USE, "clear and evict": USE},
    ),
    "migrator without shares": Mistake(
        "A migrator does not give up the share of the tables when it unlinks what was left to it.",
        {"move and invalidate": LEAK, "move and fail": LEAK},
    ),
    # The maintenance.
    "no lock of the lists": Mistake(
        "A thread handles events though another one holds the lock.",
        {"evict and evict": "the queue has 2"},
    ),
    "no second look": Mistake(
        "The holder does not look at the stacks after its unlock.",
        {"stored and removed": LEFT},
    ),
    "maintenance afterwards": Mistake(
        "A thread that has pushed an entry computes or waits before the maintenance.",
        {"expired": LEFT},
    ),
    "forget removed": Mistake(
        "A removal whose entry the lists do not know yet is not remembered.",
        {"stored and removed": LEAK},
    ),
    "leave in the queue": Mistake(
        "A removed entry stays in the queue.", {"evict and invalidate": "dead, and in the queue"}
    ),
    "link afterwards": Mistake(
        "The holder gives up the share of a removed entry, and then loads its link.",
        {"stored and removed": USE},
    ),
    # Victims.
    "unpinned maintenance": Mistake(
        "The holder is not pinned when it chooses victims, and pins itself to remove them.",
        {"clear and evict": "victim in no list"},
    ),
    "victim unlinked later": Mistake(
        "The holder makes a victim dead, and unlinks it under a later pin.",
        {"clear and evict": "gate is closed"},
    ),
    "victim without a share": Mistake(
        "A victim gets no share while it is in no list and may be removed.",
        {"evict and invalidate": USE},
    ),
    "victim that was removed": Mistake(
        "The share of the lists is given up for a victim though a removal was faster.",
        {"evict and invalidate": USE},
    ),
    "share of a clear": Mistake(
        "The share of the tables is given up for a victim that no slot names.",
        {"clear and evict": USE},
    ),
    # Clear.
    "shares before death": Mistake(
        "A clear gives up the share of an entry, and then makes it dead.",
        {"clear and fail": USE, "without a policy": USE},
    ),
    "clear without the gate": Mistake(
        "A clear does not wait for the writers that are pinned.",
        {"clear and fill": LOST},
    ),
}
