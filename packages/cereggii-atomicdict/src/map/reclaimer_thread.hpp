// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

// The reclaimer thread frees what other threads have removed and not freed themselves
// (leftovers.hpp). It is started when something is left and there is no such thread, and ends when
// nothing has been left for a while. It has a thread state of the interpreter only while it frees
// something.
namespace cereggii::atomicdict {

#ifdef Py_GIL_DISABLED

// Makes sure that there is such a thread. To be called after something was left, attached.
void ensure_reclaimer_thread() noexcept;

// Waits until the thread has ended what it has begun, at the exit. It begins nothing after that.
// False with an exception that a signal handler has raised.
bool end_reclaimer_thread();

// In the child of a fork, where the thread does not exist.
void forget_reclaimer_thread() noexcept;

// To be called once, when the module is imported. Throws.
void prepare_reclaimer_thread(nanobind::module_& module);

#endif

}  // namespace cereggii::atomicdict
