// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

namespace cereggii::testing {

// Gives the processor away now and then, whatever comes next.
inline void interrupt() noexcept {
    static thread_local std::uint32_t bits =
        static_cast<std::uint32_t>(std::hash<std::thread::id>()(std::this_thread::get_id())) | 1;
    bits ^= bits << 13;  // xorshift
    bits ^= bits >> 17;
    bits ^= bits << 5;
    if (bits % 8 == 0) std::this_thread::yield();
}

// What std::atomic is in the copies of our headers that the `_interrupted` tests are built with: a
// thread may lose the processor before each operation, so that the few nanoseconds between two of
// them, where races are won and lost, are as wide as any other place, on a single core as well.
template <class T>
class InterruptedAtomic {
public:
    static constexpr bool is_always_lock_free = std::atomic<T>::is_always_lock_free;
    using Order = std::memory_order;

    constexpr InterruptedAtomic() noexcept = default;
    constexpr InterruptedAtomic(T value) noexcept : value_(value) {}

    T load(Order order = std::memory_order_seq_cst) const noexcept {
        interrupt();
        return value_.load(order);
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
    template <class... Orders>
    bool compare_exchange_strong(T& expected, T value, Orders... orders) noexcept {
        interrupt();
        return value_.compare_exchange_strong(expected, value, orders...);
    }

private:
    std::atomic<T> value_{};
};

}  // namespace cereggii::testing
