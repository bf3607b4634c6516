// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/popitem.hpp"
#include "python/compute.hpp"
#include "python/container_methods.hpp"
#include "python/set_algebra.hpp"

// The methods of AtomicSet and AtomicSetHandle, as plain C functions.
namespace cereggii::atomicdict {

// What a method does with the map of a set and its arguments: see set_algebra.hpp.
using ChangeSet = bool(HashMap&, PyObject*);
using ChangeSetByAll = bool(HashMap&, std::span<PyObject* const>);
using MakeSet = PyObject*(HashMap&, PyObject*);
using MakeSetFromAll = PyObject*(HashMap&, std::span<PyObject* const>);
using AskSet = int(HashMap&, PyObject*);

template <class Accessor>
struct SetMethods : ContainerMethods<Accessor> {
    // ── one element ────────────────────────────────────────────────────────────────────────────

    static int contains(PyObject* self, PyObject* object) {
        HashMap* map = Accessor::value(self);
        if (!map) return -1;
        Key key;
        if (!check_element(object, key)) [[unlikely]] {
            PyObject* frozen = frozen_stand_in(object);
            const int found = frozen ? contains(self, frozen) : -1;
            Py_XDECREF(frozen);
            return found;
        }
        PyObject* unused = nullptr;
        const Found found = look_up<false>(*map, key, unused);
        return found == Found::error ? -1 : found == Found::present;
    }

    static PyObject* add(PyObject* self, PyObject* object) {
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_element(object, key)) return nullptr;
        return as_bool(add_element(*map, key));
    }

    static PyObject* discard(PyObject* self, PyObject* object) {
        return as_bool(discard_any(self, object));
    }

    static PyObject* remove(PyObject* self, PyObject* object) {
        switch (discard_any(self, object)) {
            case ElementResult::changed: Py_RETURN_NONE;
            case ElementResult::unchanged: set_key_error(object); break;
            case ElementResult::error: break;
        }
        return nullptr;
    }

    static PyObject* pop(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        if (!map) return nullptr;
        Popped item{};
        const PopResult result = pop_item(*map, item);
        if (result == PopResult::empty) PyErr_SetString(PyExc_KeyError, "pop from an empty set");
        if (result != PopResult::item) return nullptr;
        Py_DECREF(item.value);
        return item.key;
    }

    static PyObject* remove_if(PyObject* self, PyObject* const* args, Py_ssize_t count,
                               PyObject* keywords) {
        static constexpr Signature<1> signature{"remove_if", {{{"predicate"}}}};
        std::array<PyObject*, 1> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        if (!map || !check_callable(given[0], "predicate")) return nullptr;
        const Py_ssize_t removed = atomicdict::remove_if(*map, given[0], IteratorKind::keys);
        return removed < 0 ? nullptr : PyLong_FromSsize_t(removed);
    }

    // ── all elements ───────────────────────────────────────────────────────────────────────────

    static PyObject* snapshot(PyObject* self, PyObject*) {
        HashMap* map = Accessor::value(self);
        return map ? frozenset_of(*map) : nullptr;
    }

    static PyObject* compare(PyObject* self, PyObject* other, int op) {
        HashMap* map = Accessor::peek(self);
        return map ? compare_sets(*map, other, op) : nullptr;
    }

    // One of the operands is an AtomicSet or a handle: either one, or both.
    template <SetOperator op>
    static PyObject* combined(PyObject* left, PyObject* right) {
        return combine(op, left, right);
    }

    // An in-place operator, or a method with one argument.
    template <ChangeSet* change>
    static PyObject* change_in_place(PyObject* self, PyObject* other) {
        const int is_set = is_any_set(other);
        if (is_set < 0) return nullptr;
        if (!is_set) Py_RETURN_NOTIMPLEMENTED;
        HashMap* map = Accessor::value(self);
        return map && change(*map, other) ? Py_NewRef(self) : nullptr;
    }
    template <ChangeSet* change>
    static PyObject* change_by_one(PyObject* self, PyObject* other) {
        HashMap* map = Accessor::value(self);
        return map && change(*map, other) ? Py_NewRef(Py_None) : nullptr;
    }

    // Methods with any number of arguments.
    template <ChangeSet* change>
    static PyObject* change_by_each(PyObject* self, PyObject* const* args, Py_ssize_t count) {
        HashMap* map = Accessor::value(self);
        if (!map) return nullptr;
        for (Py_ssize_t i = 0; i < count; ++i)
            if (!change(*map, args[i])) return nullptr;
        Py_RETURN_NONE;
    }
    template <ChangeSetByAll* change>
    static PyObject* change_by_all(PyObject* self, PyObject* const* args, Py_ssize_t count) {
        HashMap* map = Accessor::value(self);
        return map && change(*map, all(args, count)) ? Py_NewRef(Py_None) : nullptr;
    }
    template <MakeSetFromAll* make>
    static PyObject* make_from_all(PyObject* self, PyObject* const* args, Py_ssize_t count) {
        HashMap* map = Accessor::value(self);
        return map ? make(*map, all(args, count)) : nullptr;
    }

    template <MakeSet* make>
    static PyObject* make_from_one(PyObject* self, PyObject* other) {
        HashMap* map = Accessor::value(self);
        return map ? make(*map, other) : nullptr;
    }
    template <AskSet* ask>
    static PyObject* answer(PyObject* self, PyObject* other) {
        HashMap* map = Accessor::value(self);
        const int truth = map ? ask(*map, other) : -1;
        return truth < 0 ? nullptr : new_reference(truth != 0);
    }

private:
    static ElementResult discard_any(PyObject* self, PyObject* object) {
        HashMap* map = Accessor::value(self);
        if (!map) return ElementResult::error;
        Key key;
        if (check_element(object, key)) [[likely]]
            return discard_element(*map, key);
        PyObject* frozen = frozen_stand_in(object);
        const ElementResult result = frozen ? discard_any(self, frozen) : ElementResult::error;
        Py_XDECREF(frozen);
        return result;
    }

    static PyObject* as_bool(ElementResult result) {
        return result == ElementResult::error ? nullptr
                                              : new_reference(result == ElementResult::changed);
    }

    static std::span<PyObject* const> all(PyObject* const* args, Py_ssize_t count) {
        return {args, static_cast<std::size_t>(count)};
    }
};

}  // namespace cereggii::atomicdict
