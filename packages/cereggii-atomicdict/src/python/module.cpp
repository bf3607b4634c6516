// SPDX-License-Identifier: Apache-2.0
#include "cache/atomic_cache.hpp"
#include "cache/memoized.hpp"
#include "cereggii/atomics/python/at_fork.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/main_interpreter.hpp"
#include "map/leftovers.hpp"
#include "map/pauses.hpp"
#include "python/computation.hpp"
#include "python/iterator.hpp"
#include "python/sentinels.hpp"
#include "python/types.hpp"

NB_MODULE(_atomicdict_anywhere, module) {
    module.doc() = "The extension behind cereggii_atomicdict.";
    // Immortal atomics outlive the interpreter by design.
    nanobind::set_leak_warnings(false);
    if (!cereggii::atomics::prepare_sharing(module.ptr())) throw nanobind::python_error();
    cereggii::atomics::add_finish_type(module);
    if (!cereggii::atomicdict::prepare_pauses()) throw nanobind::python_error();
    cereggii::atomicdict::bind_sentinels(module);
    cereggii::atomicdict::bind_iterators(module);
    cereggii::atomicdict::bind_snapshot_iterator(module);
    cereggii::atomicdict::bind_computations();
    cereggii::atomicdict::bind_atomic_dict(module);
    cereggii::atomicdict::bind_atomic_set(module);
    cereggii::atomicdict::bind_atomic_cache(module);
    cereggii::atomicdict::bind_memoized(module);
    static bool prepared = false;  // still false if an earlier import failed
    if (!prepared) {
        cereggii::atomicdict::prepare_leftovers(module);
        cereggii::atomics::forget_waiters_after_fork();
        cereggii::atomicdict::forget_other_computations_after_fork();
        prepared = true;
    }
}

// The function that Python looks for.
extern "C" NB_EXPORT PyObject* PyInit__atomicdict() {
    return cereggii::atomics::main_interpreter_only(PyInit__atomicdict_anywhere());
}
