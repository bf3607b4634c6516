// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "cereggii/atomics/parking_lot.hpp"
#include "check.hpp"
#include "counting_lot.hpp"
#include "race.hpp"

namespace cereggii::testing {
namespace {

using atomics::ParkingLot;
using std::chrono::microseconds;
using std::chrono::seconds;

// --- No thread sleeps, so that queueing, notifying and cancelling meet all the time.

// There is one way to lose a wake-up: something happens while a waiter is being queued, and the
// waiter does not see it, and the notifier does not see the waiter.
TEST(a_queued_waiter_is_notified_of_the_next_change) {
    CountingLot lot;
    std::optional<Sleeper> sleeper;
    bool more = true;  // like `sleeper`, changed by the waiter while the notifier is at a meeting
    Rendezvous meeting(2);
    race(2, [&](std::size_t thread, Random& random) {
        const bool waits = thread == 0;
        std::uint64_t not_queued = 0;
        Budget budget;
        while (true) {
            if (waits) more = budget.more();
            if (waits && more) sleeper.emplace(&words[0]);
            meeting.arrive_and_wait();
            if (!more) break;
            linger(random, 40);
            bool queued = false;
            if (waits) {
                queued = lot.enqueue(sleeper->waiter);
            } else {
                sleeper->happened = true;
                lot.notify(&words[0], 1);
            }
            meeting.arrive_and_wait();
            if (!waits) continue;
            check_equal(lot.cancel(sleeper->waiter), false);
            check_equal(sleeper->posts(), queued);
            not_queued += !queued;
        }
        if (waits) note("rounds", budget.used());
        if (waits) note("in which it happened first", not_queued);
    });
}

TEST(every_waiter_is_notified_or_cancelled_but_not_both) {
    CountingLot lot;
    std::atomic<std::uint64_t> notified{0};
    std::atomic<std::uint64_t> cancelled{0};
    std::atomic<int> waiters_left{2};
    race(4, [&](std::size_t thread, Random& random) {
        if (thread < 2) {
            for (Budget budget; budget.more();) {
                Sleeper sleeper(&words[random.below(2)]);
                check(lot.enqueue(sleeper.waiter));
                sleeper.happened = true;
                linger(random, 40);
                const bool was_waiting = lot.cancel(sleeper.waiter);
                check_equal(sleeper.posts(), !was_waiting);
                ++(was_waiting ? cancelled : notified);
            }
            --waiters_left;
        } else {
            while (waiters_left > 0) {
                lot.notify(&words[random.below(2)], 1 + random.below(2));
                linger(random, 40);
            }
        }
    });
    note("notified", notified);
    note("cancelled", cancelled);
}

// --- Threads that do sleep.

class Sleep {
public:
    void post() {
        const std::lock_guard guard(lock_);
        posted_ = true;
        wake_.notify_one();
    }
    bool wait_for(microseconds time) {
        std::unique_lock guard(lock_);
        return wake_.wait_for(guard, time, [this] { return posted_; });
    }

private:
    std::mutex lock_;
    std::condition_variable wake_;
    bool posted_ = false;
};

using SleepingLot = ParkingLot<Sleep>;

// A waiter that sleeps on this address while `unchanged()` is true.
template <class Predicate>
class SleepingWaiter : public SleepingLot::Waiter {
public:
    SleepingWaiter(const void* address, const Predicate& unchanged) noexcept
        : Waiter(address, &holds, &unchanged) {}

private:
    static bool holds(const void* unchanged) {
        return (*static_cast<const Predicate*>(unchanged))();
    }
};

// Sleeps while `unchanged()` is true. False: it is not true any more, and there was no
// notification.
template <class Predicate>
bool sleep_while(SleepingLot& lot, const void* address, const Predicate& unchanged) {
    while (unchanged()) {
        SleepingWaiter waiter(address, unchanged);
        if (!lot.enqueue(waiter)) break;
        bool woken = false;
        // The second look gives time to a notifier that has changed the word a moment ago.
        for (int late = 0; !woken && late < 2; late += !woken && !unchanged())
            woken = waiter.signal.wait_for(seconds(1));
        lot.cancel(waiter);
        if (!woken) return false;
    }
    return true;
}

constexpr std::string_view lost = "a wake-up was lost";

TEST(ping_pong_loses_no_wake_up) {
    constexpr std::size_t over = 2;
    SleepingLot lot;
    std::atomic<std::size_t> turn{0};
    race(2, [&](std::size_t me, Random& random) {
        Budget budget;
        while (turn != over) {
            linger(random, 2000);
            const bool woken = sleep_while(lot, &turn, [&] { return turn == 1 - me; });
            check(woken, lost);
            const bool end = !woken || (me == 0 && !budget.more());
            if (turn != over) turn = end ? over : 1 - me;
            lot.notify(&turn, 1);
        }
        if (me == 0) note("rounds", budget.used());
    });
}

TEST(notify_all_wakes_everybody) {
    constexpr int over = -1;
    constexpr int sleepers = 3;
    SleepingLot lot;
    std::atomic<int> round{0};
    std::atomic<int> arrived{0};
    race(sleepers + 1, [&](std::size_t thread, Random& random) {
        if (thread == 0) {
            int number = 0;
            bool woken = true;
            for (Budget budget; woken && budget.more();) {
                arrived = 0;
                round = ++number;
                lot.notify(&round, SIZE_MAX);
                woken = sleep_while(lot, &arrived, [&] { return arrived < sleepers; });
                check(woken, lost);
            }
            round = over;
            lot.notify(&round, SIZE_MAX);
        } else {
            int seen = 0;
            while (seen != over) {
                linger(random, 2000);
                check(sleep_while(lot, &round, [&] { return round == seen; }), lost);
                seen = round;
                if (++arrived == sleepers) lot.notify(&arrived, 1);
            }
        }
    });
}

// A semaphore that is built on the lot. One of the waiters gives up at any moment, and hands on
// the notification that may have come for it.
class Semaphore {
public:
    void release() {
        ++tokens_;
        lot_.notify(&tokens_, 1);
    }
    void close() {
        closed_ = true;
        lot_.notify(&tokens_, SIZE_MAX);
    }
    // False: closed, and no tokens left.
    bool acquire() {
        while (!take()) {
            if (closed_ && tokens_ == 0) return false;
            check(sleep_while(lot_, &tokens_, [this] { return empty(); }), lost);
        }
        return true;
    }
    bool acquire_for(microseconds time) {
        if (take()) return true;
        const auto unchanged = [this] { return empty(); };
        SleepingWaiter waiter(&tokens_, unchanged);
        if (!lot_.enqueue(waiter)) return take();
        const bool woken = waiter.signal.wait_for(time);
        const bool notified = !lot_.cancel(waiter);
        if (woken) check(notified);
        if (woken && take()) return true;
        if (notified) lot_.notify(&tokens_, 1);
        return false;
    }
    bool closed() const { return closed_; }

private:
    bool empty() const { return tokens_ == 0 && !closed_; }
    bool take() {
        int found = tokens_;
        while (found > 0)
            if (tokens_.compare_exchange_weak(found, found - 1)) return true;
        return false;
    }

    SleepingLot lot_;
    std::atomic<int> tokens_{0};
    std::atomic<bool> closed_{false};
};

TEST(a_semaphore_of_the_lot_loses_no_token) {
    Semaphore semaphore;
    std::atomic<int> releasing{2};
    std::atomic<std::int64_t> balance{0};
    race(5, [&](std::size_t thread, Random& random) {
        if (thread < 2) {
            for (Budget budget; budget.more();) {
                ++balance;
                semaphore.release();
                linger(random, 3000);
            }
            if (--releasing == 0) semaphore.close();
        } else if (thread < 4) {
            while (semaphore.acquire()) --balance;
        } else {
            while (!semaphore.closed())
                if (semaphore.acquire_for(microseconds(random.below(30)))) --balance;
        }
    });
    check_equal(balance, 0);
}

}  // namespace
}  // namespace cereggii::testing
