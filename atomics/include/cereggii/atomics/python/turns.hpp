// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/contention.hpp"

namespace cereggii::atomics {

// A word that threads may be hammering: to be told of every read-modify-write.
template <class Word>
struct Hammered : Word {
    using Word::Word;

    [[gnu::always_inline]] void note_update() noexcept {
#ifdef Py_GIL_DISABLED  // with a GIL, threads take turns anyway
        turns.note_update(_Py_ThreadId());
#endif
    }

    Turns turns;
};

}  // namespace cereggii::atomics
