// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/contention.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

#include "check.hpp"

// When a thread stands back from a word: seen in the time that its calls take. One thread plays
// both, itself and those that come in between.
namespace cereggii::testing {
namespace {

using atomics::ContentionManager;
using atomics::Turns;
using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr std::size_t windows = 15;
constexpr int window = ContentionManager::run;
constexpr microseconds pause(60);  // most of a turn is more, and the calls of a window are less

void spin(microseconds time) {
    const auto end = Clock::now() + time;
    while (Clock::now() < end) {
    }
}

// What the program does between two updates: other threads', and work of its own.
struct Loop {
    bool interrupted;
    microseconds work;
};

// The time in note_update() of a window of such a loop, by default the median, that of half of them
// below and half above: a thread that loses the processor now and then does not change it.
Clock::duration ranked_pause(Turns& word, Loop loop, std::size_t rank = windows / 2) {
    static thread_local char mark = 0;
    const auto me = reinterpret_cast<std::uintptr_t>(&mark);
    const std::uintptr_t another = me + 4096;
    std::array<Clock::duration, windows> pauses{};
    for (Clock::duration& paused : pauses)
        for (int i = 0; i < window; ++i) {
            spin(loop.work);
            const auto start = Clock::now();
            if (loop.interrupted) word.note_update(another);
            word.note_update(me);
            paused += Clock::now() - start;
        }
    std::ranges::sort(pauses);
    return pauses[rank];
}

// Tried several times, since a machine with too few processors for its threads shows anything once.
template <class Observation>
bool seen(const Observation& observation) {
    for (int attempt = 0; attempt < 200; ++attempt)
        if (observation()) return true;
    return false;
}

TEST(a_thread_alone_does_not_stand_back) {
    Turns word;
    check(seen([&] { return ranked_pause(word, {false, microseconds(0)}) < pause; }));
    check(seen([&] { return ranked_pause(word, {false, microseconds(20)}) < pause; }));
}

// Both find themselves slowed down: one takes its turn, for which the other stands back.
TEST(of_two_threads_that_slow_each_other_down_one_stands_back) {
    Turns word;
    const Loop alone{false, microseconds(0)};
    const Loop slowed_down{true, microseconds(1)};
    constexpr std::size_t longest_of_all = windows - 1;
    check(seen([&] {
        std::array<Clock::duration, 2> pauses{};
        const auto run = [&](Clock::duration& longest) {
            ranked_pause(word, alone);
            for (int i = 0; i < 20; ++i)
                longest = std::max(longest, ranked_pause(word, slowed_down, longest_of_all));
        };
        std::thread other(run, std::ref(pauses[0]));
        run(pauses[1]);
        other.join();
        return std::max(pauses[0], pauses[1]) >= pause;
    }));
}

// As where many threads are at a word from the beginning.
TEST(of_two_threads_that_are_never_alone_one_stands_back_to_see_what_the_other_takes_alone) {
    check(seen([] {
        Turns word;
        std::array<Clock::duration, 2> pauses{};
        // Several times: losing the processor looks the same.
        const auto run = [&](Clock::duration& fourth) {
            fourth = ranked_pause(word, {true, microseconds(2)}, windows - 4);
        };
        std::thread other(run, std::ref(pauses[0]));
        std::thread another(run, std::ref(pauses[1]));
        other.join();
        another.join();
        return std::max(pauses[0], pauses[1]) >= pause;
    }));
}

// They seldom meet, and never run alone for long either: a turn shows nothing.
TEST(threads_that_are_never_alone_with_work_of_their_own_seldom_stand_back) {
    Turns word;
    check(seen([&] {
        std::array<Clock::duration, 2> pauses{};
        const auto run = [&](Clock::duration& median) {
            const Loop loop{true, microseconds(20)};
            for (int i = 0; i < 3; ++i) median = ranked_pause(word, loop);
        };
        std::thread other(run, std::ref(pauses[0]));
        std::thread another(run, std::ref(pauses[1]));
        other.join();
        another.join();
        return std::max(pauses[0], pauses[1]) < pause;
    }));
}

TEST(what_is_seen_of_a_word_of_its_own_makes_no_thread_impatient_with_another) {
    check(seen([] {
        Turns shared;
        std::array<Clock::duration, 2> pauses{};
        const auto run = [&](Clock::duration& paused) {
            Turns own;
            static thread_local char mark = 0;
            const auto me = reinterpret_cast<std::uintptr_t>(&mark);
            for (int cycle = 0; cycle < 200; ++cycle) {
                for (std::uint32_t i = 0; i < 2 * ContentionManager::run; ++i) own.note_update(me);
                for (std::uint32_t i = 0; i < 3 * ContentionManager::window; ++i) {
                    spin(microseconds(2));
                    const auto start = Clock::now();
                    shared.note_update(me + 4096);
                    shared.note_update(me);
                    paused += Clock::now() - start;
                }
            }
        };
        std::thread other(run, std::ref(pauses[0]));
        std::thread another(run, std::ref(pauses[1]));
        other.join();
        another.join();
        return pauses[0] + pauses[1] < std::chrono::milliseconds(10);
    }));
}

TEST(a_thread_that_is_slowed_down_by_what_never_takes_a_turn_does_not_stand_back) {
    Turns word;
    check(seen([&] {
        ranked_pause(word, {false, microseconds(1)});
        return ranked_pause(word, {true, microseconds(20)}) < pause;
    }));
}

TEST(a_thread_that_others_do_not_slow_down_does_not_stand_back) {
    Turns word;
    check(seen([&] {
        ranked_pause(word, {false, microseconds(20)});
        return ranked_pause(word, {true, microseconds(20)}) < pause;
    }));
}

TEST(what_was_seen_of_one_word_is_not_held_against_another) {
    std::array<Turns, 2> words;
    check(seen([&] {
        ranked_pause(words[0], {false, microseconds(1)});
        return ranked_pause(words[1], {true, microseconds(20)}) < pause;
    }));
}

}  // namespace
}  // namespace cereggii::testing
