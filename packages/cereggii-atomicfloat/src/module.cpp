// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/main_interpreter.hpp"
#include "types.hpp"

NB_MODULE(_atomicfloat_anywhere, module) {
    module.doc() = "The extension behind cereggii_atomicfloat.";
    // Immortal atomics outlive the interpreter by design.
    nanobind::set_leak_warnings(false);
    if (!cereggii::atomics::prepare_sharing(module.ptr())) throw nanobind::python_error();
    cereggii::atomics::add_finish_type(module);
    cereggii::atomicfloat::bind_atomic_float(module);
    cereggii::atomicfloat::bind_atomic_float_sum(module);
    static bool prepared = false;  // still false if an earlier import failed
    if (!prepared) cereggii::atomics::forget_waiters_after_fork();
    prepared = true;
}

// The function that Python looks for.
extern "C" NB_EXPORT PyObject* PyInit__atomicfloat() {
    return cereggii::atomics::main_interpreter_only(PyInit__atomicfloat_anywhere());
}
