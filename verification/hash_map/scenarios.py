# SPDX-License-Identifier: Apache-2.0
"""The scenarios of the hash table: a few threads with a call or two, in a dict in some state."""

from __future__ import annotations

import random
from typing import NamedTuple

from .state import Config, Op


class Scenario(NamedTuple):
    """Some threads with a few calls each, and what their meeting is about."""

    about: str
    cfg: Config
    long: bool = False  # takes a minute and a gigabyte


def get(key: int, slow: bool = False) -> Op:
    """The value of a key, or its absence."""
    return Op("get", key, slow=slow)


def set_(key: int, value: int, slow: bool = False) -> Op:
    """Insert or update."""
    return Op("set", key, value, slow=slow)


def insert(key: int, value: int, slow: bool = False) -> Op:
    """Insert, unless the key is there."""
    return Op("insert", key, value, slow=slow)


def delete(key: int, slow: bool = False) -> Op:
    """Delete a key if it is there."""
    return Op("delete", key, slow=slow)


def cas(key: int, expected: int, updated: int) -> Op:
    """Replace one value by another."""
    return Op("cas", key, updated, expected)


def resize(size: int) -> Op:
    """Publish a next table, if there is none."""
    return Op("resize", value=size)


def migrate(size: int) -> Op:
    """Publish a next table, if there is none, and move every chunk that is free."""
    return Op("migrate", value=size)


def append(size: int) -> Op:
    """Publish a table behind the last one."""
    return Op("append", value=size)


HELP, POPITEM, CLEAR, LEN, ITERATE = map(Op, ("help", "popitem", "clear", "len", "iterate"))

HERE = (insert(0, 1),)  # k0 is there
MOVING = (insert(0, 1), resize(2))  # ... and its table is about to be emptied
SPREAD = (0, 2)  # hashes whose homes differ

