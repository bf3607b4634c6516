// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "cereggii/atomics/python/instances.hpp"
#include "map/pauses.hpp"

// Iteration over the arguments of a method: dicts, iterables, and iterables of pairs.
namespace cereggii::atomicdict {

// The items of a dict, each once, in blocks. A small dict is one block, so its items are those of
// one instant. A large dict is not locked between two blocks: if another thread changes it so that
// its items move, that is an error, as in dict.update.
class DictItems {
public:
    struct Item {
        PyObject* key;    // The key, owned.
        PyObject* value;  // The value, owned.
    };

    explicit DictItems(PyObject* dict) noexcept : dict_(dict) {}
    ~DictItems() noexcept(false) {
        release();
        Py_XDECREF(last_);
    }
    DictItems(const DictItems&) = delete;
    DictItems& operator=(const DictItems&) = delete;

    enum class Result { block, end, error };

    // Reads the next block. It replaces the one before.
    Result next() {
        release();
        if (at_end_) return Result::end;
        bool moved = false, has_memory = true;
        atomics::with_object_lock(dict_, [&] {
            moved = last_ && !is_at_last();
            if (!moved) has_memory = take();
        });
        Py_CLEAR(last_);
        if (moved) {
            PyErr_SetString(PyExc_RuntimeError, "dict mutated during update");
            return Result::error;
        }
        if (!has_memory) {
            PyErr_NoMemory();
            return Result::error;
        }
        if (!at_end_) last_ = Py_NewRef(block_.back().key);
        return block_.empty() ? Result::end : Result::block;
    }
    std::span<const Item> block() const noexcept { return block_; }

    // Calls use(key, value) for each item, until it returns false.
    template <class Use>
    static bool for_each(PyObject* dict, const Use& use) {
        DictItems items(dict);
        Pace pace;
        for (;;) {
            const Result result = items.next();
            if (result != Result::block) return result == Result::end;
            for (const Item& item : items.block_)
                if (!use(item.key, item.value) || !pace.rest_for_signals()) return false;
        }
    }

private:
    static constexpr std::size_t block_size = 1 << 12;

    // Whether the dict has the same array of items as before, and none of them has moved.
    bool is_at_last() const noexcept {
        if (reinterpret_cast<PyDictObject*>(dict_)->ma_keys != keys_) return false;
        Py_ssize_t position = before_last_;
        PyObject* key = nullptr;
        return PyDict_Next(dict_, &position, &key, nullptr) && key == last_ &&
               position == position_;
    }

    // Reads a block. Only under the lock of the dict. False: no memory.
    bool take() noexcept {
        try {
            block_.reserve(std::min(static_cast<std::size_t>(PyDict_GET_SIZE(dict_)), block_size));
            keys_ = reinterpret_cast<PyDictObject*>(dict_)->ma_keys;
            PyObject* key = nullptr;
            PyObject* value = nullptr;
            for (Py_ssize_t before = position_; block_.size() < block_size; before = position_) {
                at_end_ = !PyDict_Next(dict_, &position_, &key, &value);
                if (at_end_) break;
                before_last_ = before;
                block_.push_back({key, value});
            }
            for (const Item& item : block_) {
                Py_INCREF(item.key);
                Py_INCREF(item.value);
            }
        } catch (const std::bad_alloc&) {
            return false;
        }
        return true;
    }

    void release() {
        for (const Item& item : std::exchange(block_, {})) {
            Py_DECREF(item.key);
            Py_DECREF(item.value);
        }
    }

    PyObject* dict_;              // The dict, borrowed.
    std::vector<Item> block_;     // The current block.
    bool at_end_ = false;         // Whether the current block is the last one.
    Py_ssize_t position_ = 0;     // The position after the last item that was read.
    Py_ssize_t before_last_ = 0;  // The position of that item.
    const void* keys_ = nullptr;  // The array of items when it was read. Only compared.
    PyObject* last_ = nullptr;    // The key of that item, owned. Null while a block is read.
};

// Calls `use(item, number)` for each item of an iterable, until it returns false. False then, or
// with an exception.
template <class Use>
bool for_each(PyObject* iterable, const Use& use) {
    PyObject* iterator = PyObject_GetIter(iterable);
    if (!iterator) return false;
    bool ok = true;
    // While an iterable that is not Python code runs, no other thread could stop the world.
    Pace pace;
    for (Py_ssize_t number = 0; ok; ++number) {
        PyObject* item = PyIter_Next(iterator);
        if (!item) {
            ok = !PyErr_Occurred();
            break;
        }
        ok = use(item, number) && pace.rest_for_signals();
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return ok;
}

// Adds the number of the element to the TypeError that is set, in the words of dict.update.
inline void add_element_number(Py_ssize_t number) {
#if PY_VERSION_HEX >= 0x030E0000
    PyObject* error = PyErr_GetRaisedException();
    PyObject* note = PyUnicode_FromFormat(
        "Cannot convert dictionary update sequence element #%zd to a sequence", number);
    PyObject* added = note ? PyObject_CallMethod(error, "add_note", "O", note) : nullptr;
    Py_XDECREF(note);
    if (added) {
        Py_DECREF(added);
        PyErr_SetRaisedException(error);
    } else {  // another exception is set instead: there was no memory, say
        Py_DECREF(error);
    }
#else
    PyErr_Format(PyExc_TypeError,
                 "cannot convert dictionary update sequence element #%zd to a sequence", number);
#endif
}

// Calls `use(first, second)` for an element that has two items. For any other element, false with
// the error of dict.update.
template <class Use>
bool unpack_pair(PyObject* element, Py_ssize_t number, const Use& use) {
    PyObject* items = nullptr;
    if (PyTuple_CheckExact(element)) [[likely]] {
        items = Py_NewRef(element);
    } else {
        PyObject* sequence = PySequence_Fast(element, "object is not iterable");
        if (!sequence) {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) add_element_number(number);
            return false;
        }
        // Another thread may change the list, so its items are copied at once.
        items = PySequence_Tuple(sequence);
        Py_DECREF(sequence);
        if (!items) return false;
    }
    bool ok = false;
    if (PyTuple_GET_SIZE(items) == 2)
        ok = use(PyTuple_GET_ITEM(items, 0), PyTuple_GET_ITEM(items, 1));
    else
        PyErr_Format(PyExc_ValueError,
                     "dictionary update sequence element #%zd has length %zd; 2 is required",
                     number, PyTuple_GET_SIZE(items));
    Py_DECREF(items);
    return ok;
}

template <class Use>
bool for_each_pair(PyObject* pairs, const Use& use) {
    return for_each(pairs, [&](PyObject* element, Py_ssize_t number) {
        return unpack_pair(element, number, use);
    });
}

}  // namespace cereggii::atomicdict
