// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <thread>

namespace cereggii::testing {

// Stops the thread now and then. It yields the processor, or keeps the thread busy as long as other
// threads take for one operation, or seldom for many. In most phases, the same for all threads, it
// does so seldom. In the others it does so often: to lose some races takes several threads that
// stop at the right places. At some places it stops `times` as often.
inline void interrupt(std::uint32_t times = 1) noexcept {
    using Clock = std::chrono::steady_clock;
    static thread_local std::uint32_t bits =
        static_cast<std::uint32_t>(
            std::hash<std::thread::id>()(std::this_thread::get_id()) ^
            static_cast<std::size_t>(Clock::now().time_since_epoch().count())) |
        1;
    static std::atomic<bool> often{false};
    bits ^= bits << 13;  // xorshift
    bits ^= bits >> 17;
    bits ^= bits << 5;
    const std::uint32_t low = bits % 4096, high = bits / 4096;
    if (low % 1024 == 0) often.store(high % 16 == 0, std::memory_order_relaxed);
    if (low % 512 >= times * (often.load(std::memory_order_relaxed) ? 64 : 1)) return;
    if (high % 64 == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(high / 64 % 128));
    } else if (high % 2 == 0) {
        std::this_thread::yield();
    } else {
        const Clock::time_point end = Clock::now() + std::chrono::nanoseconds(high / 2 % 8192);
        while (Clock::now() < end) continue;
    }
}

// Replaces std::atomic in the interrupted copies of our sources. A thread may lose the processor
// before each operation, and between a load and the use of what it found. Races are won and lost in
// the few nanoseconds between two operations; here they are as long as any other time, even on a
// single core.
template <class T>
class InterruptedAtomic {
public:
    static constexpr bool is_always_lock_free = std::atomic<T>::is_always_lock_free;
    using Order = std::memory_order;

    constexpr InterruptedAtomic() noexcept = default;
    constexpr InterruptedAtomic(T value) noexcept : value_(value) {}

    T load(Order order = std::memory_order_seq_cst) const noexcept {
        interrupt();
        const T value = value_.load(order);
        interrupt();
        return value;
    }
    void store(T value, Order order = std::memory_order_seq_cst) noexcept {
        interrupt();
        value_.store(value, order);
    }
    T exchange(T value, Order order = std::memory_order_seq_cst) noexcept {
        interrupt();
        return value_.exchange(value, order);
    }
    T fetch_add(T value, Order order = std::memory_order_seq_cst) noexcept {
        interrupt();
        return value_.fetch_add(value, order);
    }
    T fetch_sub(T value, Order order = std::memory_order_seq_cst) noexcept {
        interrupt();
        return value_.fetch_sub(value, order);
    }
    T fetch_or(T value, Order order = std::memory_order_seq_cst) noexcept
        requires std::integral<T>
    {
        interrupt();
        return value_.fetch_or(value, order);
    }
    template <class... Orders>
    bool compare_exchange_strong(T& expected, T value, Orders... orders) noexcept {
        interrupt(4);  // what it is about may have changed
        return value_.compare_exchange_strong(expected, value, orders...);
    }

private:
    std::atomic<T> value_{};
};

}  // namespace cereggii::testing
