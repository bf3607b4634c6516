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

// Iteration over the arguments of a method: dicts, sets, iterables, and iterables of pairs.
namespace cereggii::atomicdict {

// What a builtin container has, each item once, in blocks. A small container is one block, so its
// items are those of one instant. A large one is not locked between two blocks: if another thread
// changes it so that its items move, that is an error, as in dict.update. `Reader` reads a dict or
// a set.
template <class Reader>
class ItemBlocks {
public:
    using Item = typename Reader::Item;

    explicit ItemBlocks(PyObject* container) noexcept : reader_(container) {}
    ~ItemBlocks() noexcept(false) {
        release();
        Py_XDECREF(last_);
    }
    ItemBlocks(const ItemBlocks&) = delete;
    ItemBlocks& operator=(const ItemBlocks&) = delete;

    enum class Result { block, end, error };

    // Reads the next block. It replaces the one before.
    Result next() {
        release();
        if (at_end_) return Result::end;
        bool moved = false, has_memory = true;
        atomics::with_object_lock(reader_.container(), [&] {
            moved = last_ && !reader_.is_at(last_);
            if (!moved) has_memory = take();
        });
        Py_CLEAR(last_);
        if (moved) {
            PyErr_SetString(PyExc_RuntimeError, Reader::moved);
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

    // Calls use(item) for each item, until it returns false.
    template <class Use>
    static bool for_each(PyObject* container, const Use& use) {
        ItemBlocks items(container);
        Pace pace;
        for (;;) {
            const Result result = items.next();
            if (result != Result::block) return result == Result::end;
            for (const Item& item : items.block_)
                if (!use(item) || !pace.rest_for_signals()) return false;
        }
    }

private:
    static constexpr std::size_t block_size = 1 << 12;

    // Reads a block. Only under the lock of the container. False: no memory.
    bool take() noexcept {
        try {
            block_.reserve(std::min(reader_.size(), block_size));
            while (block_.size() < block_size) {
                Item item{};
                at_end_ = !reader_.read(item);
                if (at_end_) break;
                block_.push_back(item);
            }
            for (const Item& item : block_) Reader::incref(item);
        } catch (const std::bad_alloc&) {
            return false;
        }
        return true;
    }

    void release() {
        for (const Item& item : std::exchange(block_, {})) Reader::decref(item);
    }

    Reader reader_;
    std::vector<Item> block_;   // The current block. It owns its items.
    bool at_end_ = false;       // Whether the current block is the last one.
    PyObject* last_ = nullptr;  // The last key that was read, owned. Null while a block is read.
};

// Reads an exact dict. Only under its lock.
class DictReader {
public:
    struct Item {
        PyObject* key;
        PyObject* value;
    };
    static constexpr const char* moved = "dict mutated during update";

    explicit DictReader(PyObject* dict) noexcept : dict_(dict) {}
    PyObject* container() const noexcept { return dict_; }
    std::size_t size() const noexcept { return static_cast<std::size_t>(PyDict_GET_SIZE(dict_)); }

    // Sets `item` to the next item. False: there are no more.
    bool read(Item& item) noexcept {
        keys_ = reinterpret_cast<PyDictObject*>(dict_)->ma_keys;
        const Py_ssize_t before = position_;
        if (!PyDict_Next(dict_, &position_, &item.key, &item.value)) return false;
        before_last_ = before;
        return true;
    }
    // Whether the dict has the same array of items as before, and none of them has moved.
    bool is_at(PyObject* last) const noexcept {
        if (reinterpret_cast<PyDictObject*>(dict_)->ma_keys != keys_) return false;
        Py_ssize_t position = before_last_;
        PyObject* key = nullptr;
        return PyDict_Next(dict_, &position, &key, nullptr) && key == last && position == position_;
    }
    static void incref(const Item& item) noexcept {
        Py_INCREF(item.key);
        Py_INCREF(item.value);
    }
    static void decref(const Item& item) {
        Py_DECREF(item.key);
        Py_DECREF(item.value);
    }

private:
    PyObject* dict_;              // The dict, borrowed.
    Py_ssize_t position_ = 0;     // The position after the last item that was read.
    Py_ssize_t before_last_ = 0;  // The position of that item.
    const void* keys_ = nullptr;  // The array of items when it was read. Only compared.
};

// Reads a set or a frozenset. Only under its lock.
class SetReader {
public:
    struct Item {
        PyObject* key;
        Py_hash_t hash;  // As the set has it: __hash__ is not called.
    };
    static constexpr const char* moved = "Set changed size during iteration";

    explicit SetReader(PyObject* set) noexcept : set_(reinterpret_cast<PySetObject*>(set)) {}
    PyObject* container() const noexcept { return reinterpret_cast<PyObject*>(set_); }
    std::size_t size() const noexcept { return static_cast<std::size_t>(set_->used); }

    // Sets `item` to the next element. False: there are no more.
    bool read(Item& item) noexcept {
        table_ = set_->table;
        mask_ = set_->mask;
        for (; index_ <= mask_; ++index_) {
            const setentry& entry = table_[index_];
            // What takes the place of an element that was removed has a hash that no element has.
            if (!entry.key || entry.hash == -1) continue;
            item = {entry.key, entry.hash};
            ++index_;
            return true;
        }
        return false;
    }
    // Whether the set has the same table as before, and none of its elements has moved.
    bool is_at(PyObject* last) const noexcept {
        return set_->table == table_ && set_->mask == mask_ && index_ > 0 &&
               table_[index_ - 1].key == last;
    }
    static void incref(const Item& item) noexcept { Py_INCREF(item.key); }
    static void decref(const Item& item) { Py_DECREF(item.key); }

private:
    PySetObject* set_;                 // The set, borrowed.
    Py_ssize_t index_ = 0;             // The index after that of the last element that was read.
    const setentry* table_ = nullptr;  // The table when it was read.
    Py_ssize_t mask_ = 0;              // Its largest index.
};

using DictItems = ItemBlocks<DictReader>;
using SetElements = ItemBlocks<SetReader>;

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
