# SPDX-License-Identifier: Apache-2.0
"""Explores a scenario of the hash table: its steps, what must hold in the end, and traces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..search import Search, State, ViolationError, search
from . import exact, migration, scan, update  # noqa: F401  their steps
from .guard import SETTLE, WAITS_UNTIL, begin
from .history import linearizable
from .state import ALIVE, NOWHERE, RETIRED, Config, Op, Step, Thread, World

COLLECTOR = -1
SETTLED_AFTER = 1000


class Result(NamedTuple):
    """What an exploration found; `trace` leads to the violation."""

    states: int
    steps: int
    ends: int
    seconds: float
    violation: str | None
    trace: list[str]
    taken: frozenset[str]  # the names of the steps


def explore(cfg: Config, limit: int = 5_000_000) -> Result:
    """Visits all states that can be reached, until one violates a promise."""
    settled: set[State] = set()
    taken: set[Step] = set()

    def take(state: State, actor: int) -> State:
        if actor != COLLECTOR:
            taken.add(state[-1][actor][1])
        return step(cfg, state, actor)

    found = search(
        set_up(cfg),
        lambda state: enabled(cfg, state),
        take,
        lambda state: check_end(cfg, state, settled),
        limit,
    )
    names = frozenset(pc.__name__ for pc in taken)
    trace = trace_of(cfg, found) if found.violation else []
    return Result(
        found.states, found.steps, found.ends, found.seconds, found.violation, trace, names
    )


# -- one step --------------------------------------------------------------------------------------


def enabled(cfg: Config, state: State) -> list[int]:
    """The threads that can take a step, by number, and the collector."""
    w = World(cfg, state)
    actors: list[int] = []
    for me, packed in enumerate(w.threads):
        pc, op = packed[1], packed[2]
        if pc is begin and not 0 <= op < len(cfg.programs[me]):
            continue
        condition = WAITS_UNTIL.get(pc)
        if condition is None or condition(w, Thread(packed)):
            actors.append(me)
    if w.collections and actors and exact.world_can_stop(w):
        actors.append(COLLECTOR)
    return actors


def step(cfg: Config, state: State, actor: int) -> State:
    """Lets a thread or the collector take its step."""
    w = World(cfg, state)
    if actor == COLLECTOR:
        exact.collect_garbage(w)
    else:
        t = Thread(w.threads[actor])
        t.pc = t.pc(w, t)
        w.threads = (*w.threads[:actor], Thread.pack(t), *w.threads[actor + 1 :])
    packed: State = World.pack(w)
    return packed


def run_alone(cfg: Config, state: State, op: int) -> State:
    """Lets thread 0 do one call while nobody else does anything."""
    w = World(cfg, state)
    w.threads = (Thread.fresh(0, begin, op), *w.threads[1:])
    state = World.pack(w)
    for _ in range(SETTLED_AFTER):
        state = step(cfg, state, 0)
        if World(cfg, state).threads[0][1] is begin:
            return state
    raise ViolationError("one thread alone does not come to an end")


def set_up(cfg: Config) -> State:
    """The state in which the threads start."""
    n = len(cfg.programs)
    alone = cfg._replace(
        programs=(cfg.setup, *cfg.programs[1:]), mistakes=frozenset(), memory=True, history=False
    )
    state = World.initial(alone, begin)
    for op in range(len(cfg.setup)):
        state = run_alone(alone, state, op)
    w = World(cfg, state)
    w.threads = tuple(Thread.fresh(me, begin, 0) for me in range(n))
    w.history = ()
    packed: State = World.pack(w)
    return packed


# -- what must hold in the end ---------------------------------------------------------------------


def check_end(cfg: Config, state: State, settled: set[State]) -> None:
    """All calls have returned, or nobody can go on."""
    w = World(cfg, state)
    for me, packed in enumerate(w.threads):
        if packed[1] is not begin:
            raise ViolationError(f"T{me} waits forever in {packed[1].__name__}")
    if any(w.pinned) or w.closer != NOWHERE:
        raise ViolationError("all calls have returned, and a thread is pinned or the gate closed")
    check_contents(w)
    if cfg.history and not linearizable(cfg, w.history):
        raise ViolationError("no order of the calls explains what they returned")
    # What the last calls have left is done by the next one: it migrates, and frees what waits.
    shared = state[:-1]
    if shared in settled:
        return
    settled.add(shared)
    w = World(cfg, run_alone(cfg, state, SETTLE_INDEX))
    check_contents(w)
    if w.table(w.root).next != NOWHERE:
        raise ViolationError("a table can never be emptied: a chunk of it stays claimed or moving")
    check_memory(w)


SETTLE_INDEX = -1  # of the call `SETTLE`


def named_nodes(w: World) -> Iterator[int]:
    """The nodes in NODE slots, from the root on."""
    address = w.root
    while address != NOWHERE:
        table = w.table(address)
        for state, node in table.slots:
            if state == "MOVING":
                raise ViolationError(f"all calls have returned, and n{node} is still MOVING")
            if state == "NODE":
                yield node
        address = table.next


def check_contents(w: World) -> None:
    """Every key that is present has one node, which is alive, and nothing else is in a table."""
    found: dict[int, int | None] = {}
    for address in named_nodes(w):
        node = w.node(address)
        if node.value is None:
            raise ViolationError(f"n{address} is dead, and nobody will unlink it")
        if node.key in found:
            raise ViolationError(f"k{node.key} has two live nodes")
        found[node.key] = node.value
    expected = {key: value for key, value in enumerate(w.ghost[-1]) if value is not None}
    if found != expected:
        raise ViolationError(f"the tables hold {found} where it should be {expected}")


def check_memory(w: World) -> None:
    """One table remains, and the nodes in it."""
    if w.waiting:
        raise ViolationError("a retired list waits, though nobody is pinned")
    tables = [address for address, table in enumerate(w.tables) if table.status == ALIVE]
    if tables != [w.root]:
        raise ViolationError(f"tables {tables} are left over beside the root t{w.root}")
    nodes = {address for address, node in enumerate(w.nodes) if node.status == ALIVE}
    leaked = nodes - set(named_nodes(w))
    statuses = [node.status for node in w.nodes] + [table.status for table in w.tables]
    if leaked or RETIRED in statuses:
        raise ViolationError(f"nodes {sorted(leaked)} are neither in the table nor freed")


# -- traces ----------------------------------------------------------------------------------------


def trace_of(cfg: Config, found: Search) -> list[str]:
    """The steps that lead to a violation, and the one that fails there."""
    after = [state for state, _ in found.path[1:]] + [found.last]
    lines = [
        describe(cfg, before, actor, then)
        for (before, actor), then in zip(found.path, after, strict=True)
    ]
    if found.failing is not None:
        lines.append(f"{_who(cfg, found.last, found.failing)}  ← here")
    return lines


def describe(cfg: Config, before: State, actor: int, after: State) -> str:
    """One line for a step: the thread, the step, and what changed in memory."""
    old, new = World(cfg, before), World(cfg, after)
    changes = list(_changes(old, new))
    return f"{_who(cfg, before, actor)}  {'; '.join(changes)}".rstrip()


def _who(cfg: Config, state: State, actor: int) -> str:
    if actor == COLLECTOR:
        return f"{'GC':3}{'':16}{'stop the world':22}"
    t = Thread(World(cfg, state).threads[actor])
    op = SETTLE if t.op == -1 else cfg.programs[actor][t.op]
    return f"T{actor:<2}{call(op):16}{t.pc.__name__:22}"


def call(op: Op) -> str:
    """A call as one would write it."""
    arguments = [f"k{op.key}"] if op.kind in ("get", "set", "insert", "delete", "cas") else []
    arguments += [str(number) for number in (op.expected, op.value) if number is not None]
    return f"{op.kind}({', '.join(arguments)})"


def _changes(old: World, new: World) -> Iterator[str]:
    for address, table in enumerate(new.tables):
        was = old.tables[address] if address < len(old.tables) else None
        if was is None or was.generation != table.generation:
            yield f"new table t{address} of {len(table.slots)}"
            continue
        for index, (before, after) in enumerate(zip(was.slots, table.slots, strict=True)):
            if before != after:
                yield f"t{address}[{index}] {_slot(before)} → {_slot(after)}"
        for chunk, (left, right) in enumerate(zip(was.chunks, table.chunks, strict=True)):
            if left != right:
                yield f"t{address} chunk {chunk} {right}"
        if was.filter != table.filter:
            yield f"t{address} has h{', h'.join(map(str, sorted(table.filter - was.filter)))}"
        if was.deferred_unlinks != table.deferred_unlinks:
            yield f"t{address}.deferred_unlinks = {table.deferred_unlinks}"
        if was.chunk_was_returned != table.chunk_was_returned:
            yield f"t{address}.chunk_was_returned"
        if was.next != table.next:
            yield f"t{address}.next = t{table.next}"
        if was.status != table.status:
            yield f"t{address} is {table.status}"
    for address, node in enumerate(new.nodes):
        former = old.nodes[address] if address < len(old.nodes) else None
        if former is None or (former.status != node.status and node.status == ALIVE):
            yield f"new node n{address} {{k{node.key}: {node.value}}}"
        elif former.status != node.status:
            yield f"n{address} is {node.status}"
        elif former.value != node.value:
            yield f"n{address}.value {former.value} → {node.value}"
    if old.root != new.root:
        yield f"root = t{new.root}"
    for me, (how, now) in enumerate(zip(old.pinned, new.pinned, strict=True)):
        if how != now:
            yield f"T{me} is {'pinned' if now else 'unpinned'}"
    if old.closer != new.closer:
        yield "the gate is " + ("open" if new.closer == NOWHERE else "closed")
    for waits, items in new.waiting:
        if (waits, items) not in old.waiting:
            others = ", ".join(f"T{i}" for i in range(len(new.threads)) if waits >> i & 1)
            names = ", ".join(f"{kind} {kind[0].replace('c', 't')}{a}" for kind, a in items)
            yield f"{names} waits for {others}"


def _slot(slot: tuple[str, int]) -> str:
    return slot[0] if slot[1] == NOWHERE else f"{slot[0]}(n{slot[1]})"
