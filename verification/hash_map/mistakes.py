# SPDX-License-Identifier: Apache-2.0
"""The mistakes of the hash table, and for each the scenarios in which it shows."""

from __future__ import annotations

from ..search import Mistake

MISTAKES: dict[str, Mistake] = {
    # Between pin and unpin a thread calls nothing that can detach it or run Python.
    "decref while pinned": Mistake(
        "The old value is released between pin and unpin, where its __del__ can run.",
        {"collection and move": "stopped while", "no room": "use after free"},
    ),
    # One unlink, for every kind of delete.
    "own unlink": Mistake(
        "popitem takes its node out of the one slot in which it found it.",
        {"popitem and move": "use after free"},
    ),
    "tomb a moving slot": Mistake(
        "An unlink does not stop at MOVING, though the migrator is about to insert the node.",
        {"delete and move": "use after free"},
    ),
    "retire while reachable": Mistake(
        "A node is retired before the MOVED slots of earlier tables are cleared.",
        {"popitem and move": "use after free", "delete and move": "use after free"},
    ),
    "no deferred unlink": Mistake(
        "An unlink that stops at MOVING does not add to deferred_unlinks.",
        {"delete and move": "nobody will unlink"},
    ),
    "no look after deferring": Mistake(
        "An unlink adds to deferred_unlinks, and does not look at the slot again.",
        {"delete and move": "nobody will unlink"},
    ),
    # Moving.
    "no recheck": Mistake(
        "A migrator that is done with a chunk does not recheck it.",
        {"delete and move": "nobody will unlink"},
    ),
    "recheck only if deferred": Mistake(
        "A migrator of a chunk that was returned rechecks it only if deferred_unlinks has changed.",
        {"no room": "nobody will unlink"},
    ),
    "chunk done early": Mistake(
        "A chunk counts as done though a freeze was lost to an insertion.",
        {"insert and move": "absent at an instant when it is"},
    ),
    "leave slot moving": Mistake(
        "A migrator that finds no room leaves the slot MOVING.",
        {"no room": "absent at an instant when it is"},
    ),
    "no recheck without room": Mistake(
        "A migrator that finds no room does not recheck its chunk.",
        {"no room": "nobody will unlink"},
    ),
    "return chunk unmarked": Mistake(
        "A migrator that finds no room returns the chunk before it says that one was returned.",
        {"no room": "nobody will unlink"},
    ),
    "keep chunk": Mistake(
        "A migrator that finds no room does not return the chunk.",
        {"no room": "never be emptied"},
    ),
    # The filter.
    "insert into filter afterwards": Mistake(
        "An insertion puts the hash into the filter after it has claimed the slot.",
        {"insert and insert": "absent at an instant when it is"},
    ),
    "move without filter": Mistake(
        "A migrator does not put the hash of a node into the filter of the next table.",
        {"update and move": "absent at an instant when it is"},
    ),
    "trust the filter alone": Mistake(
        "A get that finds nothing in the filter does not look for a next table.",
        {"insert and move": "absent at an instant when it is"},
    ),
    # Probing.
    "insert before freeze": Mistake(
        "A key is inserted into the next table while its path in this one still ends in EMPTY.",
        {"insert and move": "absent at an instant when it is"},
    ),
    "reuse tombstone": Mistake(
        "A key is inserted over a tombstone.",
        {"insert and insert": "absent at an instant", "full path": "absent at an instant"},
    ),
    "compare addresses": Mistake(
        "After a comparison outside the pin, tables are told apart by address.",
        {"reused addresses": "it is absent", "reused after moves": "it is absent"},
    ),
    # Reclamation.
    "sample before unlink": Mistake(
        "The pins that a retired list waits for are read before its node is unlinked.",
        {"read and reclaim": "use after free"},
    ),
    "pin without fence": Mistake(
        "The root is loaded before the pin can be seen.",
        {"read and reclaim": "use after free"},
    ),
    "enumerate at the clear": Mistake(
        "clear() retires the tables and nodes that it finds, not what the chain will have become.",
        {"clear and insert": "retired twice"},
    ),
    # All keys at once.
    "count twice": Mistake(
        "The counters are added up until two sums are equal, and no gate is closed.",
        {"exact length": "len() returns 0"},
    ),
    "look at gate before pin": Mistake(
        "A writer looks at the gate, and then pins.",
        {"exact length": "len() returns"},
    ),
    "iterate over the dead": Mistake(
        "An iterator returns the keys of the nodes that it noted, though they are dead by now.",
        {"iterate and insert again": "absent throughout"},
    ),
    "traverse moved": Mistake(
        "The garbage collector visits the nodes of MOVED slots, too.",
        {"collection and move": "2 times"},
    ),
}