SCENARIOS: dict[str, Scenario] = {
    "insert and insert": Scenario(
        "Two threads insert one key; a third looks for it.",
        Config(((set_(0, 1),), (insert(0, 2), delete(0)), (get(0), get(0)))),
    ),
    "update and delete": Scenario(
        "A value is updated, compared and set, and deleted.",
        Config(((set_(0, 2), delete(0)), (cas(0, 1, 3), set_(0, 4)), (get(0), get(0))), setup=HERE),
    ),
    "full path": Scenario(
        "Two keys have one home. The path is full of tombstones, and the next table is made.",
        Config(
            ((set_(1, 2), delete(1)), (delete(0), insert(0, 3)), (get(1), get(0))),
            setup=HERE,
        ),
    ),
    "delete and move": Scenario(
        "A key is deleted and inserted again while it is moved.",
        Config(((migrate(2),), (delete(0), insert(0, 2)), (get(0),)), setup=MOVING),
    ),
    "update and move": Scenario(
        "A key is updated and compared and set while it is moved, and read.",
        Config(((HELP, HELP), (set_(0, 2), cas(0, 2, 3)), (get(0), get(0))), setup=MOVING),
    ),
    "insert and move": Scenario(
        "A key is inserted into a table that is being emptied, by two threads.",
        Config(((migrate(2),), (insert(0, 1),), (insert(0, 2), get(0)))),
    ),
    "insert and help": Scenario(
        "An insertion meets a helper that freezes its slot, beside a key of the same home.",
        Config(((HELP,), (set_(1, 1),), (set_(1, 2), get(1))), setup=MOVING),
    ),
    "two migrators": Scenario(
        "Two threads empty a table, a chunk each, while a key is deleted.",
        Config(((migrate(4),), (migrate(4),), (delete(0),)), setup=(*HERE, insert(1, 2))),
        long=True,
    ),
    "two migrators and an insertion": Scenario(
        "Two threads empty a table of two keys; one key is deleted and inserted again.",
        Config(
            ((HELP, HELP), (HELP, HELP), (delete(0), insert(0, 3))),
            setup=(*HERE, insert(1, 2), resize(4)),
        ),
    ),
    "two in one chunk": Scenario(
        "Two keys in one chunk are deleted while it is emptied, and one is inserted again.",
        Config(
            ((HELP,), (delete(0), insert(0, 3)), (delete(1), get(0))),
            chunk=2,
            setup=(*HERE, insert(1, 2), resize(2)),
        ),
    ),
    "migrators of two tables": Scenario(
        "The next table has a next one itself; the key is deleted and read meanwhile.",
        Config(
            ((migrate(1),), (resize(1), HELP), (delete(0), get(0))),
            size=1,
            setup=(insert(0, 1), resize(1)),
        ),
    ),
    "chain of three": Scenario(
        "A table is emptied into one that has a next one itself; two threads help all the way.",
        Config(
            ((HELP, HELP), (HELP, HELP), (delete(0), get(0))),
            size=1,
            setup=(insert(0, 1), resize(1), insert(1, 1), delete(1), insert(1, 2)),
        ),
    ),
    "appended early": Scenario(
        "The next table gets a next one before it is full; two threads help.",
        Config(
            ((HELP,), (append(1), delete(0), HELP), (get(0),)),
            size=1,
            setup=(insert(0, 1), resize(2)),
        ),
    ),
    "appended and set": Scenario(
        "The next table gets a next one before it is full, while a key is inserted and read.",
        Config(
            ((migrate(2),), (append(2), set_(1, 2)), (set_(1, 3), get(1))),
            size=1,
            setup=(insert(0, 1), resize(2)),
        ),
    ),
    "crowded chain": Scenario(
        "Two keys are moved while the next table is full and the one after it takes a key.",
        Config(
            ((migrate(1),), (delete(0), set_(0, 5)), (get(1), get(0))),
            size=1,
            setup=(insert(0, 1), resize(1), insert(1, 1)),
        ),
    ),
    "three helpers": Scenario(
        "Two threads empty a full table while its key is deleted and inserted again.",
        Config(
            ((migrate(1),), (HELP, HELP), (delete(0), insert(0, 3))),
            size=1,
            setup=(insert(0, 1), resize(1)),
        ),
    ),
    "no room": Scenario(
        "A migrator finds the next table full, cannot make another, and gives up.",
        Config(
            ((HELP,), (delete(0),), (HELP, get(0))),
            size=1,
            setup=(insert(0, 1), resize(1), insert(1, 1)),
            memory=False,
        ),
    ),
    "no room for the second": Scenario(
        "A migrator gives up in the middle of a chunk of two slots; the chunk is taken up again.",
        Config(
            ((HELP,), (delete(0), delete(1)), (HELP, get(1))),
            chunk=2,
            setup=(insert(0, 1), insert(1, 1), resize(1)),
            memory=False,
        ),
    ),
    "history of a move": Scenario(
        "Every history of a key that is moved is linearizable, whatever the ghosts say.",
        Config(((HELP,), (set_(0, 2),), (delete(0), get(0))), setup=MOVING, history=True),
    ),
    "history of a clear": Scenario(
        "Every history of two keys under a clear is linearizable, whatever the ghosts say.",
        Config(
            ((CLEAR, get(0)), (set_(0, 2),), (set_(1, 3), get(0))),
            setup=HERE,
            history=True,
        ),
    ),
    "history of insertions": Scenario(
        "Every history of insertions into a table that is emptied is linearizable.",
        Config(
            ((HELP,), (insert(0, 1), delete(0)), (set_(0, 2),)),
            size=1,
            setup=(resize(1),),
            history=True,
        ),
    ),
    "popitem and move": Scenario(
        "popitem finds its node by a scan of all tables, while it is moved and read.",
        Config(((HELP, HELP), (POPITEM,), (get(0), get(0))), setup=MOVING),
    ),
    "popitem and set": Scenario(
        "popitem empties a dict that is moved, and in which a key is updated.",
        Config(((POPITEM, POPITEM), (set_(0, 2),), (migrate(2),)), setup=(*MOVING, insert(1, 1))),
    ),
    "popitem and popitem": Scenario(
        "Two threads pop, a third inserts.",
        Config(((POPITEM,), (POPITEM,), (set_(0, 3), set_(1, 4))), setup=HERE, hashes=SPREAD),
    ),
    "read and reclaim": Scenario(
        "A node and a table are retired while readers come and go.",
        Config(((delete(0), migrate(1)), (get(0), get(0)), (get(0),)), setup=HERE),
    ),
    "slow comparison": Scenario(
        "Keys are compared outside the pin, while they are deleted, inserted and moved.",
        Config(
            ((get(0, slow=True),), (delete(0), set_(0, 2)), (migrate(2),)),
            setup=(insert(1, 1), insert(0, 1)),
        ),
    ),
    "slow insertion": Scenario(
        "Two insertions of one key, which compare outside the pin; the first table is emptied.",
        Config(
            ((insert(1, 2, slow=True),), (set_(1, 3, slow=True),), (migrate(2),)),
            setup=HERE,
        ),
    ),
    "slow deletion": Scenario(
        "A deletion that compares outside the pin meets another one and an insertion.",
        Config(
            ((delete(0, slow=True),), (delete(0), insert(0, 3)), (migrate(2),)),
            setup=(insert(1, 1), insert(0, 2)),
        ),
    ),
    "reused addresses": Scenario(
        "During a slow comparison the dict is cleared twice, so table and node come back.",
        Config(
            ((get(0, slow=True),), (CLEAR, CLEAR, set_(1, 7))),
            setup=HERE,
            size=1,
            reuse=True,
        ),
    ),
    "reused after moves": Scenario(
        "During a slow comparison the dict is migrated twice, so the table's address comes back.",
        Config(
            ((delete(0, slow=True),), (delete(0), migrate(1), migrate(1), set_(1, 7))),
            setup=HERE,
            size=1,
            reuse=True,
        ),
    ),
    "clear and insert": Scenario(
        "The dict is cleared under insertions and deletions.",
        Config(((CLEAR, get(0)), (set_(0, 2), get(0)), (delete(0), insert(0, 3))), setup=HERE),
    ),
    "clear and move": Scenario(
        "The dict is cleared while its table is emptied and a key deleted.",
        Config(((CLEAR,), (migrate(2),), (delete(0), get(0))), setup=MOVING),
    ),
    "clear and compare": Scenario(
        "The dict is cleared and moved during a slow comparison, and addresses are reused.",
        Config(
            ((delete(0, slow=True),), (CLEAR, insert(0, 5)), (migrate(2),)),
            setup=(insert(1, 1), insert(0, 1)),
            reuse=True,
        ),
    ),
    "exact length": Scenario(
        "A length is taken while keys are inserted and deleted.",
        Config(((LEN,), (insert(0, 1), delete(0)), (insert(1, 1),)), hashes=SPREAD, counting=True),
    ),
    "length of one key": Scenario(
        "A length is taken while one key changes hands.",
        Config(((LEN, LEN), (delete(0),), (insert(0, 3),)), setup=HERE, counting=True),
    ),
    "two lengths": Scenario(
        "Two threads close the gate.",
        Config(((LEN,), (LEN,), (delete(0), insert(0, 2))), setup=HERE, counting=True),
    ),
    "length and clear": Scenario(
        "A length is taken while the dict is cleared and filled.",
        Config(
            ((LEN,), (CLEAR, insert(0, 1)), (insert(1, 1),)),
            setup=HERE,
            hashes=SPREAD,
            counting=True,
        ),
    ),
    "length and move": Scenario(
        "A length is taken while a table is emptied, and keys come and go.",
        Config(((LEN,), (delete(0), insert(1, 2)), (migrate(2),)), setup=HERE, counting=True),
    ),
    "iterate and insert again": Scenario(
        "A key is deleted and inserted again during an iteration, beside one that stays.",
        Config(((ITERATE,), (delete(0), insert(0, 2))), size=4, setup=(*HERE, insert(1, 1))),
    ),
    "iterate and move": Scenario(
        "The table is emptied into a larger one during an iteration.",
        Config(
            ((ITERATE,), (migrate(4),), (delete(0), insert(0, 2))),
            setup=(*HERE, insert(1, 1)),
            hashes=SPREAD,
        ),
    ),
    "iterate and clear": Scenario(
        "The dict is cleared and filled during an iteration, while its table is moved.",
        Config(((ITERATE,), (CLEAR, insert(0, 5)), (migrate(2),)), setup=(*HERE, insert(1, 1))),
    ),
    "iterate and shrink": Scenario(
        "The table is emptied into a smaller one, and that into another, during an iteration.",
        Config(
            ((ITERATE,), (migrate(1), migrate(2)), (set_(0, 5),)),
            setup=(*HERE, insert(1, 1)),
            hashes=(1, 2),
        ),
    ),
    "collection and move": Scenario(
        "The garbage collector stops the world in the middle of a migration.",
        Config(
            ((HELP,), (HELP, delete(0)), (insert(1, 1), HELP)),
            setup=MOVING,
            hashes=SPREAD,
            collections=1,
        ),
    ),
    "collection and comparison": Scenario(
        "The garbage collector stops the world during a slow comparison.",
        Config(
            ((delete(0, slow=True),), (HELP, HELP), (delete(0),)),
            setup=MOVING,
            collections=1,
        ),
    ),
}


