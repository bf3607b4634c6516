// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>
#include <new>

#include "cereggii/atomics/live_count.hpp"

namespace cereggii::atomicdict {

// The number of keys in a chain of tables. All tables of the chain share it.
class LiveCount : public atomics::LiveCount {
public:
    // Null: no memory.
    static LiveCount* allocate() noexcept {
        void* memory = PyMem_RawMalloc(sizeof(LiveCount));
        return memory ? new (memory) LiveCount : nullptr;
    }
    static void deallocate(LiveCount* count) noexcept {
        if (!count) return;
        count->~LiveCount();
        PyMem_RawFree(count);
    }

    // With this object itself.
    std::size_t size_in_bytes() const noexcept { return sizeof(LiveCount) + memory(); }
};

}  // namespace cereggii::atomicdict
