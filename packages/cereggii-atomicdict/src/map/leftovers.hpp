// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

// What a thread has removed while others were pinned, and has not come to free itself: when else it
// is freed. Nobody needs to use a dict again for that.
//
//     who frees it                         what        by way of
//     the thread, at its next removal      its own     guard.hpp
//     the reclaimer thread, 10 ms later    all         reclaimer_thread.hpp
//     whoever collects garbage             all         an object that is garbage, and is finalized
//     whoever deallocates a dict           all         free_leftovers()
//     the main thread, at the exit         all         atexit
//
// A thread that removes does not wait for those who are pinned: the processor may have been taken
// away from them, and beside many threads it would wait for one of them each time. All others wait,
// detached, until all who are pinned have left, see atomics/reclamation.hpp. A thread of their own
// for that is what userspace RCU has (Desnoyers et al., 2012: call_rcu). With a GIL everything is
// freed at once, and there are no leftovers.
namespace cereggii::atomicdict {

// When the module is imported; once. Throws.
void prepare_leftovers(nanobind::module_& module);

// Where any finalizer may run. Keeps an exception that is set.
#ifdef Py_GIL_DISABLED
void free_leftovers();
#else
inline void free_leftovers() noexcept {}
#endif

}  // namespace cereggii::atomicdict
