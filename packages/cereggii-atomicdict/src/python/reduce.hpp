// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/python/arguments.hpp"
#include "python/compute.hpp"
#include "python/types.hpp"

// Aggregating what many threads bring, each with an iterable of its own, in one dict.
namespace cereggii::atomicdict {

enum class Reduction { sum, all_true, any_true, maximum, minimum, list };

// False with an exception; everything that was taken from the iterable before is in the map, but
// for what the exception's attribute `not_reduced` says.
bool reduce_by_call(HashMap& map, PyObject* pairs, PyObject* fn);
bool reduce_by(HashMap& map, PyObject* pairs, Reduction reduction);
bool reduce_count(HashMap& map, PyObject* keys_or_mapping);

template <class Accessor>
struct ReduceMethods {
    static PyObject* reduce(PyObject* self, PyObject* const* args, Py_ssize_t count,
                            PyObject* keywords) {
        static constexpr Signature<2> signature{
            "reduce", {{{"pairs", true, "iterable"}, {"fn", true, "aggregate"}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        if (!map || !check_callable(given[1], "fn") || !reduce_by_call(*map, given[0], given[1]))
            return nullptr;
        Py_RETURN_NONE;
    }

    template <MethodName Method, Reduction which>
    static PyObject* reduce_specialised(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                        PyObject* keywords) {
        static constexpr Signature<1> signature{Method.text, {{{"pairs", true, "iterable"}}}};
        std::array<PyObject*, 1> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        if (!map || !reduce_by(*map, given[0], which)) return nullptr;
        Py_RETURN_NONE;
    }

    static PyObject* reduce_count(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                  PyObject* keywords) {
        static constexpr Signature<1> signature{"reduce_count",
                                                {{{"keys_or_mapping", true, "iterable"}}}};
        std::array<PyObject*, 1> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        if (!map || !atomicdict::reduce_count(*map, given[0])) return nullptr;
        Py_RETURN_NONE;
    }
};

}  // namespace cereggii::atomicdict
