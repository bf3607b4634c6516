// SPDX-License-Identifier: Apache-2.0
#include "python/repr.hpp"

#include <algorithm>
#include <utility>

#include "cereggii/atomics/python/binding.hpp"
#include "map/items.hpp"
#include "map/tuning.hpp"

// The repr of an AtomicDict and of an AtomicSet. It gives what the repr of a dict or a frozenset
// would give, but other threads can stop the world in the meantime.
namespace cereggii::atomicdict {

namespace {

namespace nb = nanobind;

// A text that is made of many parts. They are joined in blocks, and the blocks are copied into the
// result at the end, with pauses.
class JoinedText {
public:
    JoinedText() : texts_(owned_or_throw(PyList_New(0))), block_(owned_or_throw(PyList_New(0))) {}

    void add(const nb::object& text) {
        if (PyList_Append(block_.ptr(), text.ptr()) < 0) throw nb::python_error();
        if (PyList_GET_SIZE(block_.ptr()) == tuning::reprs_joined) end_block();
    }

    nb::object take() {
        end_block();
        const Py_ssize_t count = PyList_GET_SIZE(texts_.ptr());
        Py_ssize_t length = 0;
        Py_UCS4 largest = 0;
        for (Py_ssize_t i = 0; i < count; ++i) {
            PyObject* text = PyList_GET_ITEM(texts_.ptr(), i);
            length += PyUnicode_GET_LENGTH(text);
            largest = std::max<Py_UCS4>(largest, PyUnicode_MAX_CHAR_VALUE(text));
        }
        nb::object all = owned_or_throw(PyUnicode_New(length, largest));
        Pace pace(tuning::texts_between_looks);
        Py_ssize_t at = 0;
        for (Py_ssize_t i = 0; i < count; ++i) {
            PyObject* text = PyList_GET_ITEM(texts_.ptr(), i);
            const Py_ssize_t added = PyUnicode_GET_LENGTH(text);
            if (added > 0 && PyUnicode_CopyCharacters(all.ptr(), at, text, 0, added) < 0)
                throw nb::python_error();
            at += added;
            if (!pace.rest_for_signals()) throw nb::python_error();
        }
        return all;
    }

private:
    void end_block() {
        const nb::object none = owned_or_throw(PyUnicode_FromString(""));
        const nb::object text = owned_or_throw(PyUnicode_Join(none.ptr(), block_.ptr()));
        if (PyList_Append(texts_.ptr(), text.ptr()) < 0) throw nb::python_error();
        block_ = owned_or_throw(PyList_New(0));
    }

    nb::object texts_;  // A list of the texts of the blocks that are complete.
    nb::object block_;  // A list of the parts of the current block.
};

nb::object write(PyObject* self, const Items& items, IteratorKind kind) {
    if (kind == IteratorKind::keys && items.size() == 0)
        return owned_or_throw(PyUnicode_FromFormat("%s()", short_name(self)));
    JoinedText text;
    text.add(owned_or_throw(PyUnicode_FromFormat("%s({", short_name(self))));
    bool is_first = true;
    Pace pace(tuning::reprs_between_looks);
    const bool ok = items.for_each([&](const Items::Item& item, const auto&) {
        const char* separator = std::exchange(is_first, false) ? "" : ", ";
        text.add(owned_or_throw(
            kind == IteratorKind::keys
                ? PyUnicode_FromFormat("%s%R", separator, item.key_object())
                : PyUnicode_FromFormat("%s%R: %R", separator, item.key_object(), item.value)));
        return pace.rest_for_signals();
    });
    if (!ok) throw nb::python_error();
    text.add(owned_or_throw(PyUnicode_FromString("})")));
    return text.take();
}

PyObject* write_map(PyObject* self, HashMap& map, IteratorKind kind) {
    Items items;
    if (!take_items(map, items)) return nullptr;
    try {
        return write(self, items, kind).release().ptr();
    } catch (nb::python_error& error) {
        error.restore();
    }
    return nullptr;
}

}  // namespace

PyObject* repr_of_map(PyObject* self, HashMap& map, IteratorKind kind) {
    const int entered = Py_ReprEnter(self);
    if (entered > 0) return PyUnicode_FromFormat("%s(...)", short_name(self));
    if (entered < 0) return nullptr;
    PyObject* text = write_map(self, map, kind);
    Py_ReprLeave(self);
    return text;
}

}  // namespace cereggii::atomicdict
