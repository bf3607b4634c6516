// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "execution.hpp"

// What stands in the copies of the headers for std::atomic, std::mutex, fences, thread-local
// variables and plain variables that threads pass to each other.
//
// Static variables outlive an execution. Each of them is as at the start of the program when an
// execution uses it first.
namespace cereggii::model {

// An atomic is known by its address, and is as large as the real one: the map makes atomics out of
// zeroed memory.
template <class T>
class Atomic {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));

public:
    using value_type = T;
    static constexpr bool is_always_lock_free = std::atomic<T>::is_always_lock_free;

    constexpr Atomic() noexcept : Atomic(T{}) {}
    constexpr Atomic(T value) noexcept : initial_(value) {
        if (!std::is_constant_evaluated() && Execution::is_running())
            Execution::current().make_location(this, to_bits(value));
    }
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;
    constexpr ~Atomic() {
        if (!std::is_constant_evaluated() && Execution::is_running())
            Execution::current().destroy_location(this, Where::current());
    }

    T load(Order order = std::memory_order_seq_cst,
           const Where& where = Where::current()) const noexcept {
        return from_bits(Execution::current().load(id(), order, where));
    }
    void store(T value, Order order = std::memory_order_seq_cst,
               const Where& where = Where::current()) noexcept {
        Execution::current().store(id(), to_bits(value), order, where);
    }
    T exchange(T value, Order order = std::memory_order_seq_cst,
               const Where& where = Where::current()) noexcept {
        return update(Change::exchange, value, order, where);
    }
    T fetch_add(T value, Order order = std::memory_order_seq_cst,
                const Where& where = Where::current()) noexcept {
        return update(Change::add, value, order, where);
    }
    T fetch_sub(T value, Order order = std::memory_order_seq_cst,
                const Where& where = Where::current()) noexcept {
        return update(Change::subtract, value, order, where);
    }
    T fetch_and(T value, Order order = std::memory_order_seq_cst,
                const Where& where = Where::current()) noexcept {
        return update(Change::bit_and, value, order, where);
    }
    T fetch_or(T value, Order order = std::memory_order_seq_cst,
               const Where& where = Where::current()) noexcept {
        return update(Change::bit_or, value, order, where);
    }
    bool compare_exchange_strong(T& expected, T value, Order order = std::memory_order_seq_cst,
                                 const Where& where = Where::current()) noexcept {
        return compare_exchange(expected, value, order, std::nullopt, where);
    }
    bool compare_exchange_strong(T& expected, T value, Order success, Order failure,
                                 const Where& where = Where::current()) noexcept {
        return compare_exchange(expected, value, success, failure, where);
    }
    // It never fails without a reason: then it would be like a thread that was stopped before it.
    bool compare_exchange_weak(T& expected, T value, Order order = std::memory_order_seq_cst,
                               const Where& where = Where::current()) noexcept {
        return compare_exchange(expected, value, order, std::nullopt, where);
    }
    bool compare_exchange_weak(T& expected, T value, Order success, Order failure,
                               const Where& where = Where::current()) noexcept {
        return compare_exchange(expected, value, success, failure, where);
    }

private:
    static constexpr std::uint64_t mask = sizeof(T) == sizeof(std::uint64_t)
                                              ? ~std::uint64_t{0}
                                              : (std::uint64_t{1} << 8 * sizeof(T) % 64) - 1;

    static std::uint64_t to_bits(T value) noexcept {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof(T));
        return bits;
    }
    static T from_bits(std::uint64_t bits) noexcept {
        T value;
        std::memcpy(&value, &bits, sizeof(T));
        return value;
    }

    LocationId id() const noexcept {
        return Execution::current().location_at(this, to_bits(initial_));
    }
    T update(Change change, T operand, Order order, const Where& where) noexcept {
        return from_bits(
            Execution::current().update(id(), change, to_bits(operand), mask, order, where));
    }
    bool compare_exchange(T& expected, T value, Order success, std::optional<Order> failure,
                          const Where& where) noexcept {
        std::uint64_t bits = to_bits(expected);
        const bool done = Execution::current().compare_exchange(id(), bits, to_bits(value), success,
                                                                failure, where);
        expected = from_bits(bits);
        return done;
    }

    // What it was constructed with. The checker has its values.
    T initial_;
};

// A variable without atomic operations. Two uses of which one is a write have to happen one before
// the other.
template <class T>
class Plain {
public:
    constexpr Plain() noexcept : Plain(T{}) {}
    constexpr Plain(T value) noexcept : initial_(value), value_(value) {
        if (!std::is_constant_evaluated()) begin();
    }
    Plain(const Plain& other) noexcept : Plain(static_cast<T>(other)) {}
    Plain& operator=(const Plain& other) noexcept {
        set(static_cast<T>(other));
        return *this;
    }
    // A destruction is a write.
    constexpr ~Plain() {
        if (!std::is_constant_evaluated() && Execution::current().is_running()) note_write();
    }

