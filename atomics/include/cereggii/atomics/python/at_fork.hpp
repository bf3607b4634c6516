// SPDX-License-Identifier: Apache-2.0
#pragma once

#ifndef _WIN32
#include <pthread.h>
#endif

#include <new>

namespace cereggii::atomics {

// Calls `forget` in the child of every fork, before anything else happens there. The only thread of
// the child is the one that forked. It does not use os.register_at_fork: hooks that were registered
// earlier run earlier, and may start threads, which must not be forgotten with those of the parent.
// Call it once in a process. `forget` may do only what is allowed in the child of a process with
// several threads.
inline void call_in_forked_children([[maybe_unused]] void (*forget)()) {
#ifndef _WIN32
    if (pthread_atfork(nullptr, nullptr, forget) != 0) throw std::bad_alloc();
#endif
}

}  // namespace cereggii::atomics
