// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstdint>

#include "cereggii/atomics/contention.hpp"

namespace cereggii::atomics {

// To be called after every read-modify-write of a word that threads may be hammering, with what it
// held before and after. With a GIL, threads take turns anyway.
[[gnu::always_inline]] inline void note_update([[maybe_unused]] const void* word,
                                               [[maybe_unused]] std::int64_t before,
                                               [[maybe_unused]] std::int64_t after) noexcept {
#ifdef Py_GIL_DISABLED
    ContentionManager::note_update(word, before, after);
#endif
}

[[gnu::always_inline]] inline void note_update(const void* word, const void* before,
                                               const void* after) noexcept {
    note_update(word, static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(before)),
                static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(after)));
}

}  // namespace cereggii::atomics
