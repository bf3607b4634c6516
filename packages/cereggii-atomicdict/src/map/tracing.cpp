// SPDX-License-Identifier: Apache-2.0
#include "map/tracing.hpp"

// Without Python.h, whose declarations of these are not those of C functions to C++, in Python
// before 3.13 and in some releases of that.
extern "C" {
int PyTraceMalloc_Track(unsigned int domain, std::uintptr_t address, std::size_t size);
int PyTraceMalloc_Untrack(unsigned int domain, std::uintptr_t address);
}

namespace cereggii::atomicdict {

namespace {

constexpr unsigned int domain = 0;  // of the interpreter's own memory

}  // namespace

void trace(std::uintptr_t address, std::size_t size) noexcept {
    PyTraceMalloc_Track(domain, address, size);
}

void untrace(std::uintptr_t address) noexcept { PyTraceMalloc_Untrack(domain, address); }

}  // namespace cereggii::atomicdict
