// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include "cereggii/atomics/python/blocking.hpp"
#include "python/key_methods.hpp"

// Operations that compute a value: compute(), merge(), get_or_compute() and remove_if().
namespace cereggii::atomicdict {

enum class StoreResult {
    stored,      // the key has the new value, or is removed
    mismatched,  // the key has another value than expected: nothing was changed
    error,       // an exception is set: nothing was changed
};

// Stores `updated` if the value of the key is still `current`. If `current` is null, stores it only
// if the key is still absent. If `updated` is NOT_FOUND, removes the key.
inline StoreResult store_over(HashMap& map, const Key& key, PyObject* current, PyObject* updated) {
    constexpr UpdateSpec remove{IfAbsent::leave, IfPresent::remove, Values::expected, false};
    constexpr UpdateSpec insert{IfAbsent::insert, IfPresent::keep, Values::any, false};
    constexpr UpdateSpec replace{IfAbsent::leave, IfPresent::replace, Values::expected, false};
    if (updated == not_found && !current) return StoreResult::stored;  // absent, as wanted
    const UpdateResult result = updated == not_found
                                    ? update_key<remove>(map, key, nullptr, current)
                                : current ? update_key<replace>(map, key, updated, current)
                                          : update_key<insert>(map, key, updated);
    drop_found(result);
    switch (result.outcome) {
        case Outcome::inserted:
        case Outcome::replaced:
        case Outcome::removed: return StoreResult::stored;
        case Outcome::error: return StoreResult::error;
        default: return StoreResult::mismatched;
    }
}

// Replaces the value of the key by the result of `make(current)`, a new reference. `current` is
// null if the key is absent. If the result is NOT_FOUND, removes the key. Returns that result,
// owned; null with an exception.
//
// Linearizes at the compare-and-swap of the last iteration. Lock-free apart from what `make` does,
// and from the gate: in each further iteration, another thread has changed the value.
template <class Make>
PyObject* compute(HashMap& map, const Key& key, const Make& make) {
    for (;;) {
        PyObject* current = nullptr;
        if (look_up<true>(map, key, current) == Found::error) return nullptr;
        PyObject* updated = make(current);
        const StoreResult result =
            updated ? store_over(map, key, current, updated) : StoreResult::error;
        Py_XDECREF(current);
        if (result == StoreResult::stored) return updated;
        Py_XDECREF(updated);
        if (result == StoreResult::error) return nullptr;
        // Lost to a concurrent update of the key: compute again from its new value.
    }
}

// False with TypeError.
[[nodiscard]] inline bool check_callable(PyObject* object, const char* name) {
    if (PyCallable_Check(object)) return true;
    PyErr_Format(PyExc_TypeError, "%s must be callable, not %R", name, object);
    return false;
}

// Takes over the result of a call, or null. Returns it if it may be stored, or if it is NOT_FOUND
// and `may_remove`. Otherwise null with ValueError.
inline PyObject* checked_result(PyObject* result, bool may_remove) {
    if (!result || !is_sentinel(result) || (may_remove && result == not_found)) return result;
    refuse_sentinel(result, "a value");
    Py_DECREF(result);
    return nullptr;
}

// The value of the key, a new reference. If the key is absent, one thread inserts the result of
// `factory(key)`. Null with an exception: TimeoutError if another thread is still computing the
// value at the deadline.
PyObject* get_or_compute(HashMap& map, HashMap& pending, const Key& key, PyObject* factory,
                         const atomics::Deadline& deadline);

// Removes the keys for which `predicate(key, value)` is true; for the map of a set,
// `predicate(key)`. Returns their number; -1 with an exception.
Py_ssize_t remove_if(HashMap& map, PyObject* predicate, IteratorKind arguments);

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
        const Py_ssize_t removed = atomicdict::remove_if(*map, given[0], IteratorKind::items);
        return removed < 0 ? nullptr : PyLong_FromSsize_t(removed);
    }
};

}  // namespace cereggii::atomicdict
