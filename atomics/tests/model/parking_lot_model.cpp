// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/parking_lot.hpp"

#include <cstddef>

#include "model.hpp"

// No wake-up is lost: a thread that sleeps although what it waits for has happened is a deadlock.
// And what happened before a notification has happened for the thread that it wakes.
namespace cereggii::model {
namespace {

using Lot = atomics::ParkingLot<Signal>;

constexpr Order seq_cst = std::memory_order_seq_cst;

// A word that threads wait for, as blocking.hpp does it.
struct Word {
    void set(int to) { value.store(to, seq_cst); }
    void notify(Lot& lot, std::size_t most = SIZE_MAX) { lot.notify(this, most); }

    // Until the word is not 0.
    void wait(Lot& lot) {
        while (value.load(seq_cst) == 0) {
            Lot::Waiter waiter(this, &is_zero, this);
            if (!lot.enqueue(waiter)) return;
            waiter.signal.wait();
            check(!lot.cancel(waiter), "it was notified and is still queued");
        }
    }
    // Gives up at once. True: it was notified.
    bool wait_shortly(Lot& lot) {
        Lot::Waiter waiter(this, &is_zero, this);
        return !lot.enqueue(waiter) || !lot.cancel(waiter);
    }

    // Notifiers call it under the lock. Relaxed would be too weak only for a waiter that has just
    // queued itself.
    static bool is_zero(const void* self) {
        return static_cast<const Word*>(self)->value.load(seq_cst) == 0;
    }

    Atomic<int> value{0};
};

SCENARIO(a_waiter_is_woken, {.preemptions = 4, .stale_reads = 2}) {
    Lot lot;
    Word word;
    threads([&] { word.wait(lot); },
            [&] {
                word.set(1);
                word.notify(lot);
            });
}

SCENARIO(two_waiters_are_woken, {.preemptions = 2, .stale_reads = 2}) {
    Lot lot;
    Word word;
    threads([&] { word.wait(lot); }, [&] { word.wait(lot); },
            [&] {
                word.set(1);
                word.notify(lot);
            });
}

SCENARIO(each_notification_wakes_one, {.preemptions = 2, .stale_reads = 1}) {
    Lot lot;
    Word word;
    threads([&] { word.wait(lot); }, [&] { word.wait(lot); },
            [&] {
                word.set(1);
                word.notify(lot, 1);
                word.notify(lot, 1);
            });
}

SCENARIO(waiters_for_two_words_in_one_bucket, {.preemptions = 2, .stale_reads = 1}) {
    Lot lot;
    Word a, b;
    threads([&] { a.wait(lot); }, [&] { b.wait(lot); },
            [&] {
                b.set(1);
                b.notify(lot);
                a.set(1);
                a.notify(lot);
            });
}

// One that gives up does not use up the notification of one that waits.
SCENARIO(a_waiter_that_gives_up_keeps_no_other_asleep, {.preemptions = 2, .stale_reads = 1}) {
    Lot lot;
    Word word;
    threads([&] { word.wait(lot); },
            [&] {
                if (word.wait_shortly(lot)) word.notify(lot, 1);
            },
            [&] {
                word.set(1);
                word.notify(lot, 1);
            });
}

SCENARIO(what_came_before_a_notification_is_visible, {.preemptions = 3, .stale_reads = 2}) {
    Lot lot;
    Word word;
    Plain<int> message{0};
    threads(
        [&] {
            word.wait(lot);
            check(message == 7);
        },
        [&] {
            message = 7;
            word.set(1);
            word.notify(lot);
        });
}

SCENARIO(two_notifiers_wake_one_waiter_once, {.preemptions = 2, .stale_reads = 1}) {
    Lot lot;
    Word word;
    const auto notify = [&] {
        word.set(1);
        word.notify(lot);
    };
    threads([&] { word.wait(lot); }, notify, notify);
}

}  // namespace
}  // namespace cereggii::model
