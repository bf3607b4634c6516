// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/main_interpreter.hpp"
#include "types.hpp"

NB_MODULE(_atomicint_anywhere, module) {
    module.doc() = "The extension behind cereggii_atomicint.";
    // Immortal atomics outlive the interpreter by design.
    nanobind::set_leak_warnings(false);
    if (!cereggii::atomics::prepare_sharing(module.ptr())) throw nanobind::python_error();
    cereggii::atomics::add_finish_type(module);
    const bool first = cereggii::atomics::Types<cereggii::atomicint::AtomicInt>::atomic == nullptr;
    cereggii::atomicint::bind_atomic_int(module);
    cereggii::atomicint::bind_atomic_counter(module);
    cereggii::atomicint::bind_atomic_event(module);
    if (first) cereggii::atomics::forget_waiters_after_fork();
}

// The one that Python looks for.
extern "C" NB_EXPORT PyObject* PyInit__atomicint() {
    return cereggii::atomics::main_interpreter_only(PyInit__atomicint_anywhere());
}
