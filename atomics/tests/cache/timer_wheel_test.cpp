// SPDX-License-Identifier: Apache-2.0
#include "cache/timer_wheel.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "check.hpp"

namespace cereggii::testing {
namespace {

using atomicdict::cache::Nanoseconds;
using atomicdict::cache::TimerWheel;
using atomicdict::cache::WheelEntry;

constexpr Nanoseconds second = 1'000'000'000;
constexpr Nanoseconds tick = Nanoseconds{1} << 27;
constexpr Nanoseconds year = 365 * 24 * 3600 * second;

struct Timer : WheelEntry {
    bool expired = false;
};

// Advances until nothing is due, and returns how many calls it took.
int advance(TimerWheel& wheel, Nanoseconds now, std::vector<Timer*>* expired = nullptr) {
    int calls = 0;
    do {
        ++calls;
        wheel.advance(now, [&](WheelEntry& entry) {
            auto& timer = static_cast<Timer&>(entry);
            check(timer.expires <= now, "not too early");
            check(!timer.expired, "only once");
            timer.expired = true;
            if (expired) expired->push_back(&timer);
        });
    } while (wheel.is_due(now));
    return calls;
}

TEST(an_entry_expires_at_most_one_tick_late_on_every_level) {
    for (const Nanoseconds start : {Nanoseconds{0}, tick - 1, 1000 * year + 12'345}) {
        for (Nanoseconds after = 1; after < 3 * year; after = after * 3 / 2 + 1) {
            TimerWheel wheel(start);
            Timer timer;
            timer.expires = start + after;
            wheel.schedule(timer);
            // In steps of a sixteenth of the time, and then tick by tick.
            for (int i = 1; i <= 16; ++i) advance(wheel, start + after / 16 * i - (i == 16));
            check(!timer.expired || after < tick, "not before its time");
            advance(wheel, start + after + tick);
            check(timer.expired, "a tick after its time");
        }
    }
}

TEST(time_may_jump) {
    TimerWheel wheel(5 * second);
    std::deque<Timer> timers(1000);
    Nanoseconds time = 5 * second;
    for (Timer& timer : timers) wheel.schedule((timer.expires = time += 37 * second, timer));
    const int calls = advance(wheel, 20 * year);
    check(std::ranges::all_of(timers, &Timer::expired));
    note("calls for 1000 entries", static_cast<std::uint64_t>(calls));
    check(calls <= 1000 / TimerWheel::most_steps + 1, "most_steps in each call");
}

TEST(what_lies_beyond_the_last_level_expires_as_well) {
    TimerWheel wheel(0);
    Timer timer;
    timer.expires = 100 * year;
    wheel.schedule(timer);
    for (int i = 1; i < 100; ++i) {
        advance(wheel, static_cast<Nanoseconds>(i) * year);
        check(!timer.expired);
    }
    advance(wheel, 101 * year);
    check(timer.expired);
}

TEST(a_canceled_entry_does_not_expire) {
    TimerWheel wheel(0);
    std::deque<Timer> timers(10);
    for (Timer& timer : timers) wheel.schedule((timer.expires = 10 * second, timer));
    for (std::size_t i = 0; i < 10; i += 2) wheel.cancel(timers[i]);
    wheel.cancel(timers[0]);  // again
    advance(wheel, 11 * second);
    for (std::size_t i = 0; i < 10; ++i) check(timers[i].expired == (i % 2 == 1));
}

TEST(a_clock_that_goes_back_does_no_harm) {
    TimerWheel wheel(100 * second);
    Timer timer;
    timer.expires = 110 * second;
    advance(wheel, 50 * second);
    wheel.schedule(timer);
    advance(wheel, 60 * second);
    check(!timer.expired);
    advance(wheel, 111 * second);
    check(timer.expired);
}

TEST(an_entry_is_looked_at_a_few_times_only) {
    TimerWheel wheel(0);
    Timer timer;
    timer.expires = 2 * year;
    wheel.schedule(timer);
    int calls = 0;
    Nanoseconds now = 0;
    while (!timer.expired) {
        // One call is enough for one step: so each step is seen as a call that leaves it due.
        now += year / 5000;
        calls += advance(wheel, now) > 1;
    }
    check_equal(calls, 0);
}

TEST(random_programs_expire_what_is_due_and_nothing_else) {
    std::mt19937_64 random(seed());
    for (int round = 0; round < 30; ++round) {
        Nanoseconds now = random() % year;
        TimerWheel wheel(now);
        std::deque<Timer> timers;
        for (int step = 0; step < 400; ++step) {
            switch (random() % 4) {
                case 0:
                case 1:
                    timers.emplace_back().expires = now + (random() % (year / 4) >> random() % 50);
                    wheel.schedule(timers.back());
                    break;
                case 2:
                    if (timers.empty()) break;
                    if (Timer& timer = timers[random() % timers.size()]; !timer.expired) {
                        wheel.cancel(timer);
                        timer.expires = now + random() % (20 * second);
                        wheel.schedule(timer);
                    }
                    break;
                default: now += random() % (year / 10) >> random() % 50; advance(wheel, now);
            }
        }
        advance(wheel, now);
        for (const Timer& timer : timers) {
            check(timer.expired || timer.expires + tick >= now, "nothing is left over");
        }
        advance(wheel, now + 3 * year);
        check(std::ranges::all_of(timers, &Timer::expired));
    }
}

}  // namespace
}  // namespace cereggii::testing
