// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/python/blocking.hpp"
#include "python/key_methods.hpp"

// Replacing the value of a key by one that is computed from it.
namespace cereggii::atomicdict {

enum class Stored { yes, again, error };

// Stores `updated` if the value of the key is still `current`, which is null where it was absent.
// With NOT_FOUND for `updated`, removes it. Again: it has changed.
inline Stored store_over(HashMap& map, const Key& key, PyObject* current, PyObject* updated) {
    constexpr UpdateSpec remove{IfAbsent::leave, IfPresent::remove, Values::expected, false};
    constexpr UpdateSpec insert{IfAbsent::insert, IfPresent::keep, Values::any, false};
    constexpr UpdateSpec replace{IfAbsent::leave, IfPresent::replace, Values::expected, false};
    if (updated == not_found && !current) return Stored::yes;  // it was absent, and is to be
    const UpdateResult result = updated == not_found
                                    ? update_key<remove>(map, key, nullptr, current)
                                : current ? update_key<replace>(map, key, updated, current)
                                          : update_key<insert>(map, key, updated);
    drop_found(result);
    switch (result.outcome) {
        case Outcome::inserted:
        case Outcome::replaced:
        case Outcome::removed: return Stored::yes;
        case Outcome::error: return Stored::error;
        default: return Stored::again;
    }
}

// Stores what `make(current)` returns, a new reference, or NOT_FOUND to remove the key; and calls
// it again, if the value has changed meanwhile. `current` is null if the key is absent. Returns
// what is stored, owned, or NOT_FOUND; null with an exception.
//
// Linearizes at the compare-and-swap of the last turn. Lock-free, but for what `make` does: each
// turn, another thread has changed the value.
template <class Make>
PyObject* compute(HashMap& map, const Key& key, const Make& make) {
    for (;;) {
        PyObject* current = nullptr;
        if (look_up<true>(map, key, current) == Found::error) return nullptr;
        PyObject* updated = make(current);
        const Stored stored = updated ? store_over(map, key, current, updated) : Stored::error;
        Py_XDECREF(current);
        if (stored == Stored::yes) return updated;
        Py_XDECREF(updated);
        if (stored == Stored::error) return nullptr;
    }
}

// False with TypeError.
[[nodiscard]] inline bool check_callable(PyObject* object, const char* name) {
    if (PyCallable_Check(object)) return true;
    PyErr_Format(PyExc_TypeError, "%s must be callable, not %R", name, object);
    return false;
}

// A call's result, if it may be stored; NOT_FOUND, too, if `may_remove`. Otherwise null.
inline PyObject* checked_result(PyObject* result, bool may_remove) {
    if (!result || !is_sentinel(result) || (may_remove && result == not_found)) return result;
    refuse_sentinel(result, "a value");
    Py_DECREF(result);
    return nullptr;
}

// The value of the key; if it is absent, that which `factory(key)` returns, once. Null with an
// exception: TimeoutError, if another thread computes it for longer than that.
PyObject* get_or_compute(HashMap& map, HashMap& pending, const Key& key, PyObject* factory,
                         const atomics::Deadline& deadline);

// Removes the keys of which `predicate(key, value)` is true. How many; -1 with an exception.
Py_ssize_t remove_if(HashMap& map, PyObject* predicate);

void bind_computations();
// Once in the life of a process.
void forget_other_computations_after_fork();

template <class Accessor>
struct ComputeMethods {
    static PyObject* get_or_compute(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                    PyObject* keywords) {
        static constexpr Signature<3> signature{"get_or_compute",
                                                {{{"key"}, {"factory"}, {"timeout", false}}}};
        std::array<PyObject*, 3> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        const auto deadline = atomics::Deadline::parse(given[2]);
        if (!deadline) return nullptr;
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(given[0], key) || !check_callable(given[1], "factory"))
            return nullptr;
        PyObject* value = nullptr;
        switch (look_up<true>(*map, key, value)) {
            case Found::present: return value;
            case Found::error: return nullptr;
            case Found::absent: break;
        }
        HashMap& pending = payload<AtomicDict>(Accessor::target(self))->pending;
        return atomicdict::get_or_compute(*map, pending, key, given[1], *deadline);
    }

    static PyObject* compute(PyObject* self, PyObject* const* args, Py_ssize_t count,
                             PyObject* keywords) {
        static constexpr Signature<2> signature{"compute", {{{"key"}, {"fn"}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(given[0], key) || !check_callable(given[1], "fn")) return nullptr;
        return atomicdict::compute(*map, key, [&given](PyObject* current) {
            PyObject* arguments[] = {given[0], current ? current : not_found};
            return checked_result(PyObject_Vectorcall(given[1], arguments, 2, nullptr), true);
        });
    }

    static PyObject* merge(PyObject* self, PyObject* const* args, Py_ssize_t count,
                           PyObject* keywords) {
        static constexpr Signature<3> signature{"merge", {{{"key"}, {"value"}, {"fn"}}}};
        std::array<PyObject*, 3> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(given[0], key) || !may_be_value(given[1]) ||
            !check_callable(given[2], "fn"))
            return nullptr;
        return atomicdict::compute(*map, key, [&given](PyObject* current) {
            if (!current) return Py_NewRef(given[1]);
            PyObject* arguments[] = {current, given[1]};
            return checked_result(PyObject_Vectorcall(given[2], arguments, 2, nullptr), true);
        });
    }

    static PyObject* remove_if(PyObject* self, PyObject* const* args, Py_ssize_t count,
                               PyObject* keywords) {
        static constexpr Signature<1> signature{"remove_if", {{{"predicate"}}}};
        std::array<PyObject*, 1> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        if (!map || !check_callable(given[0], "predicate")) return nullptr;
        const Py_ssize_t removed = atomicdict::remove_if(*map, given[0]);
        return removed < 0 ? nullptr : PyLong_FromSsize_t(removed);
    }
};

}  // namespace cereggii::atomicdict
