// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "python/mapping_methods.hpp"

// batch_getitem(): many lookups at a time.
namespace cereggii::atomicdict {

// Sets each value of the dict `batch` to the value of the same key in the map, or to NOT_FOUND if
// the key is absent. Looks up `chunk_size` keys at a time, but at most 1024. False with an
// exception.
bool fill_in(HashMap& map, PyObject* batch, std::size_t chunk_size);

template <class Accessor>
struct BatchMethods {
    static PyObject* batch_getitem(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                   PyObject* keywords) {
        static constexpr Signature<2> signature{"batch_getitem",
                                                {{{"batch"}, {"chunk_size", false}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        std::size_t chunk_size = 128;
        if (!map ||
            (given[1] && !MappingMethods<Accessor>::to_size(given[1], "chunk_size", chunk_size)))
            return nullptr;
        if (chunk_size == 0) {
            PyErr_SetString(PyExc_ValueError, "chunk_size must be at least 1, not 0");
            return nullptr;
        }
        if (!PyDict_Check(given[0])) {
            PyErr_Format(PyExc_TypeError, "batch must be a dict, not %R", given[0]);
            return nullptr;
        }
        return fill_in(*map, given[0], chunk_size) ? Py_NewRef(given[0]) : nullptr;
    }
};

}  // namespace cereggii::atomicdict
