// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// Tells tracemalloc of memory that does not come from the interpreter's allocators. Attached.
namespace cereggii::atomicdict {

void trace(std::uintptr_t address, std::size_t size) noexcept;
void untrace(std::uintptr_t address) noexcept;

}  // namespace cereggii::atomicdict
