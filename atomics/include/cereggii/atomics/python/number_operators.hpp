// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cereggii/atomics/python/accessors.hpp"
#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/values.hpp"

// The operators and the protocol of a builtin number, for AtomicInt and AtomicFloat. `Number` is
// described in number_methods.hpp.
//
// A plain operator reads the current value as an int or a float, and does what the interpreter does
// with that object. So every result is that of the builtin type. If the types of both operands do
// not implement the operator, it returns NotImplemented. Then the interpreter asks the other
// operand about the atomic itself, and otherwise raises a TypeError that names both types.
//
// An in-place operator is one atomic read-modify-write. Its result is the same object.
namespace cereggii::atomics {

// ── plain ──────────────────────────────────────────────────────────────────────────────────────

// Whether two members of PyNumberMethods are the same one.
template <auto A, auto B>
inline constexpr bool same_slot = false;
template <auto A>
inline constexpr bool same_slot<A, A> = true;

// The function by which the object's type implements an operator, or null.
template <auto Slot>
auto implementation(PyObject* object) {
    const PyNumberMethods* methods = Py_TYPE(object)->tp_as_number;
    return methods ? methods->*Slot : nullptr;
}

// Whether the interpreter asks `right` first: its type is derived from the type of `left`.
inline bool goes_first(PyObject* right, PyObject* left) {
    return Py_TYPE(right) != Py_TYPE(left) && PyType_IsSubtype(Py_TYPE(right), Py_TYPE(left));
}

// Calls each of the functions once with these operands, except null, until one implements the
// operator. Returns a new reference: to the result, or to NotImplemented; null with an exception.
template <std::size_t Count, class Function, class... Operands>
PyObject* ask_each(const std::array<Function, Count>& functions, Operands... operands) {
    for (std::size_t i = 0; i < Count; ++i) {
        if (!functions[i] || std::find(functions.begin(), functions.begin() + i, functions[i]) !=
                                 functions.begin() + i)
            continue;
        PyObject* result = functions[i](operands...);
        if (result != Py_NotImplemented) return result;
        Py_DECREF(result);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

template <class Number>
struct NumberOperators {
    using Word = typename Number::Word;

    // An operand, as find() sees it.
    struct Operand {
        bool found;  // Whether it is the atomic, a handle, or an instance of a subclass.
        Word* word;  // Its value. Null if `found` is false, or if an exception is set.
    };

    static Operand find(PyObject* object) {
        using Atomic = typename Number::Atomic;
        if (Py_IS_TYPE(object, Number::builtin())) return {false, nullptr};
        if (PyObject_TypeCheck(object, Types<Atomic>::atomic))
            return {true, AtomicAccessor<Atomic>::value(object)};
        if (PyObject_TypeCheck(object, Types<Atomic>::handle))
            return {true, HandleAccessor<Atomic>::value(object)};
        return {false, nullptr};
    }

    // The operand that the builtin operators can use: the current value if `object` is an atomic or
    // a handle, otherwise the object itself. A new reference; null with an exception.
    static PyObject* plain(PyObject* object) {
        const Operand operand = find(object);
        if (!operand.found) return Py_NewRef(object);
        return operand.word ? Number::to_python(operand.word->load()) : nullptr;
    }

    // CPython calls a binary slot with the instance on either side, or on both.
    template <auto Slot>
    static PyObject* binary(PyObject* left, PyObject* right) {
        PyObject* a = plain(left);
        PyObject* b = a ? plain(right) : nullptr;
        PyObject* result = nullptr;
        if (b) {
            std::array functions{implementation<Slot>(a), implementation<Slot>(b)};
            if (goes_first(b, a)) std::swap(functions[0], functions[1]);
            // Both operands are unchanged, so none is an atomic: to call their functions could call
            // this function again, without end.
            result =
                a == left && b == right ? Py_NewRef(Py_NotImplemented) : ask_each(functions, a, b);
        }
        Py_XDECREF(b);
        Py_XDECREF(a);
        return result;
    }

    static PyObject* power(PyObject* base, PyObject* exponent, PyObject* modulus) {
        PyObject* a = plain(base);
        PyObject* b = a ? plain(exponent) : nullptr;
        PyObject* m = b ? plain(modulus) : nullptr;
        PyObject* result = nullptr;
        if (m) {
            constexpr auto slot = &PyNumberMethods::nb_power;
            std::array functions{implementation<slot>(a), implementation<slot>(b),
                                 m == Py_None ? nullptr : implementation<slot>(m)};
            if (goes_first(b, a)) std::swap(functions[0], functions[1]);
            result = a == base && b == exponent && m == modulus ? Py_NewRef(Py_NotImplemented)
                                                                : ask_each(functions, a, b, m);
        }
        Py_XDECREF(m);
        Py_XDECREF(b);
        Py_XDECREF(a);
        return result;
    }

    template <unaryfunc Operation>
    static PyObject* unary(PyObject* self) {
        PyObject* value = plain(self);
        if (!value) return nullptr;
        PyObject* result = Operation(value);
        Py_DECREF(value);
        return result;
    }

    static PyObject* compare(PyObject* self, PyObject* other, int operation) {
        static constexpr int swapped[] = {Py_GT, Py_GE, Py_EQ, Py_NE, Py_LT, Py_LE};
        PyObject* a = plain(self);
        PyObject* b = a ? plain(other) : nullptr;
        PyObject* result = nullptr;
        if (b) {
            const richcmpfunc theirs = Py_TYPE(b)->tp_richcompare;
            const bool they_go_first = theirs && goes_first(b, a);
            result =
                they_go_first ? theirs(b, a, swapped[operation]) : Py_NewRef(Py_NotImplemented);
            if (result == Py_NotImplemented) {
                Py_DECREF(result);
                result = Number::builtin()->tp_richcompare(a, b, operation);
            }
            if (result == Py_NotImplemented && theirs && !they_go_first &&
                !Py_IS_TYPE(b, Number::builtin())) {
                Py_DECREF(result);
                result = theirs(b, a, swapped[operation]);
            }
        }
        Py_XDECREF(b);
        Py_XDECREF(a);
        return result;
    }

    static int truth(PyObject* self) {
        const Operand operand = find(self);
        return operand.word ? operand.word->load() != 0 : -1;
    }

    // Calls the builtin type's method of this name on the current value, with the same arguments.
    template <MethodName Method>
    static PyObject* forward(PyObject* self, PyObject* const* args, Py_ssize_t count,
                             PyObject* keywords) {
        const Py_ssize_t total = count + (keywords ? PyTuple_GET_SIZE(keywords) : 0);
        constexpr Py_ssize_t most = 7;
        if (total > most)
            return PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)",
                                Method.text, most, total);
        PyObject* value = plain(self);
        PyObject* name = value ? PyUnicode_InternFromString(Method.text) : nullptr;
        PyObject* result = nullptr;
        if (name) {
            PyObject* stack[most + 1] = {value};
            std::copy_n(args, total, stack + 1);
            result = PyObject_VectorcallMethod(name, stack, static_cast<std::size_t>(count + 1),
                                               keywords);
            Py_DECREF(name);
        }
        Py_XDECREF(value);
        return result;
    }

    // The property of the builtin type with this name, of the current value.
    template <MethodName Attribute>
    static PyObject* forward_property(PyObject* self, void*) {
        PyObject* value = plain(self);
        PyObject* result = value ? PyObject_GetAttrString(value, Attribute.text) : nullptr;
        Py_XDECREF(value);
        return result;
    }
};

// ── in place ───────────────────────────────────────────────────────────────────────────────────

// The builtin type's own arithmetic, without what its subclasses override. It runs no Python code,
// so it can be done between the load and the compare-and-swap of an atomic update.
template <class Number, auto Slot>
PyObject* builtin_result(PyObject* left, PyObject* right) {
    const auto function = Number::builtin()->tp_as_number->*Slot;
    if constexpr (same_slot<Slot, &PyNumberMethods::nb_power>)
        return function(left, right, Py_None);
    else
        return function(left, right);
}

// What differs, besides what number_methods.hpp says:
//
//     static PyObject* operand(PyObject* operand, const char* op);
//                                  the right-hand side of an in-place operator, as an instance of
//                                  the builtin type: a new reference; null with an exception
//     template <auto Slot>
//     static PyObject* apply(Value found, PyObject* left, PyObject* right, const char* op);
//                                  builtin_result(), or null with an exception. `left` is `found`
//     static bool to_result(PyObject* result, Value found, PyObject* right, const char* op,
//                           Value* updated);
//                                  what is stored for the result. False with an exception
template <class Accessor, class Number>
struct NumberInPlace {
    // Stores the result of the builtin operator. If another thread changes the value meanwhile, it
    // is computed again from the new value.
    template <auto Slot, MethodName Symbol>
    static PyObject* update(PyObject* self, PyObject* operand) {
        auto* word = Accessor::value(self);
        PyObject* right = word ? Number::operand(operand, Symbol.text) : nullptr;
        if (!right) return nullptr;
        PyObject* result = store<Slot>(self, word, right, Symbol.text);
        Py_DECREF(right);
        return result;
    }

