# SPDX-License-Identifier: Apache-2.0
"""Programs that once crashed: whatever keys and finalizers do, the process lives on.

Each runs in a process of its own. Its checks look for what is left when it does not crash.
"""

from __future__ import annotations

import pytest

from tools.testing.interpreters import run_program

pytestmark = pytest.mark.thread_unsafe(reason="starts processes")

# ── comparisons that change the dict ───────────────────────────────────────────────────────────

INSERT = """
    import threading, time
    from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict
    class Key:
        # One of many of the same hash, that act when they are compared.
        def __init__(self, act=None):
            self.act = act
        def __hash__(self):
            return 1
        def __eq__(self, other):
            if self.act:
                self.act()
            return False
    insertions = {
        "[]=": lambda d, key, value: d.__setitem__(key, value),
        "setdefault": lambda d, key, value: d.setdefault(key, value),
        "update": lambda d, key, value: d.update([(key, value)]),
        "compare_and_set": lambda d, key, value: d.compare_and_set(key, NOT_FOUND, value),
        "compare_and_set any": lambda d, key, value: d.compare_and_set(key, ANY, value),
    }
"""


def test_a_key_that_a_comparison_inserts_is_not_mixed_up_with_the_inserted_one() -> None:
    run_program(
        INSERT
        + """
    for name, insert in insertions.items():
        for make_other in (AtomicDict, lambda: d):
            d = AtomicDict()
            other = make_other()
            inner = []
            def act():
                inner.append(object())
                other[inner[-1]] = inner[-1]
            first, second = Key(act), Key()
            insert(d, first, "first")
            insert(d, second, "second")
            assert inner, name
            expected = {first: "first", second: "second"}
            first.act = None
            if other is d:
                expected.update((key, key) for key in inner)
            else:
                assert dict(other) == {key: key for key in inner}, name
            assert dict(d) == expected, name
            assert len(d) == len(expected), name
            assert [d[key] for key in expected] == [*expected.values()], name
    """
    )


def test_another_thread_may_insert_while_a_comparison_takes_its_time() -> None:
    run_program(
        INSERT
        + """
    for name, insert in insertions.items():
        d, other = AtomicDict(), AtomicDict()
        count = 0
        stop = threading.Event()
        def work():
            global count
            while not stop.is_set():
                other[count] = count
                count += 1
                if count % 10 == 0:
                    time.sleep(0.0001)
        def act():
            begun = count
            while count < begun + 10:
                time.sleep(0.001)
        first, second = Key(act), Key()
        insert(d, first, "first")
        thread = threading.Thread(target=work)
        thread.start()
        try:
            insert(d, second, "second")
        finally:
            stop.set()
            thread.join()
        first.act = None
        assert dict(d) == {first: "first", second: "second"}, name
        assert dict(other) == {number: number for number in range(count)}, name
    """
    )


# ── hashes that change, and tables that come and go ────────────────────────────────────────────

# Keys whose home slot can be chosen: its group is at the top of the mixed hash, its place in the
# group at the bottom.
PLACED = """
    import random, sys
    from cereggii_atomicdict import AtomicDict
    def unmixed(mixed):
        # The hash which src/map/key.hpp mixes to this.
        shifted = (mixed >> 3) * pow(0x9E3779B97F4A7C18 >> 3, -1, 2**61) % 2**61
        x = shifted
        for _ in range(64 // 4):
            x = shifted ^ x >> 4 ^ x >> 9 ^ x >> 17 ^ x >> 31
        unmixed = x << 3 | (mixed ^ shifted) & 7
        return unmixed - 2**64 if unmixed >> 63 else unmixed
    class Placed:
        def __init__(self, mixed):
            self.hash = unmixed(mixed)
        def __hash__(self):
            return self.hash
        def move(self, mixed):
            self.hash = unmixed(mixed)
    def at(place, size, low=1):
        # Keys of one `low` have the same fingerprint.
        group, slot = divmod(place, 8)
        return group * 8 * 2**64 // size | slot << 24 | low << 3 | slot
    # One in each group of a table: four groups, and then the other four, are visited in order.
    in_order = [Placed(at(8 * group, 64)) for group in range(8)]
    d = AtomicDict(min_size=50)
    d.update(dict.fromkeys(reversed(in_order)))
    assert list(d) == in_order, "src/map/key.hpp has changed"
    def reuse_memory(*numbers):
        # A thread that still knows a freed node finds these numbers in it. They are made before,
        # since nothing else of this size may be made in between.
        node = b"".join(number.to_bytes(8, "little") for number in numbers)[:-1]
        return [bytearray(node) for _ in range(40_000)]
    nonsense = 0x4141414141414140
"""


def test_a_key_that_is_deleted_after_its_hash_has_changed_leaves_every_table() -> None:
    """While the table grows it is in two of them; by its new hash it is found in one by chance."""
    run_program(
        PLACED
        + """
    d = AtomicDict(min_size=3000)  # of 4096 places, then of 8192
    before, after = at(207, 8192, 0x7771), at(198, 8192, 0x7771)
    key = Placed(before)
    address = id(key)
    d[key] = "value"
    others = [Placed(at(place, 4096)) for place in range(300, 300 + 3328)]
    for other in others:  # the last one begins to move all into a larger table
        d[other] = "other"
    d[Placed(at(198, 8192, 0x5553))] = "on the way"
    key.move(after)
    d.pop(key, None)
    memory = reuse_memory(before, address, nonsense)
    for mixed in (before, after):
        key.move(mixed)
        assert d.get(key) in (None, "value")
        assert (key in d) == (d.get(key) is not None)
    assert all(d[other] == "other" for other in others)
    assert len(d) == len(list(d.items()))
    d.clear()
    assert list(d) == []
    """
    )


