// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstdint>

#include "cereggii/atomics/checked_int64.hpp"
#include "cereggii/atomics/python/accessors.hpp"
#include "cereggii/atomics/python/sharing.hpp"
#include "cereggii/atomics/python/with_backoff.hpp"
#include "cereggii/atomics/striped_adder.hpp"

// The C++ objects behind the Python types of this package.
namespace cereggii::atomicint {

using namespace atomics;  // NOLINT: what this package is written in

using SharedInt = WithBackoff<CheckedInt64>;

struct AtomicInt {
    static constexpr const char* name = "AtomicInt";
    // The bytes that are allocated for an instance, with its header.
    static std::size_t memory() noexcept { return 80; }
    using Sharing = ImmortalPolicy;

    SharedInt integer;  // The value.

    explicit AtomicInt(std::int64_t value) noexcept : integer(value) {}
    bool constructed() const noexcept { return integer.constructed(); }
    using Value = SharedInt;
    Value* value() noexcept { return &integer; }
};

struct AtomicCounter {
    static constexpr const char* name = "AtomicCounter";
    using Sharing = ImmortalPolicy;

    StripedAdder adder;  // The total, in cells.
    // Whether the adder is constructed. The store is a release, and pairs with the acquire load in
    // constructed(): a thread that reads true also sees the adder.
    std::atomic<bool> ready{false};

    explicit AtomicCounter(WideSum value) noexcept : adder(value) {
        ready.store(true, std::memory_order_release);
    }
    bool constructed() const noexcept { return ready.load(std::memory_order_acquire); }
    std::size_t memory() const noexcept { return 128 + adder.memory(); }
    using Value = StripedAdder;
    Value* value() noexcept { return &adder; }
};

struct AtomicEvent {
    static constexpr const char* name = "AtomicEvent";
    static std::size_t memory() noexcept { return 64; }
    using Sharing = ImmortalPolicy;
    using Value = std::atomic<std::uint64_t>;

    // The lowest bit says whether the event is set. The other bits are 1 + the number of times that
    // it was set. So a constructed event is never 0.
    Value state;
    static constexpr std::uint64_t flag = 1;  // the lowest bit
    static constexpr std::uint64_t once = 2;  // one time, in the other bits

    explicit AtomicEvent(bool set) noexcept : state(once | (set ? flag : 0)) {}
    // Relaxed: the event has no other fields that could be seen too early.
    bool constructed() const noexcept { return state.load(std::memory_order_relaxed) != 0; }
    Value* value() noexcept { return &state; }

    static bool is_set(std::uint64_t state) noexcept { return (state & flag) != 0; }
    static std::uint64_t after_set(std::uint64_t state) noexcept { return (state | flag) + once; }
};

using AtomicIntHandle = Handle<AtomicInt>;
using AtomicCounterHandle = Handle<AtomicCounter>;

// Put the types into the module. Each is in the file with the name of the atomic type.
void bind_atomic_int(nanobind::module_& module);
void bind_atomic_counter(nanobind::module_& module);
void bind_atomic_event(nanobind::module_& module);

}  // namespace cereggii::atomicint
