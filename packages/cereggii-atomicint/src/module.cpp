// SPDX-License-Identifier: Apache-2.0
#include "binding.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "cereggii/atomics/python/main_interpreter.hpp"

namespace {

void forget_waiters_after_fork() {
    const nanobind::module_ os = nanobind::module_::import_("os");
    if (!nanobind::hasattr(os, "register_at_fork")) return;
    os.attr("register_at_fork")(nanobind::arg("after_in_child") = nanobind::cpp_function(
                                    [] { cereggii::atomics::WaitQueue::forget_all(); }));
}

}  // namespace

NB_MODULE(_atomicint_anywhere, module) {
    module.doc() = "The extension behind cereggii_atomicint.";
    // Immortal atomics outlive the interpreter by design.
    nanobind::set_leak_warnings(false);
    if (!cereggii::atomics::prepare_sharing()) throw nanobind::python_error();
    const bool first = cereggii::atomicint::atomic_int_type == nullptr;
    cereggii::atomicint::bind_atomic_int(module);
    cereggii::atomicint::bind_atomic_counter(module);
    if (first) forget_waiters_after_fork();
}

// The one that Python looks for.
extern "C" NB_EXPORT PyObject* PyInit__atomicint() {
    return cereggii::atomics::main_interpreter_only(PyInit__atomicint_anywhere());
}
