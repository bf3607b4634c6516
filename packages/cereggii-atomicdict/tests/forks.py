# SPDX-License-Identifier: Apache-2.0
"""The program that tests of forks begin with: it uses a dict in a child process."""

from __future__ import annotations

from tools.testing.processes import IN_CHILD

FORK = (
    IN_CHILD
    + """
    import gc, itertools
    from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict, ExpectationFailed

    def check(d):
        items = list(d.items())
        assert len(items) == len(d) == len(d.snapshot()) == len(dict(items))
        assert d.snapshot() == dict(items)
        for key, value in items:
            assert d[key] is value

    def use(d):
        # All of it, with a growth and a shrinking.
        check(d)
        before = d.snapshot()
        for n in range(3000):
            d["used", n] = n
        assert len(d) == len(before) + 3000
        for n in range(3000):
            assert d.pop(("used", n)) == n
        assert d.snapshot() == before
        d.compare_and_set("used", NOT_FOUND, 1)
        d.get_and_set("used", 2)
        d.compare_and_delete("used", 2)
        assert d.copy() == before
        gc.collect()
        threads = [threading.Thread(target=use_more, args=(d, n)) for n in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join(20)
        assert not any(thread.is_alive() for thread in threads)
        check(d)
        d.clear()
        assert len(d) == 0 and not d
        d[1] = 1
        check(d)

    def use_more(d, number):
        for n in range(1000):
            d["thread", number, n] = n
            len(d)
        for n in range(1000):
            del d["thread", number, n]

    def run(*works):
        # Runs the works, which end when stop is set, and forks again and again.
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads: thread.start()
        try:
            for _ in range(15):
                time.sleep(0.002)
                yield
        finally:
            stop.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()

    sys.setswitchinterval(1e-5)
    stop = threading.Event()
    d = AtomicDict({("kept", n): n for n in range(100)})
"""
)
