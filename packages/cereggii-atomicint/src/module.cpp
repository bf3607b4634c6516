// SPDX-License-Identifier: Apache-2.0
#include "binding.hpp"
#include "cereggii/atomics/python/blocking.hpp"

NB_MODULE(_atomicint, module) {
    module.doc() = "The extension behind cereggii_atomicint.";
    // Immortal atomics outlive the interpreter by design.
    nanobind::set_leak_warnings(false);
    cereggii::atomicint::bind_atomic_int(module);
    cereggii::atomicint::bind_atomic_counter(module);
    const nanobind::module_ os = nanobind::module_::import_("os");
    if (nanobind::hasattr(os, "register_at_fork"))
        os.attr("register_at_fork")(nanobind::arg("after_in_child") = nanobind::cpp_function(
                                        [] { cereggii::atomics::WaitQueue::forget_all(); }));
}
