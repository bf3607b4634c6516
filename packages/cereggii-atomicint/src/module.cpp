// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "cereggii/atomics/python/main_interpreter.hpp"
#include "types.hpp"

namespace {

PyObject* to_seconds(PyObject*, PyObject* timeout) {
    const auto seconds = cereggii::atomics::Timeout::parse(timeout);
    return seconds ? PyFloat_FromDouble(*seconds) : nullptr;
}

// For waits that are written in Python: `_to_seconds(timeout)`.
PyMethodDef functions[] = {
    {"_to_seconds", &to_seconds, METH_O,
     "_to_seconds($module, timeout, /)\n--\n\n"
     "Return the number of seconds that a wait with this timeout lasts at most: inf for None.\n"
     "For a wrong timeout it raises what every wait raises."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

NB_MODULE(_atomicint_anywhere, module) {
    module.doc() = "The extension behind cereggii_atomicint.";
    // Immortal atomics outlive the interpreter by design.
    nanobind::set_leak_warnings(false);
    if (!cereggii::atomics::prepare_sharing(module.ptr())) throw nanobind::python_error();
    cereggii::atomics::add_finish_type(module);
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw nanobind::python_error();
    cereggii::atomicint::bind_atomic_int(module);
    cereggii::atomicint::bind_atomic_counter(module);
    cereggii::atomicint::bind_atomic_event(module);
    static bool prepared = false;  // still false if an earlier import failed
    if (!prepared) cereggii::atomics::forget_waiters_after_fork();
    prepared = true;
}

// The function that Python looks for.
extern "C" NB_EXPORT PyObject* PyInit__atomicint() {
    return cereggii::atomics::main_interpreter_only(PyInit__atomicint_anywhere());
}
