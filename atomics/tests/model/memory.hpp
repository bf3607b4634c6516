// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cereggii::model {

// The memory that an execution allocates with `new` is freed as a whole, when the next execution
// begins: an execution that has failed runs no destructors. Until then no address is used again.
void free_memory_of_execution() noexcept;
bool is_memory_of_execution(const void* address) noexcept;

}  // namespace cereggii::model