    T operator=(T value) noexcept {
        set(value);
        return value;
    }
    operator T() const noexcept {
        note_read();
        return value_;
    }
    T operator->() const noexcept { return *this; }
    T operator++() noexcept { return *this = static_cast<T>(static_cast<T>(*this) + 1); }
    T operator+=(T amount) noexcept {
        return *this = static_cast<T>(static_cast<T>(*this) + amount);
    }
    T operator&=(T mask) noexcept { return *this = static_cast<T>(static_cast<T>(*this) & mask); }

private:
    void begin() noexcept {
        Execution& execution = Execution::current();
        if (!execution.is_running() || execution.is_static(this)) return;
        execution_ = execution.number();
        written_ = execution.step();
        execution.note_plain(
            this, [](const void* self) { static_cast<const Plain*>(self)->note_write(); });
    }
    void begin_if_static() const noexcept {
        Execution& execution = Execution::current();
        if (execution_ == execution.number()) return;
        execution_ = execution.number();
        value_ = initial_;
        written_ = {};
        read_ = {};
    }
    void note_read() const noexcept {
        Execution& execution = Execution::current();
        if (!execution.is_running()) return;
        begin_if_static();
        if (!execution.happened(written_))
            execution.fail("a data race: a plain variable is read that another thread has written");
        read_.steps[execution.thread()] = execution.step().number;
    }
    void note_write() const noexcept {
        Execution& execution = Execution::current();
        begin_if_static();
        if (!execution.happened(written_) || !execution.happened(read_))
            execution.fail("a data race: a plain variable is written that another thread uses");
        written_ = execution.step();
    }
    void set(T value) noexcept {
        if (Execution::current().is_running()) note_write();
        value_ = value;
    }

    T initial_;
    mutable T value_;
    mutable std::uint32_t execution_ = 0;
    mutable Execution::Step written_{};
    mutable Clock read_{};
};

class Mutex {
public:
    constexpr Mutex() noexcept = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock(const Where& where = Where::current()) noexcept {
        Execution& execution = Execution::current();
        if (execution_ != execution.number()) {
            execution_ = execution.number();
            is_held_ = false;
            const OutsideOfExecution outside;
            passed_.clear();
        }
        execution.acquire_when([this] { return !is_held_; }, passed_, where);
        is_held_ = true;
    }
    void unlock(const Where& where = Where::current()) noexcept {
        is_held_ = false;
        Execution::current().release(passed_, where);
    }

private:
    std::uint32_t execution_ = 0;
    bool is_held_ = false;
    View passed_;
};

// What a thread sleeps on until another one posts it, once.
class Signal {
public:
    void post(const Where& where = Where::current()) noexcept {
        is_posted_ = true;
        Execution::current().release(passed_, where);
    }
    void wait(const Where& where = Where::current()) noexcept {
        Execution::current().acquire_when([this] { return is_posted_; }, passed_, where);
    }

private:
    bool is_posted_ = false;
    View passed_;
};

// One variable of each thread.
template <class T>
class ThreadLocal {
public:
    constexpr ThreadLocal() noexcept = default;
    constexpr ThreadLocal(T initial) noexcept : initial_(initial) {}
    ThreadLocal(const ThreadLocal&) = delete;
    ThreadLocal& operator=(const ThreadLocal&) = delete;

    operator T() const noexcept { return mine(); }
    T operator=(T value) noexcept { return mine() = value; }

private:
    T& mine() const noexcept {
        Execution& execution = Execution::current();
        Of& of = all_[execution.is_running() ? execution.thread() : 0];
        if (std::exchange(of.execution, execution.number()) != execution.number())
            of.value = initial_;
        return of.value;
    }

    struct Of {
        T value{};
        std::uint32_t execution = UINT32_MAX;
    };
    T initial_{};
    mutable std::array<Of, max_threads> all_{};
};

// The thread-local object of this type. Its destructor runs at the end of the thread.
template <class T>
T& thread_local_object() noexcept {
    struct Of {
        alignas(T) std::byte memory[sizeof(T)];
        std::uint32_t execution = 0;
    };
    static std::array<Of, max_threads> all{};
    Execution& execution = Execution::current();
    Of& of = all[execution.thread()];
    if (of.execution != execution.number()) {
        of.execution = execution.number();
        ::new (static_cast<void*>(of.memory)) T;
        execution.at_thread_end([](std::size_t thread) {
            all[thread].execution = 0;
            reinterpret_cast<T*>(all[thread].memory)->~T();
        });
    }
    return *reinterpret_cast<T*>(of.memory);
}

inline void fence(Order order, const Where& where = Where::current()) noexcept {
    Execution::current().fence(order, where);
}

inline void yield() noexcept { Execution::current().yield(); }

}  // namespace cereggii::model
