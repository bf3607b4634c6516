// SPDX-License-Identifier: Apache-2.0
#include "model.hpp"

// The known verdicts of the C++20 memory model: what may happen is found, what must not is not.
namespace cereggii::model {
namespace {

constexpr Order relaxed = std::memory_order_relaxed;
constexpr Order acquire = std::memory_order_acquire;
constexpr Order release = std::memory_order_release;
constexpr Order acq_rel = std::memory_order_acq_rel;
constexpr Order seq_cst = std::memory_order_seq_cst;

// ── store buffering ─────────────────────────────────────────────────────────────────────────────

void store_buffering(Order store, Order load, std::initializer_list<Order> fences) {
    Atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    threads(
        [&] {
            x.store(1, store);
            for (const Order order : fences) fence(order);
            a = y.load(load);
        },
        [&] {
            y.store(1, store);
            for (const Order order : fences) fence(order);
            b = x.load(load);
        });
    check(a == 1 || b == 1, "both threads have read the old value");
}

SCENARIO(store_buffering_seq_cst, {}) { store_buffering(seq_cst, seq_cst, {}); }
FAILING_SCENARIO(store_buffering_acquire_release, {}) { store_buffering(release, acquire, {}); }
FAILING_SCENARIO(store_buffering_with_a_weaker_load, {}) { store_buffering(seq_cst, acquire, {}); }
SCENARIO(store_buffering_with_fences, {}) { store_buffering(relaxed, relaxed, {seq_cst}); }
FAILING_SCENARIO(store_buffering_with_weaker_fences, {}) {
    store_buffering(relaxed, relaxed, {acq_rel});
}

// ── message passing ─────────────────────────────────────────────────────────────────────────────

void message_passing(Order store, Order load) {
    Atomic<int> flag{0};
    Plain<int> message{0};
    threads(
        [&] {
            message = 7;
            flag.store(1, store);
        },
        [&] {
            if (flag.load(load) == 1) check(message == 7);
        });
}

SCENARIO(message_passing_release_acquire, {}) { message_passing(release, acquire); }
FAILING_SCENARIO(message_passing_relaxed_store, {}) { message_passing(relaxed, acquire); }
FAILING_SCENARIO(message_passing_relaxed_load, {}) { message_passing(release, relaxed); }

SCENARIO(message_passing_with_fences, {}) {
    Atomic<int> flag{0};
    Plain<int> message{0};
    threads(
        [&] {
            message = 7;
            fence(release);
            flag.store(1, relaxed);
        },
        [&] {
            if (flag.load(relaxed) == 1) {
                fence(acquire);
                check(message == 7);
            }
        });
}

// A release sequence goes on through a read-modify-write of another thread, but not through a store.
void release_sequence(bool by_update) {
    Atomic<int> flag{0};
    Plain<int> message{0};
    threads(
        [&] {
            message = 7;
            flag.store(1, release);
        },
        [&] {
            int one = 1;
            if (by_update)
                flag.compare_exchange_strong(one, 2, relaxed);
            else if (flag.load(relaxed) == 1)
                flag.store(2, relaxed);
        },
        [&] {
            if (flag.load(acquire) == 2) check(message == 7);
        });
}

SCENARIO(a_release_sequence_goes_on_through_an_update, {}) { release_sequence(true); }
FAILING_SCENARIO(a_release_sequence_ends_at_a_store, {}) { release_sequence(false); }

// ── independent reads of independent writes ─────────────────────────────────────────────────────

void independent_reads(Order store, Order load) {
    Atomic<int> x{0}, y{0};
    int a = 0, b = 0, c = 0, d = 0;
    threads([&] { x.store(1, store); }, [&] { y.store(1, store); },
            [&] {
                a = x.load(load);
                b = y.load(load);
            },
            [&] {
                c = y.load(load);
                d = x.load(load);
            });
    check(!(a == 1 && b == 0 && c == 1 && d == 0), "two threads have seen two orders");
}

SCENARIO(independent_reads_seq_cst, {.preemptions = 3, .stale_reads = 2}) {
    independent_reads(seq_cst, seq_cst);
}
FAILING_SCENARIO(independent_reads_acquire_release, {.preemptions = 3, .stale_reads = 2}) {
    independent_reads(release, acquire);
}
// A release store has no place in the order of sequentially consistent operations.
FAILING_SCENARIO(independent_reads_release_store, {.preemptions = 3, .stale_reads = 2}) {
    independent_reads(release, acquire);
}

// ── coherence ───────────────────────────────────────────────────────────────────────────────────

SCENARIO(two_reads_of_one_atomic_are_in_order, {.stale_reads = 2}) {
    Atomic<int> x{0};
    int a = 0, b = 0;
    threads([&] { x.store(1, relaxed); },
            [&] {
                a = x.load(relaxed);
                b = x.load(relaxed);
            });
    check(a <= b);
}

SCENARIO(an_update_reads_the_newest_value, {.stale_reads = 2}) {
    Atomic<int> x{0};
    const auto add = [&] { x.fetch_add(1, relaxed); };
    threads(add, add, add);
    check(x.load(relaxed) == 3);
}

SCENARIO(a_thread_reads_its_own_store, {.stale_reads = 2}) {
    Atomic<int> x{0};
    threads(
        [&] {
            x.store(1, relaxed);
            check(x.load(relaxed) != 0);
        },
        [&] { x.store(2, relaxed); });
}

// ── what the checker detects ────────────────────────────────────────────────────────────────────

FAILING_SCENARIO(a_data_race_is_found, {}) {
    Plain<int> x{0};
    threads([&] { x = 1; }, [&] { x = 2; });
}

FAILING_SCENARIO(a_wait_for_nothing_is_found, {}) {
    Atomic<bool> is_set{false};
    threads([&] {
        while (!is_set.load(relaxed)) yield();
    });
}

FAILING_SCENARIO(a_deadlock_is_found, {}) {
    Mutex a, b;
    threads(
        [&] {
            a.lock();
            b.lock();
        },
        [&] {
            b.lock();
            a.lock();
        });
}

FAILING_SCENARIO(an_endless_loop_is_found, {}) {
    Atomic<int> x{0};
    threads([&] {
        while (x.load(relaxed) >= 0) x.store(1, relaxed);
    });
}

SCENARIO(a_wait_ends_when_the_value_comes, {}) {
    Atomic<bool> is_set{false};
    threads([&] { is_set.store(true, relaxed); },
            [&] {
                while (!is_set.load(relaxed)) yield();
            });
}

SCENARIO(a_lock_orders_what_is_done_under_it, {}) {
    Mutex lock;
    Plain<int> x{0};
    const auto add = [&] {
        lock.lock();
        ++x;
        lock.unlock();
    };
    threads(add, add);
    check(x == 2);
}

FAILING_SCENARIO(a_use_after_the_end_is_found, {}) {
    auto* x = new Atomic<int>(0);
    threads([&] { x->load(); }, [&] { delete x; });
}

FAILING_SCENARIO(an_object_that_was_not_passed_on_is_found, {}) {
    Atomic<Atomic<int>*> x{nullptr};
    threads([&] { x.store(new Atomic<int>(1), relaxed); },
            [&] {
                if (Atomic<int>* found = x.load(acquire)) found->load(relaxed);
            });
}

}  // namespace
}  // namespace cereggii::model