def test_a_dict_survives_keys_whose_hashes_change_all_the_time() -> None:
    run_program(
        PLACED
        + """
    seed = random.randrange(2**32)
    print("seed", seed)
    choose = random.Random(seed)
    d = AtomicDict()
    class Tracked(Placed):
        alive = 0
        def __init__(self):
            super().__init__(anywhere())
            Tracked.alive += 1
        def __del__(self):
            Tracked.alive -= 1
    def anywhere():
        # One of few places, so that other keys are there by chance.
        return at(choose.randrange(64), 64, choose.randrange(3))
    for _ in range(20):
        keys = [Tracked() for _ in range(200)]
        for _ in range(3):
            for key in keys:
                choose.choice([d.pop, d.setdefault, d.setdefault, d.get_and_set])(key, 5)
                key.move(anywhere())
                assert d.get(key, 5) == 5
            assert len(d) == len(list(d))
            while len(d) > 50:
                assert d.popitem()[1] == 5
        key = None
        if choose.random() < 0.5:
            d.clear()
    del keys
    d.clear()
    assert Tracked.alive == 0
    """
    )


def test_a_comparison_may_replace_the_table_by_another_at_the_same_address() -> None:
    """The table that the lookup began with is freed, and a new one may get its address."""
    run_program(
        PLACED
        + """
    calls = 0
    class Key(Placed):
        __hash__ = Placed.__hash__
        def __eq__(self, other):
            global calls
            calls += 1
            if calls > 1:
                return True
            for placed in others[:2306]:
                del d[placed]
            return False
    d = AtomicDict(min_size=3000)
    others = [Placed(at(place, 4096)) for place in [*range(300, 300 + 3327), 3700]]
    for placed in others:
        d[placed] = "other"
    mixed = at(207, 8192, 0x7771)
    key = Key(mixed)
    address = id(key)
    d[key] = "value"
    d.pop(Key(mixed), None)
    assert calls >= 1
    memory = reuse_memory(mixed, address, nonsense)
    assert d.get(key) in (None, "value")
    assert (key in d) == (d.get(key) is not None)
    assert all(placed not in d for placed in others[:2306])
    assert all(d[placed] == "other" for placed in others[2306:])
    assert len(d) == len(list(d.items()))
    """
    )


# ── finalizers ─────────────────────────────────────────────────────────────────────────────────

END = """
    import sys, threading, time
    from cereggii_atomicdict import AtomicDict
    sys.setswitchinterval(1e-5)
    class Slow:
        def __del__(self):
            for _ in range(200):  # long enough for the interpreter to end meanwhile
                pass
    def fill(d):
        for _ in range(20):
            d[Slow()] = Slow()
    def replace(d):
        d["key"] = Slow()
    def pop(d):
        fill(d)
        while d:
            d.popitem()
    def clear(d):
        fill(d)
        d.clear()
    def iterate(d):
        fill(d)
        for _ in d.items():
            d.clear()
    operations = {
        "a replacement": replace,
        "a deletion": pop,
        "a clear()": clear,
        "an iteration": iterate,
        "the end of a dict": lambda d: fill(AtomicDict()),
    }
    operation = operations[sys.argv[1]]
    def work():
        d = AtomicDict()
        while True:
            operation(d)
    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.1)
"""


# Up to Python 3.13 a daemon thread that wants to run when the interpreter has ended is unwound; and
# nothing may be unwound through a destructor, nor through nanobind, which calls it.
@pytest.mark.parametrize(
    "operation",
    [
        "a replacement",
        "a deletion",
        "a clear()",
        "an iteration",
        "the end of a dict",
    ],
)
def test_the_interpreter_may_end_while_a_daemon_thread_runs_the_finalizers_of(
    operation: str,
) -> None:
    run_program(END, operation)


def test_finalizers_and_comparisons_may_use_the_dict_that_runs_them() -> None:
    run_program("""
        import sys, threading
        from cereggii_atomicdict import AtomicDict
        sys.setswitchinterval(1e-5)
        d = AtomicDict()
        finalized = []

        class Value:
            def __del__(self):
                d.get("key"), len(d), "key" in d, d.pop("nothing", None)
                finalized.append(None)  # without a lock: another finalizer may interrupt this one

        class Key:
            inside = threading.local()  # so that comparisons do not nest without end
            def __init__(self, number):
                self.number = number
            def __hash__(self):
                return self.number % 3
            def __eq__(self, other):
                if not hasattr(self.inside, "yes"):
                    self.inside.yes = True
                    if other.number % 7 == 0 and self is not other:
                        d.pop(other, None)
                    if self.number % 11 == 0:
                        pop_any()
                    del self.inside.yes
                return self.number == other.number
            def __del__(self):
                d.get("key"), len(d)

        def pop_any():
            try:
                d.popitem()
            except KeyError:
                pass

        made = [0] * 6
        errors = []

        def value(number):
            made[number] += 1
            return Value()

        def work(number):
            for turn in range(400):
                d["key"] = value(number)
                d.get("key")
                d.setdefault("key", value(number))
                d[Key(turn % 40)] = value(number)
                d.pop(Key(turn * 7 % 40), None)
                try:
                    d.compare_and_exchange("key", object(), 1)
                except KeyError:
                    pass  # another thread has deleted it
                if turn % 100 == 0:
                    d.clear()
                    d.snapshot()

        def run(number):
            try:
                work(number)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        d.clear()
        assert len(d) == 0 and list(d) == []
        assert len(finalized) == sum(made), (len(finalized), made)
    """)