def draw(draws: random.Random) -> Config:
    """A scenario at random: two or three threads with one or two calls each."""
    counting = draws.random() < 0.3
    collections = int(draws.random() < 0.3)

    def call(slow: bool) -> Op:
        key, value = draws.randrange(2), draws.randrange(2, 9)
        table = draws.choice((1, 2, 4))
        calls = [get(key, slow), set_(key, value, slow), insert(key, value, slow)]
        calls += [delete(key, slow)] * 2 + [cas(key, 1, value), POPITEM, CLEAR, ITERATE]
        calls += [resize(table), append(table), HELP, HELP, migrate(table)]
        return draws.choice([*calls, LEN] if counting else calls)

    threads = draws.choice((2, 2, 3))
    programs = tuple(
        tuple(call(draws.random() < 0.2) for _ in range(draws.choice((1, 2)) + (threads == 2)))
        for _ in range(threads)
    )
    setup = [insert(0, 1), insert(1, 1), resize(draws.choice((1, 2, 4))), HELP, delete(0)]
    setup = [op for op in setup if draws.random() < 0.5]
    return Config(
        programs,
        hashes=draws.choice(((0, 0), (0, 1), (0, 2), (3, 0))),
        size=draws.choice((1, 2, 2)),
        chunk=draws.choice((1, 1, 2)),
        setup=tuple(setup),
        memory=draws.random() < 0.7,
        reuse=draws.random() < 0.3,
        collections=collections,
        counting=counting,
    )
