// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "map/exact.hpp"
#include "map/items.hpp"
#include "map/resize.hpp"
#include "python/iterator.hpp"
#include "python/repr.hpp"
#include "python/types.hpp"

// The operations that AtomicDict and AtomicSet have in common, and their handles.
namespace cereggii::atomicdict {

// Sets the TypeError of a call with too many arguments. Returns null.
PyObject* set_bad_count(const char* method, Py_ssize_t most, Py_ssize_t given);

// Makes room for `keys` more keys, if most of them are likely to be new: if the map has fewer keys
// than that. False with MemoryError.
bool prepare_for(HashMap& map, std::size_t keys);

// Stores these items, and takes over their references. False with an exception. Then the items that
// were stored before stay stored.
bool update_from_items(HashMap& map, Items& items);
// The same for all that another map has at one instant.
bool update_from_map(HashMap& map, HashMap& other);

// A map that belongs to one function. Its content is freed with it.
class ScratchMap {
public:
    ScratchMap() = default;
    // Runs finalizers, and so is not noexcept: see ~Guard.
    ~ScratchMap() noexcept(false) { destroy(map_); }
    ScratchMap(const ScratchMap&) = delete;
    ScratchMap& operator=(const ScratchMap&) = delete;

    HashMap& map() noexcept { return map_; }

private:
    HashMap map_;
};

// A new atomic with the content of the map at one instant.
template <class Atomic>
PyObject* copy_of(HashMap& map) {
    Items items;
    if (!take_items(map, items, TakenBy::table)) return nullptr;
    PyObject* made = make_instance<Atomic>(Types<Atomic>::atomic);
    if (made && !update_from_items(payload<Atomic>(made)->map, items)) Py_CLEAR(made);
    return made;
}

// tp_vectorcall. `AtomicDict()` has no arguments to parse, and no other thread has the new
// instance.
template <class Atomic>
PyObject* call_container_class(PyObject* type, PyObject* const* args, std::size_t count_and_flag,
                               PyObject* names) {
    const Py_ssize_t count = PyVectorcall_NARGS(count_and_flag);
    if (count != 0 || names) return call_class_slowly(type, args, count, names);
    PyObject* self = make_instance<Atomic>(reinterpret_cast<PyTypeObject*>(type));
    if (self) note_creation(self, Immortality::automatic);
    return self;
}

// The arguments of __new__ for a copy. A handle has one: its target. A dict or a set has none: its
// content is put into the copy afterwards.
template <class Accessor>
nb::object new_arguments_of_container(PyObject* self) {
    if (!Accessor::value(self)) throw nb::python_error();
    if constexpr (Accessor::is_handle)
        return nb::make_tuple(nb::borrow(Accessor::target(self)));
    else
        return nb::make_tuple();
}

template <class Accessor>
struct ContainerMethods {
    using Shared = typename Accessor::Shared;

    static Py_ssize_t length(PyObject* self) {
        HashMap* map = Accessor::value(self);
        return map ? exact_length(*map) : -1;
    }

    static PyObject* iterate(PyObject* self) { return make_iterator_of(self, IteratorKind::keys); }

    static PyObject* repr(PyObject* self) {
        HashMap* map = Accessor::peek(self);
        if (!map) return nullptr;
        if constexpr (Accessor::is_handle) return repr_of(self, Py_NewRef(Accessor::target(self)));
        return repr_of_map(self, *map, Shared::fast_iterator);
    }

    static PyObject* clear(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        if (!map || !atomicdict::clear(*map)) return nullptr;
        Py_RETURN_NONE;
    }

    static PyObject* copy(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        return map ? copy_of<Shared>(*map) : nullptr;
    }

    static PyObject* approx_len(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        const Py_ssize_t length = map ? approximate_length(*map) : -1;
        return length < 0 ? nullptr : PyLong_FromSsize_t(length);
    }

    static PyObject* reserve(PyObject* self, PyObject* const* args, Py_ssize_t count,
                             PyObject* keywords) {
        static constexpr Signature<1> signature{"reserve", {{{"n"}}}};
        std::array<PyObject*, 1> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        std::size_t keys = 0;
        if (!map || !to_size(given[0], "n", keys) || !atomicdict::reserve(*map, keys))
            return nullptr;
        Py_RETURN_NONE;
    }

    static PyObject* fast_iter(PyObject* self, PyObject* const* args, Py_ssize_t count,
                               PyObject* keywords) {
        static constexpr Signature<2> signature{
            "fast_iter", {{{"partitions", false}, {"this_partition", false}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        std::size_t parts = 1, part = 0;
        if ((given[0] && !to_size(given[0], "partitions", parts)) ||
            (given[1] && !to_size(given[1], "this_partition", part)))
            return nullptr;
        if (parts == 0) {
            PyErr_SetString(PyExc_ValueError, "partitions must be at least 1, not 0");
            return nullptr;
        }
        if (part >= parts) {
            PyErr_Format(PyExc_ValueError,
                         "this_partition must be less than partitions (%zu), not %zu", parts, part);
            return nullptr;
        }
        HashMap* map = Accessor::value(self);
        return map ? make_fast_iterator(Accessor::target(self), *map,
                                        Accessor::Shared::fast_iterator, part, parts)
                   : nullptr;
    }

    static PyObject* size_in_bytes(PyObject* self, PyObject*) {
        if (!Accessor::peek(self)) return nullptr;
        const Py_ssize_t size = Py_TYPE(self)->tp_basicsize;
        if constexpr (Accessor::is_handle) {
            return PyLong_FromSsize_t(size);
        } else {
            const Py_ssize_t allocated = payload<Shared>(self)->allocated();
            return allocated < 0 ? nullptr : PyLong_FromSsize_t(size + allocated);
        }
    }

    // Converts a non-negative integer. False with an exception.
    static bool to_size(PyObject* object, const char* name, std::size_t& size) {
        std::int64_t value = 0;
        if (!to_int64(object, &value, name)) return false;
        if (value < 0) {
            set_error(PyExc_ValueError, "%s must not be negative, but it is %U", name, object);
            return false;
        }
        size = static_cast<std::size_t>(value);
        return true;
    }

protected:
    static PyObject* make_iterator_of(PyObject* self, IteratorKind kind) {
        HashMap* map = Accessor::value(self);
        return map ? make_iterator(Accessor::target(self), *map, kind) : nullptr;
    }
};

}  // namespace cereggii::atomicdict
