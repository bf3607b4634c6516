// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/contention.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

#include "check.hpp"
#include "race.hpp"

// When threads stand back from a word, and what they gain by it. The processors are simulated, and
// their time is a number. The class that decides is the real one.
namespace cereggii::testing {
namespace {

using atomics::ContentionManager;
using Time = std::int64_t;  // nanoseconds

constexpr Time microsecond = 1000;
constexpr Time millisecond = 1000 * microsecond;

class Simulation;

struct SimulatedThreads {
    static Time now() noexcept;
    static void wait_until(Time end) noexcept;
    static ContentionManager<SimulatedThreads>& manager() noexcept;
};

using Manager = ContentionManager<SimulatedThreads>;
using ContentionState = atomics::ContentionStateOf<SimulatedThreads>;

// A loop that updates its words one after the other, and does work of its own after each update.
struct Loop {
    Time work = 0;
    std::vector<std::size_t> words{0};
};

// Each thread has a processor. A cache line is handed from one to the other in the order in which
// they ask for it, but not before its owner has had it for a while.
class Simulation {
public:
    struct Costs {
        Time update = 10;    // of a line that the processor has
        Time transfer = 40;  // of a line that another one has,
        Time queue = 4;      // and more for each one that is waiting, up to
        Time longest_transfer = 100;
        Time hold = 0;
        Time clock = 20;  // to look at it
    };

    Simulation(std::vector<Loop> loops, bool takes_turns, Costs costs, std::size_t words = 1)
        : loops_(std::move(loops)),
          takes_turns_(takes_turns),
          costs_(costs),
          threads_(loops_.size()),
          words_(words),
          states_(words),
          at_word_(words) {
        current_ = this;
        for (std::size_t i = 0; i < loops_.size(); ++i)
            for (const std::size_t word : loops_[i].words) at_word_[word].push_back(i);
        for (std::size_t i = 0; i < loops_.size(); ++i) ask(end_ + static_cast<Time>(7 * i), i);
    }
    ~Simulation() {
        current_ = nullptr;
        latest_ = end_ + 1000 * millisecond;
    }
    Simulation(const Simulation&) = delete;
    Simulation& operator=(const Simulation&) = delete;

    std::vector<Loop>& loops() noexcept { return loops_; }

    // How many updates each thread makes in the time that comes next.
    std::vector<std::uint64_t> run(Time time) {
        end_ += time;
        for (Thread& thread : threads_) thread.updates = 0;
        while (requests_.top().due < end_) {
            const Request request = requests_.top();
            requests_.pop();
            serve(request);
        }
        std::vector<std::uint64_t> updates;
        updates.reserve(threads_.size());
        for (const Thread& thread : threads_) updates.push_back(thread.updates);
        return updates;
    }

    // The longest time that any thread stood back at once.
    Time longest_wait() const noexcept { return longest_wait_; }
    Time waited(std::size_t thread) const noexcept { return threads_[thread].waited; }
    std::uint64_t waits() const noexcept { return waits_; }
    std::uint64_t looks_at_clock() const noexcept { return looks_; }

private:
    friend SimulatedThreads;

    struct Thread {
        Manager manager;
        Time now = 0;
        Time asks_at = 0;
        std::uint64_t updates = 0;
        std::size_t next_word = 0;
        Time waited = 0;
    };
    struct Line {
        std::size_t owner = SIZE_MAX;
        Time owned_since = 0;
        Time free_at = 0;
    };

    // Requests that are due are served in the order in which they were made.
    struct Request {
        Time due, asked;
        std::size_t thread;
        auto operator<=>(const Request&) const = default;
    };

    void ask(Time time, std::size_t thread) {
        threads_[thread].asks_at = time;
        requests_.push({time, time, thread});
    }

    void serve(Request request) {
        const std::size_t number = request.thread;
        Thread& thread = threads_[number];
        const Loop& loop = loops_[number];
        const std::size_t word = loop.words[thread.next_word % loop.words.size()];
        Line& line = words_[word];
        const bool owns = line.owner == number;
        if (!owns && costs_.hold > 0 && request.due < line.owned_since + costs_.hold) {
            request.due = line.owned_since + costs_.hold;
            requests_.push(request);
            return;
        }
        thread.now = std::max(request.due, line.free_at);
        if (owns) {
            thread.now += costs_.update;
        } else {
            thread.now += std::min(costs_.longest_transfer,
                                   costs_.transfer + costs_.queue * waiting(word, thread.now));
            line.owner = number;
            line.owned_since = thread.now;
        }
        line.free_at = thread.now;
        ++thread.updates;
        ++thread.next_word;
        running_ = number;
        if (takes_turns_) states_[word].note_update((number + 1) * 4096);
        ask(thread.now + jitter(loop.work), number);
    }

