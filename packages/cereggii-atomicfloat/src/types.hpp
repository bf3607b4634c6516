// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>

#include "cereggii/atomics/atomic_float64.hpp"
#include "cereggii/atomics/python/accessors.hpp"
#include "cereggii/atomics/python/sharing.hpp"
#include "cereggii/atomics/python/with_backoff.hpp"
#include "cereggii/atomics/striped_float_sum.hpp"

// The C++ objects behind the Python types of this package.
namespace cereggii::atomicfloat {

using namespace atomics;  // NOLINT: what this package is written in

using SharedFloat = WithBackoff<AtomicFloat64>;

struct AtomicFloat {
    static constexpr const char* name = "AtomicFloat";
    // The bytes that are allocated for an instance, with its header.
    static std::size_t memory() noexcept { return 80; }
    using Sharing = ImmortalPolicy;

    SharedFloat number;  // The value.
    // Whether the value is constructed: every pattern of 64 bits is a float. The store is a
    // release, and pairs with the acquire load in constructed(): a thread that reads true also sees
    // the value.
    std::atomic<bool> ready{false};

    explicit AtomicFloat(double value) noexcept : number(value) {
        ready.store(true, std::memory_order_release);
    }
    bool constructed() const noexcept { return ready.load(std::memory_order_acquire); }
    using Value = SharedFloat;
    Value* value() noexcept { return &number; }
};

struct AtomicFloatSum {
    static constexpr const char* name = "AtomicFloatSum";
    using Sharing = ImmortalPolicy;

    StripedFloatSum floats;  // The total, in cells.
    // Whether the sum is constructed: as in AtomicFloat.
    std::atomic<bool> ready{false};

    explicit AtomicFloatSum(double value) noexcept : floats(value) {
        ready.store(true, std::memory_order_release);
    }
    bool constructed() const noexcept { return ready.load(std::memory_order_acquire); }
    std::size_t memory() const noexcept { return 96 + floats.memory(); }
    using Value = StripedFloatSum;
    Value* value() noexcept { return &floats; }
};

using AtomicFloatHandle = Handle<AtomicFloat>;
using AtomicFloatSumHandle = Handle<AtomicFloatSum>;

// Put the types into the module. Each is in the file with the name of the atomic type.
void bind_atomic_float(nanobind::module_& module);
void bind_atomic_float_sum(nanobind::module_& module);

}  // namespace cereggii::atomicfloat
