// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "check.hpp"

// What concurrent tests are made of: threads that start together, meet again, and do random things
// for a bounded time.
namespace cereggii::testing {

// splitmix64. Each pair (seed of the process, stream) gives numbers of its own.
class Random {
public:
    explicit Random(std::uint64_t stream = 0) noexcept
        : state_(seed() + stream * 0xD1B54A32D192ED03u) {
        next();
    }

    std::uint64_t next() noexcept {
        std::uint64_t bits = state_ += 0x9E3779B97F4A7C15u;
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
        return bits ^ (bits >> 31);
    }

    // One of 0, ..., n - 1.
    std::size_t below(std::size_t n) noexcept { return next() % n; }
    bool one_in(std::size_t n) noexcept { return below(n) == 0; }

    template <class Range>
    const auto& pick(const Range& range) noexcept {
        return range[below(range.size())];
    }

    // Any 64 bits. Many leading and trailing zeros and ones, where errors are, are likely.
    std::int64_t int64() noexcept {
        const auto bits = static_cast<std::int64_t>(next()) >> below(64);
        return one_in(4) ? static_cast<std::int64_t>(static_cast<std::uint64_t>(bits) << below(64))
                         : bits;
    }

private:
    std::uint64_t state_;
};

// Ends a loop when its time is over, or after so many rounds if that is sooner. So a test tries
// less on a slow machine, and is as right. There is at least one round.
class Budget {
public:
    using Time = std::chrono::milliseconds;

    // Long enough for the scheduler to have spread the threads over the cores.
    static constexpr Time usual{400};

    explicit Budget(Time time = usual, std::uint64_t rounds = UINT64_MAX) noexcept
        : rounds_(rounds), end_(Clock::now() + time) {}

    bool more() noexcept {
        if (used_ == rounds_ || (used_ % 16 == 15 && Clock::now() >= end_)) return false;
        ++used_;
        return true;
    }

    std::uint64_t used() const noexcept { return used_; }

private:
    using Clock = std::chrono::steady_clock;
    std::uint64_t rounds_;
    std::uint64_t used_ = 0;
    Clock::time_point end_;
};

// Up to `most` iterations of an empty loop, to vary where threads meet.
inline void linger(Random& random, std::size_t most) noexcept {
    for (std::size_t left = random.below(most + 1); left > 0; --left)
        std::atomic_signal_fence(std::memory_order_seq_cst);  // keeps the loop
}

// A barrier whose threads spin, so that they leave it within nanoseconds of each other.
class Rendezvous {
public:
    explicit Rendezvous(std::size_t count) noexcept : count_(count) {}

    void arrive_and_wait() noexcept {
        const int round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins)
            if (spins > 100) std::this_thread::yield();
    }

private:
    const std::size_t count_;
    std::atomic<std::size_t> arrived_{0};
    std::atomic<int> round_{0};
};

// Runs `body(index, random)` in `count` threads that start together, until all have returned.
template <class Body>
void race(std::size_t count, const Body& body) {
    Rendezvous start(count);
    std::vector<std::jthread> threads;
    threads.reserve(count);
    for (std::size_t index = 0; index < count; ++index)
        threads.emplace_back([&, index] {
            Random random(index + 1);
            start.arrive_and_wait();
            body(index, random);
        });
}

}  // namespace cereggii::testing