    // An upper bound: the threads that come to this line at all, except those that are surely busy.
    Time waiting(std::size_t word, Time now) const noexcept {
        Time count = 0;
        for (const std::size_t thread : at_word_[word]) count += threads_[thread].asks_at <= now;
        return count;
    }

    // Up to a tenth more or less.
    Time jitter(Time work) noexcept {
        bits_ = bits_ * 6364136223846793005u + 1442695040888963407u;
        const Time spread = work / 5;
        return work - spread / 2 + (spread > 0 ? static_cast<Time>(bits_ >> 33) % spread : 0);
    }

    // Time goes on from one simulation to the next. The places of words are kept as well.
    static inline Time latest_ = 1000 * millisecond;
    static inline Simulation* current_ = nullptr;

    std::vector<Loop> loops_;
    bool takes_turns_;
    Costs costs_;
    std::vector<Thread> threads_;
    std::vector<Line> words_;
    std::vector<ContentionState> states_;
    std::vector<std::vector<std::size_t>> at_word_;
    std::priority_queue<Request, std::vector<Request>, std::greater<>> requests_;
    Time end_ = latest_;
    std::size_t running_ = 0;
    std::uint64_t bits_ = 1;
    Time longest_wait_ = 0;
    std::uint64_t waits_ = 0;
    std::uint64_t looks_ = 0;
};

Time SimulatedThreads::now() noexcept {
    Simulation& simulation = *Simulation::current_;
    ++simulation.looks_;
    return simulation.threads_[simulation.running_].now += simulation.costs_.clock;
}
void SimulatedThreads::wait_until(Time end) noexcept {
    Simulation& simulation = *Simulation::current_;
    Simulation::Thread& thread = simulation.threads_[simulation.running_];
    if (end <= thread.now) return;
    simulation.longest_wait_ = std::max(simulation.longest_wait_, end - thread.now);
    ++simulation.waits_;
    thread.waited += end - thread.now;
    thread.now = end;
}
Manager& SimulatedThreads::manager() noexcept {
    Simulation& simulation = *Simulation::current_;
    return simulation.threads_[simulation.running_].manager;
}

// ── loops of one kind ──────────────────────────────────────────────────────────────────────────

constexpr Time tight = 20;  // the least that a loop does between two updates, in Python
constexpr std::array<Time, 2> holds{0, 100};

std::uint64_t total(const std::vector<std::uint64_t>& updates) {
    std::uint64_t sum = 0;
    for (const std::uint64_t some : updates) sum += some;
    return sum;
}

struct Outcome {
    double gain;                // by turns: how many updates there are for one without
    double least, most;         // of a thread, for one of the mean
    double least_side_by_side;  // the same without turns
};

Outcome compare(const std::vector<std::uint64_t>& with, const std::vector<std::uint64_t>& without) {
    const auto ratio = [](std::uint64_t some, std::uint64_t others, std::size_t scale = 1) {
        return static_cast<double>(some * scale) / static_cast<double>(others);
    };
    return {ratio(total(with), total(without)),
            ratio(*std::ranges::min_element(with), total(with), with.size()),
            ratio(*std::ranges::max_element(with), total(with), with.size()),
            ratio(*std::ranges::min_element(without), total(without), without.size())};
}

// The outcome for so many loops with this work. Before it, for the time `before`, each loop has
// other work.
Outcome outcome(std::size_t threads, Time work, Time time, Time hold, Time before = 0,
                Time work_before = 0) {
    std::array<std::vector<std::uint64_t>, 2> updates;
    for (const bool takes_turns : {false, true}) {
        Simulation simulation(std::vector<Loop>(threads), takes_turns, {.hold = hold});
        if (before > 0) {
            for (Loop& loop : simulation.loops()) loop.work = work_before;
            simulation.run(before);
        }
        for (Loop& loop : simulation.loops()) loop.work = work;
        updates[takes_turns] = simulation.run(time);
        check(simulation.longest_wait() <= Manager::turn);
    }
    return compare(updates[1], updates[0]);
}

void check_fair(const Outcome& found) {
    check(found.least_side_by_side > 0.9, "the model is unfair by itself");
    check(found.least > 0.75, "a thread waits for others too much");
    check(found.most < 1.33, "a thread lets others wait too much");
}

void check_that_turns_cost_little(std::size_t threads) {
    double least = 1;
    for (const Time hold : holds)
        for (const Time work : {1, 3, 7, 20, 50})
            for (const Time tight_before : {0, 2}) {
                const Outcome found = outcome(threads, work * microsecond, 60 * millisecond, hold,
                                              tight_before * millisecond, 0);
                check(found.gain > 0.97, "turns slow a loop with work of its own down");
                check_fair(found);
                least = std::min(least, found.gain);
            }
    note("in a thousand updates are left", static_cast<std::uint64_t>(1000 * least));
}

TEST(turns_cost_2_loops_with_work_of_their_own_little) { check_that_turns_cost_little(2); }
TEST(turns_cost_4_loops_with_work_of_their_own_little) { check_that_turns_cost_little(4); }
TEST(turns_cost_16_loops_with_work_of_their_own_little) { check_that_turns_cost_little(16); }

void check_that_tight_loops_gain(std::size_t threads, Time work, Time hold, double factor) {
    const Outcome found =
        outcome(threads, work, work == 0 ? 8 * millisecond : 20 * millisecond, hold);
    note("per cent of what is done without turns", static_cast<std::uint64_t>(100 * found.gain));
    check(found.gain > factor);
    if (work > 0) check_fair(found);  // in longer time than it takes to simulate
}

TEST(turns_let_tight_loops_do_more) {
    check_that_tight_loops_gain(2, tight, 0, 1.25);
    check_that_tight_loops_gain(4, tight, 0, 1.7);
    check_that_tight_loops_gain(16, tight, 0, 2.7);
    check_that_tight_loops_gain(2, 0, 0, 4);
    check_that_tight_loops_gain(4, 0, 0, 5);
    check_that_tight_loops_gain(16, 0, 0, 5);
    check_that_tight_loops_gain(2, 0, 100, 1.2);
    check_that_tight_loops_gain(4, tight, 100, 1.2);
    check_that_tight_loops_gain(16, tight, 100, 1.2);
}

// If a line stays with a thread for several updates, turns have nothing to gain.
TEST(turns_that_do_not_help_cost_tight_loops_little) {
    const Outcome found = outcome(2, tight, 50 * millisecond, 100);
    check(0.97 < found.gain && found.gain < 1.03);
    check_fair(found);
}

TEST(loops_that_become_tight_take_turns_soon) {
    for (const Time work : {1, 20})
        for (const std::size_t threads : {2, 16}) {
            Simulation simulation(std::vector<Loop>(threads), true, {});
            for (Loop& loop : simulation.loops()) loop.work = work * microsecond;
            simulation.run(150 * millisecond);  // until rests are as long as they get
            for (Loop& loop : simulation.loops()) loop.work = tight;
            simulation.run(Manager::longest_rest + 10 * millisecond);
            const auto updates = total(simulation.run(5 * millisecond));
            Simulation without(std::vector<Loop>(threads, {tight}), false, {});
            check(static_cast<double>(updates) >
                  1.25 * static_cast<double>(total(without.run(5 * millisecond))));
        }
}

TEST(one_turn_that_was_not_worth_it_is_forgiven_soon) {
    Simulation simulation(std::vector<Loop>(2), true, {});
    const auto run = [&](Time work, Time time) {
        for (Loop& loop : simulation.loops()) loop.work = work;
        return total(simulation.run(time));
    };
    run(microsecond, 150 * millisecond);  // until rests are as long as they get
    run(tight, 2 * Manager::longest_rest);
    const Time before = simulation.waited(0) + simulation.waited(1);
    run(tight, 5 * millisecond);
    check(simulation.waited(0) + simulation.waited(1) - before > 4 * millisecond);
    run(microsecond, millisecond);
    const auto updates = run(tight, 10 * millisecond);
    Simulation without(std::vector<Loop>(2, {tight}), false, {});
    check(static_cast<double>(updates) >
          1.25 * static_cast<double>(total(without.run(10 * millisecond))));
}

TEST(a_loop_that_seldom_updates_never_stands_back) {
    Simulation simulation(std::vector<Loop>(2, {7 * microsecond}), true, {});
    simulation.run(100 * millisecond);
    check_equal(simulation.waits(), 0);
}

TEST(a_thread_alone_neither_stands_back_nor_looks_at_the_clock) {
    for (const Time work : {Time{0}, tight, microsecond}) {
        Simulation simulation({{work}}, true, {});
        simulation.run(millisecond);
        check_equal(simulation.waits(), 0);
        check_equal(simulation.looks_at_clock(), 1);  // when it came
    }
}

// ── loops of several kinds ─────────────────────────────────────────────────────────────────────

TEST(a_loop_with_work_of_its_own_does_not_wait_for_tight_ones) {
    for (const Time hold : holds)
        for (const std::size_t others : {1, 2, 3})
            for (const Time work : {1, 3, 7, 20}) {
                std::array<std::vector<std::uint64_t>, 2> updates;
                for (const bool takes_turns : {false, true}) {
                    std::vector<Loop> loops(others, {tight});
                    loops.push_back({work * microsecond});
                    Simulation simulation(std::move(loops), takes_turns, {.hold = hold});
                    updates[takes_turns] = simulation.run(50 * millisecond);
                }
                for (const std::size_t i : {std::size_t{0}, others})
                    check(static_cast<double>(updates[1][i]) >
                          0.93 * static_cast<double>(updates[0][i]));
                check(compare(updates[1], updates[0]).gain > 0.97);
            }
}

TEST(a_thread_that_never_comes_back_from_its_turn_lets_nobody_wait) {
    Simulation simulation(std::vector<Loop>(3, {tight}), true, {});
    simulation.run(10 * millisecond);
    std::vector<std::uint64_t> updates;
    // Until the thread is in the middle of a turn of its own.
    do updates = simulation.run(50 * microsecond);
    while (updates[0] * 2 < total(updates));
    simulation.loops()[0].work = 3'600'000 * millisecond;
    simulation.run(2 * millisecond);
    updates = simulation.run(20 * millisecond);
    check_equal(updates[0], 0);
    Simulation without(std::vector<Loop>(2, {tight}), false, {});
    check(static_cast<double>(total(updates)) >
          1.25 * static_cast<double>(total(without.run(20 * millisecond))));
}

// ── several words ──────────────────────────────────────────────────────────────────────────────

constexpr std::size_t many = 100;  // words, more than there are places

TEST(no_thread_stands_back_for_threads_at_another_word) {
    for (std::size_t other = 1; other < many; ++other) {
        std::vector<Loop> loops(2, {tight, {0}});
        loops.resize(4, {microsecond, {other}});
        Simulation simulation(std::move(loops), true, {}, many);
        simulation.run(2 * millisecond);  // they have had what turns they try
        const Time before = simulation.waited(2) + simulation.waited(3);
        simulation.run(3 * millisecond);
        check(simulation.waited(2) + simulation.waited(3) - before <= Manager::turn);
        check(simulation.waited(0) + simulation.waited(1) > 4 * millisecond);
    }
}

TEST(words_that_find_no_place_do_without_turns) {
    std::vector<Loop> loops;
    for (std::size_t word = 0; word < many; ++word) loops.resize(2 * word + 2, {tight, {word}});
    std::array<std::vector<std::uint64_t>, 2> updates;
    for (const bool takes_turns : {false, true})
        updates[takes_turns] = Simulation(loops, takes_turns, {}, many).run(2 * millisecond);
    std::size_t without = 0;
    for (std::size_t word = 0; word < many; ++word) {
        std::array<double, 2> done{};
        for (const bool takes_turns : {false, true})
            for (const std::size_t thread : {2 * word, 2 * word + 1})
                done[takes_turns] += static_cast<double>(updates[takes_turns][thread]);
        check(done[1] > 0.97 * done[0]);
        without += done[1] < 1.03 * done[0];
    }
    check(without >= many - 64 && without < many);
}

// By then another word may be at the same address.
TEST(a_word_has_short_rests_again_after_a_long_time) {
    Simulation simulation(std::vector<Loop>(2), true, {});
    const auto run = [&](Time work, Time time) {
        for (Loop& loop : simulation.loops()) loop.work = work;
        simulation.run(time);
    };
    run(microsecond, 150 * millisecond);  // until rests are as long as they get
    run(10 * millisecond, 10 * Manager::longest_rest);
    const std::uint64_t before = simulation.waits();
    run(microsecond, 40 * millisecond);
    check(simulation.waits() >= before + 3);  // rests are short at first, as of a new word
}

// Another word had the place long ago.
TEST(a_place_is_given_to_another_word_when_it_has_not_been_used_for_long) {
    for (int time = 0; time < 3; ++time)
        for (std::size_t word = 0; word < 64; ++word) {
            Simulation simulation(std::vector<Loop>(2, {tight, {word}}), true, {}, many);
            simulation.run(millisecond);
            check(simulation.waited(0) + simulation.waited(1) > millisecond / 2);
        }
}

// ── threads of the system ──────────────────────────────────────────────────────────────────────

TEST(real_threads_at_two_words_come_to_an_end) {
    std::array<atomics::ContentionState, 2> words;
    std::atomic<std::uint64_t> updates{0};
    race(4, [&](std::size_t thread, Random& random) {
        for (Budget budget; budget.more();) {
            for (int i = 0; i < 1000; ++i) words[thread % 2].note_update((thread + 1) * 4096);
            if (random.one_in(10)) words[random.below(2)].note_update((thread + 1) * 4096);
            updates += 1000;
        }
    });
    note("updates", updates);
}

}  // namespace
}  // namespace cereggii::testing
