// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a thread has removed while others were inside, and has not come to free itself: when else it
// is freed. Nobody needs to use a dict again for that.
//
//     who frees it                         what        by way of
//     the thread, at its next removal      its own     session.hpp
//     the main thread, shortly afterwards  its own     a pending call
//     the thread, when it ends             its own     an object in the dict of its thread state
//     whoever collects garbage             all         an object that is garbage, and is finalized
//     whoever deallocates a dict           all         free_leftovers()
//     the main thread, at the exit         all         atexit
//
// Each waits, detached, until all who are inside have left, which they do soon: see
// atomics/reclamation.hpp. With a GIL everything is freed at once, and there are no leftovers.
namespace cereggii::atomicdict {

// When the module is imported; once. Throws.
void prepare_leftovers();

// Where any finalizer may run. Keeps an exception that is set.
#ifdef Py_GIL_DISABLED
void free_leftovers();
#else
inline void free_leftovers() noexcept {}
#endif

}  // namespace cereggii::atomicdict
