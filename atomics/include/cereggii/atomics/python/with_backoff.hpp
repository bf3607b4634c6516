// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/contention.hpp"

namespace cereggii::atomics {

// A word that many threads may change at the same time, with what contention.hpp needs beside it.
// Call note_update() after every read-modify-write.
template <class Word>
struct WithBackoff : Word {
    using Word::Word;

    CEREGGII_ALWAYS_INLINE void note_update() noexcept {
#ifdef Py_GIL_DISABLED  // with a GIL, threads take turns anyway
        contention.note_update(_Py_ThreadId());
#endif
    }

    ContentionState contention;
};

}  // namespace cereggii::atomics
