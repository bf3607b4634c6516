// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

// The thread that frees what others have removed and not come to free themselves: see
// leftovers.hpp. It is started when something is left and there is none, and ends when nothing has
// been left for a while. It has a thread state of the interpreter only while it frees something.
namespace cereggii::atomicdict {

#ifdef Py_GIL_DISABLED

// After something has been left: sees to it that there is such a thread. Attached.
void provide_reclaimer_thread() noexcept;

// At the exit: waits until it has ended what it has begun. False with an exception of a signal
// handler.
bool end_reclaimer_thread();

// In the child of a fork, where it does not exist.
void forget_reclaimer_thread() noexcept;

// When the module is imported; once. Throws.
void prepare_reclaimer_thread(nanobind::module_& module);

#endif

}  // namespace cereggii::atomicdict