    static PyObject* power(PyObject* self, PyObject* exponent, PyObject* modulus) {
        if (modulus != Py_None) {
            set_error(PyExc_TypeError, "**= takes no modulus, got %U", modulus);
            return nullptr;
        }
        return update<&PyNumberMethods::nb_power, "**=">(self, exponent);
    }

    // An operator that the atomic does not have. Without this function Python would bind the name
    // to what the operand makes of the plain operator.
    template <MethodName Symbol>
    static PyObject* refused(PyObject*, PyObject* operand) {
        char format[64];
        PyOS_snprintf(format, sizeof(format), "an atomic %s does not support %%s (with %%U)",
                      Number::noun);
        set_error(PyExc_TypeError, format, Symbol.text, operand);
        return nullptr;
    }

private:
    template <auto Slot>
    static PyObject* store(PyObject* self, typename Number::Word* word, PyObject* right,
                           const char* op) {
        typename Number::Value found = word->load();
        for (;;) {
            PyObject* left = Number::to_python(found);
            PyObject* result =
                left ? Number::template apply<Slot>(found, left, right, op) : nullptr;
            Py_XDECREF(left);
            if (!result) return nullptr;
            typename Number::Value updated{};
            const bool ok = Number::to_result(result, found, right, op, &updated);
            Py_DECREF(result);
            if (!ok) return nullptr;
            if (word->replace(found, updated)) return Py_NewRef(self);
            // Lost to a concurrent update: compute again from the value that is there now.
        }
    }
};

}  // namespace cereggii::atomics
