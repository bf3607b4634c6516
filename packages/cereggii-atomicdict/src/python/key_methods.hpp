// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/arguments.hpp"
#include "map/lookup.hpp"
#include "map/update.hpp"
#include "python/sentinels.hpp"
#include "python/types.hpp"

// The methods of AtomicDict and AtomicDictHandle on one key, as plain C functions.
namespace cereggii::atomicdict {

// Sets KeyError as dict does: the key is the only argument, even if it is a tuple.
CEREGGII_COLD inline void set_key_error(PyObject* key) {
    PyObject* error = PyObject_CallOneArg(PyExc_KeyError, key);
    if (!error) return;
    PyErr_SetObject(PyExc_KeyError, error);
    Py_DECREF(error);
}

// False with ValueError, if the object is a sentinel.
CEREGGII_ALWAYS_INLINE bool may_be_key(PyObject* object) {
    if (!is_sentinel(object)) [[likely]]
        return true;
    refuse_sentinel(object, "a key");
    return false;
}
CEREGGII_ALWAYS_INLINE bool may_be_value(PyObject* object) {
    if (!is_sentinel(object)) [[likely]]
        return true;
    refuse_sentinel(object, "a value");
    return false;
}
// Makes a Key of the object. False with an exception.
CEREGGII_ALWAYS_INLINE bool check_key(PyObject* object, Key& key) {
    return may_be_key(object) && make_key(object, key);
}

inline PyObject* or_none(PyObject* object) noexcept { return object ? object : Py_None; }

// `d[key] = value`. Checks the key and the value. False with an exception.
inline bool store(HashMap& map, PyObject* key_object, PyObject* value) {
    Key key;
    if (!check_key(key_object, key) || !may_be_value(value)) return false;
    constexpr UpdateSpec set{IfAbsent::insert, IfPresent::replace, Values::any, false};
    const UpdateResult result = KeyUpdate<set>(map, key, value).run();
    drop_found(result);
    return result.outcome != Outcome::error;
}

// The common part of `compare_and_set` and `compare_and_exchange`: stores `updated` if the key is
// absent (for NOT_FOUND), in every case (for ANY), or if its value matches `expected`.
inline UpdateResult compare_and_store(HashMap& map, const Key& key, PyObject* expected,
                                      PyObject* updated) {
    if (expected == not_found)
        return update_key<UpdateSpec{IfAbsent::insert, IfPresent::keep}>(map, key, updated);
    if (expected == any)
        return update_key<UpdateSpec{IfAbsent::insert, IfPresent::replace}>(map, key, updated);
    return update_key<UpdateSpec{IfAbsent::leave, IfPresent::replace, Values::expected}>(
        map, key, updated, expected);
}

// The interned strings "__missing__" and "__mro__", made when the module is imported.
inline PyObject* missing_name = nullptr;
inline PyObject* mro_name = nullptr;

// Calls the __missing__ of a subclass. Null without an exception if there is none; null with the
// exception if it raises.
inline PyObject* call_missing(PyObject* dict, PyObject* key) {
    PyTypeObject* type = Py_TYPE(dict);
    if (type == Types<AtomicDict>::atomic) return nullptr;
    PyObject* missing = atomics::find_in_class(type, missing_name, mro_name);
    if (!missing) return nullptr;
    PyObject* value = nullptr;
    if (PyType_HasFeature(Py_TYPE(missing), Py_TPFLAGS_METHOD_DESCRIPTOR)) {
        PyObject* arguments[] = {dict, key};  // usually a function: no bound method is made
        value = PyObject_Vectorcall(missing, arguments, 2, nullptr);
    } else if (const descrgetfunc bind = Py_TYPE(missing)->tp_descr_get) {
        PyObject* bound = bind(missing, dict, reinterpret_cast<PyObject*>(type));
        value = bound ? PyObject_CallOneArg(bound, key) : nullptr;
        Py_XDECREF(bound);
    } else {
        value = PyObject_CallOneArg(missing, key);
    }
    Py_DECREF(missing);
    return value;
}

template <class Accessor>
struct KeyMethods {
    // ── the mapping slots ──────────────────────────────────────────────────────────────────────

    static PyObject* subscript(PyObject* self, PyObject* key_object) {
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(key_object, key)) return nullptr;
        PyObject* value = nullptr;
        const Found found = look_up<true>(*map, key, value);
        if (found == Found::present) [[likely]]
            return value;
        if (found == Found::error) return nullptr;
        value = call_missing(Accessor::target(self), key_object);
        if (!value && !PyErr_Occurred()) set_key_error(key_object);
        return value;
    }

    static int assign(PyObject* self, PyObject* key_object, PyObject* value) {
        HashMap* map = Accessor::value(self);
        if (!map) return -1;
        if (value) return store(*map, key_object, value) ? 0 : -1;
        Key key;
        if (!check_key(key_object, key)) return -1;
        constexpr UpdateSpec remove{IfAbsent::leave, IfPresent::remove, Values::any, false};
        const UpdateResult result = update_key<remove>(*map, key, nullptr);
        drop_found(result);
        if (result.outcome == Outcome::removed) return 0;
        if (result.outcome == Outcome::absent) set_key_error(key_object);
        return -1;
    }

