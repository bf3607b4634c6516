// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

// Leftovers are what a thread has removed while others were pinned, and has not freed itself. They
// are freed by the first of these, so no thread needs to use a dict again:
//
//     freed by                             what        how
//     the thread, at its next removal      its own     guard.hpp
//     the reclaimer thread, 10 ms later    all         reclaimer_thread.hpp
//     a thread that collects garbage       all         an object that is garbage, and is finalized
//     a thread that deallocates a dict     all         free_leftovers()
//     the main thread, at the exit         all         atexit
//
// A thread that removes does not wait for those that are pinned. The processor may have been taken
// away from one of them, and beside many threads that is so nearly each time. (Measured on 2 cores
// beside 16 readers: 20 to 40 µs for each deletion, instead of 1.5.) All others wait, detached,
// until all threads have unpinned that are pinned (cereggii/atomics/reclamation.hpp). Userspace RCU
// has a thread of its own for this, too (Desnoyers et al., 2012: call_rcu). With a GIL everything
// is freed at once, and there are no leftovers.
namespace cereggii::atomicdict {

// To be called once, when the module is imported. Throws.
void prepare_leftovers(nanobind::module_& module);

// Frees all leftovers, of all threads. To be called where any finalizer may run. Keeps an exception
// that is set.
#ifdef Py_GIL_DISABLED
void free_leftovers();
#else
inline void free_leftovers() noexcept {}
#endif

}  // namespace cereggii::atomicdict
