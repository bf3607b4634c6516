# SPDX-License-Identifier: Apache-2.0
"""The mistakes of the reclaimer, and for each the scenarios in which it shows."""

from __future__ import annotations

from ..search import Mistake

USE, ALONE, FORGOTTEN, TWICE = "use after free", "while", "nobody will free", "freed twice"

MISTAKES: dict[str, Mistake] = {
    # Pins and the mark.
    "no look at the mark": Mistake(
        "A thread pins, and does not look whether its participant is marked dormant.",
        {"dormant and read": USE, "a dormant writer": ALONE},
    ),
    "look before the pin": Mistake(
        "A thread looks at the mark, and then pins.", {"dormant and read": USE}
    ),
    "link after the load": Mistake(
        "A thread links its participant again after it has loaded something.",
        {"all dormant": USE, "two dormant writers": ALONE},
    ),
    "no link": Mistake(
        "A thread that sees the mark clears it, and does not link its participant.",
        {"all dormant": USE},
    ),
    "no lock": Mistake(
        "Participants are linked again without the lock.",
        {"all dormant": USE, "dormant and read": USE},
    ),
    "head before next": Mistake(
        "A participant is stored into the head of the list before its `next` is stored.",
        {"first read of a thread": USE},
    ),
    # tidy().
    "note by a store": Mistake(
        "A pass stores the note that a participant is unused, instead of a compare-and-swap.",
        {"two passes and a read": USE},
    ),
    "mark after the look": Mistake(
        "A pass looks at the state, unlinks the participant and then sets the mark.",
        {"dormant and read": USE},
    ),
    "unlink without a look": Mistake(
        "A pass sets the mark and unlinks the participant, without a look at the state in between.",
        {"dormant and read": USE},
    ),
    "forget next": Mistake(
        "A participant that is unlinked does not keep its `next`.",
        {"unlinked during a scan": USE},
    ),
    "end at the own participant": Mistake(
        "A scan that began behind its own participant goes on to the head when it meets it again.",
        {"unlinked during a scan": USE},
    ),
    # free_everything().
    "advance first": Mistake(
        "The epoch is advanced before the lists are taken.", {"free everything": USE}
    ),
    "wait for older epochs only": Mistake(
        "free_everything() does not wait for a thread that is pinned with the epoch of the tag.",
        {"wait for readers": USE},
    ),
    "wait while pinned": Mistake(
        "A thread is pinned while it waits for others in free_everything().",
        {"two free everything": "waits forever"},
    ),
    "wait without holding": Mistake(
        "A thread waits in free_everything() with the items in no list.",
        {"fork and free": FORGOTTEN},
    ),
    "trust what is held": Mistake(
        "What another thread holds is freed at once, as if that thread had waited.",
        {"free what another holds": USE},
    ),
    "free while it is held": Mistake(
        "What a thread holds is freed first, and taken out of the list afterwards.",
        {"free what another holds": TWICE},
    ),
    "overwrite what is held": Mistake(
        "A call in a finalizer holds its items without taking what the outer call holds.",
        {"a finalizer frees everything": FORGOTTEN},
    ),
    # The littered list.
    "clear the mark afterwards": Mistake(
        "The mark of a littered participant is cleared after its lists were taken.",
        {"free everything": FORGOTTEN},
    ),
    "next after the mark": Mistake(
        "The link of a littered participant is loaded after its mark was cleared.",
        {"litter of two threads": FORGOTTEN},
    ),
    "no note after the bag": Mistake(
        "A thread that has filled a bag does not put its participant into the littered list.",
        {"bags and everything": FORGOTTEN},
    ),
    # Bags.
    "free the same epoch": Mistake(
        "A bag is freed when the oldest thread that is pinned has the epoch of its tag.",
        {"bags": USE},
    ),
    "tag before the removal": Mistake(
        "The tag of a bag is loaded before the items in it are removed.",
        {"bags and everything": USE},
    ),
    # retire().
    "take orphans after the scan": Mistake(
        "A thread that removes something takes the orphans after the scan.",
        {"left for all": USE},
    ),
    "free for another": Mistake(
        "A migrator frees what another thread has removed.", {"left for all": "removes nothing"}
    ),
    "free before taking": Mistake(
        "A removed item is freed before what waits is taken, so that its finalizer may add to it.",
        {"a finalizer removes": USE},
    ),
    # A fork.
    "keep the lock": Mistake(
        "The child of a fork does not release the lock of the lists.",
        {"fork at the end of a thread": "the lock is held"},
    ),
    "leave it to the others": Mistake(
        "The child of a fork does not take what threads have left that it lacks.",
        {"fork and free": FORGOTTEN},
    ),
    # The gate.
    "name the map after the gate": Mistake(
        "A writer says which map it writes to after it has looked at the gate.",
        {"a writer of two maps": ALONE},
    ),
}