    static int contains(PyObject* self, PyObject* key_object) {
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(key_object, key)) return -1;
        PyObject* unused = nullptr;
        const Found found = look_up<false>(*map, key, unused);
        return found == Found::error ? -1 : found == Found::present;
    }

    // ── methods of dict ────────────────────────────────────────────────────────────────────────

    static PyObject* get(PyObject* self, PyObject* const* args, Py_ssize_t count,
                         PyObject* keywords) {
        static constexpr Signature<2> signature{"get", {{{"key"}, {"default", false}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(given[0], key)) return nullptr;
        PyObject* value = nullptr;
        switch (look_up<true>(*map, key, value)) {
            case Found::present: return value;
            case Found::absent: return Py_NewRef(or_none(given[1]));
            case Found::error: break;
        }
        return nullptr;
    }

    static PyObject* pop(PyObject* self, PyObject* const* args, Py_ssize_t count,
                         PyObject* keywords) {
        static constexpr Signature<2> signature{"pop", {{{"key"}, {"default", false}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(given[0], key)) return nullptr;
        const UpdateResult result =
            update_key<UpdateSpec{IfAbsent::leave, IfPresent::remove}>(*map, key, nullptr);
        if (result.outcome == Outcome::removed) return result.found;
        if (result.outcome == Outcome::error) return nullptr;
        if (given[1]) return Py_NewRef(given[1]);
        set_key_error(given[0]);
        return nullptr;
    }

    static PyObject* setdefault(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                PyObject* keywords) {
        static constexpr Signature<2> signature{"setdefault", {{{"key"}, {"default", false}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        Key key;
        PyObject* value = or_none(given[1]);
        if (!map || !check_key(given[0], key) || !may_be_value(value)) return nullptr;
        const UpdateResult result =
            update_key<UpdateSpec{IfAbsent::insert, IfPresent::keep}>(*map, key, value);
        return result.outcome == Outcome::inserted ? Py_NewRef(value) : result.found;
    }

    // ── compare and set ────────────────────────────────────────────────────────────────────────

    static PyObject* get_and_set(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                 PyObject* keywords) {
        static constexpr Signature<2> signature{"get_and_set",
                                                {{{"key"}, {"updated", true, "desired"}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(given[0], key) || !may_be_value(given[1])) return nullptr;
        const UpdateResult result =
            update_key<UpdateSpec{IfAbsent::insert, IfPresent::replace}>(*map, key, given[1]);
        return result.outcome == Outcome::inserted ? Py_NewRef(not_found) : result.found;
    }

    static PyObject* compare_and_set(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                     PyObject* keywords) {
        UpdateResult result;
        PyObject* expected = nullptr;
        PyObject* key = nullptr;
        if (!compare_and_store_given("compare_and_set", self, args, count, keywords, key, expected,
                                     result))
            return nullptr;
        if (result.outcome == Outcome::inserted || result.outcome == Outcome::replaced) {
            drop_found(result);
            Py_RETURN_NONE;
        }
        return set_expectation_failed(key, expected, result.found);
    }

    static PyObject* compare_and_exchange(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                          PyObject* keywords) {
        UpdateResult result;
        PyObject* expected = nullptr;
        PyObject* key = nullptr;
        if (!compare_and_store_given("compare_and_exchange", self, args, count, keywords, key,
                                     expected, result))
            return nullptr;
        return result.found ? result.found : Py_NewRef(not_found);
    }

    static PyObject* compare_and_delete(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                        PyObject* keywords) {
        static constexpr Signature<2> signature{"compare_and_delete", {{{"key"}, {"expected"}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(given[0], key) || !may_be_expected(given[1], false)) return nullptr;
        const UpdateResult result =
            given[1] == any
                ? update_key<UpdateSpec{IfAbsent::leave, IfPresent::remove}>(*map, key, nullptr)
                : update_key<UpdateSpec{IfAbsent::leave, IfPresent::remove, Values::expected}>(
                      *map, key, nullptr, given[1]);
        if (result.outcome == Outcome::error) return nullptr;
        if (result.outcome == Outcome::removed) {
            drop_found(result);
            Py_RETURN_NONE;
        }
        return set_expectation_failed(given[0], given[1], result.found);
    }

private:
    // ANY can be expected, and so can NOT_FOUND if `absent` makes sense. EXPECTATION_FAILED cannot.
    // False with ValueError.
    static bool may_be_expected(PyObject* expected, bool absent) {
        if (!is_sentinel(expected) || expected == any || (absent && expected == not_found))
            return true;
        refuse_sentinel(expected, "expected");
        return false;
    }

    // Parses the arguments of `method`, and does compare_and_store(). False with an exception.
    static bool compare_and_store_given(const char* method, PyObject* self, PyObject* const* args,
                                        Py_ssize_t count, PyObject* keywords, PyObject*& key_object,
                                        PyObject*& expected, UpdateResult& result) {
        const Signature<3> signature{method,
                                     {{{"key"}, {"expected"}, {"updated", true, "desired"}}}};
        std::array<PyObject*, 3> given;
        if (!signature.parse(args, count, keywords, given)) return false;
        HashMap* map = Accessor::value(self);
        Key key;
        if (!map || !check_key(given[0], key) || !may_be_expected(given[1], true) ||
            !may_be_value(given[2]))
            return false;
        key_object = given[0];
        expected = given[1];
        result = compare_and_store(*map, key, expected, given[2]);
        return result.outcome != Outcome::error;
    }

    // Sets ExpectationFailed. `found` is the value, whose reference is released; null: the key is
    // absent. Returns null.
    CEREGGII_COLD static PyObject* set_expectation_failed(PyObject* key, PyObject* expected,
                                                          PyObject* found) {
        PyErr_Format(ExpectationFailed, "the value of key %R is %R, not %R", key,
                     found ? found : not_found, expected);
        Py_XDECREF(found);
        return nullptr;
    }
};

}  // namespace cereggii::atomicdict
