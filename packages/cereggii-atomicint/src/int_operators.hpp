// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "cereggii/atomics/compiler.hpp"
#include "int_methods.hpp"

// The operators of AtomicInt and AtomicIntHandle.
//
// A plain operator reads the current value as an int, and does what the interpreter does with that
// int. So every result is int's own. If the types of both operands do not implement the operator,
// it returns NotImplemented. Then the interpreter asks the other operand about the atomic itself,
// and otherwise raises a TypeError that names both types.
//
// An in-place operator is one atomic read-modify-write. Its result is the same object.
namespace cereggii::atomicint {

// The operand that int's operators can use: the current value as an int if `object` is an AtomicInt
// or a handle, otherwise the object itself. A new reference; null with an exception.
inline PyObject* plain(PyObject* object) {
    const Operand operand = find_atomic_int(object);
    if (!operand.found) return Py_NewRef(object);
    return operand.value ? to_python(operand.value->load()) : nullptr;
}

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

// CPython calls a binary slot with the instance on either side, or on both.
template <auto Slot>
PyObject* binary(PyObject* left, PyObject* right) {
    PyObject* a = plain(left);
    PyObject* b = a ? plain(right) : nullptr;
    PyObject* result = nullptr;
    if (b) {
        std::array functions{implementation<Slot>(a), implementation<Slot>(b)};
        if (goes_first(b, a)) std::swap(functions[0], functions[1]);
        // Both operands are unchanged, so none is an AtomicInt: to call their functions could call
        // this function again, without end.
        result = a == left && b == right ? Py_NewRef(Py_NotImplemented) : ask_each(functions, a, b);
    }
    Py_XDECREF(b);
    Py_XDECREF(a);
    return result;
}

inline PyObject* power(PyObject* base, PyObject* exponent, PyObject* modulus) {
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
PyObject* unary(PyObject* self) {
    PyObject* value = plain(self);
    if (!value) return nullptr;
    PyObject* result = Operation(value);
    Py_DECREF(value);
    return result;
}

inline PyObject* compare(PyObject* self, PyObject* other, int operation) {
    static constexpr int swapped[] = {Py_GT, Py_GE, Py_EQ, Py_NE, Py_LT, Py_LE};
    PyObject* a = plain(self);
    PyObject* b = a ? plain(other) : nullptr;
    PyObject* result = nullptr;
    if (b) {
        const richcmpfunc theirs = Py_TYPE(b)->tp_richcompare;
        const bool they_go_first = theirs && goes_first(b, a);
        result = they_go_first ? theirs(b, a, swapped[operation]) : Py_NewRef(Py_NotImplemented);
        if (result == Py_NotImplemented) {
            Py_DECREF(result);
            result = PyLong_Type.tp_richcompare(a, b, operation);
        }
        if (result == Py_NotImplemented && theirs && !they_go_first && !PyLong_CheckExact(b)) {
            Py_DECREF(result);
            result = theirs(b, a, swapped[operation]);
        }
    }
    Py_XDECREF(b);
    Py_XDECREF(a);
    return result;
}

// ── in place ───────────────────────────────────────────────────────────────────────────────────

// int's own arithmetic, without what subclasses of int override. It runs no Python code, so it can
// be done between the load and the compare-and-swap of an atomic update.
enum class IntOperator {
    multiply,
    floor_divide,
    remainder,
    power,
    lshift,
    rshift,
    and_,
    or_,
    xor_
};

constexpr const char* symbol(IntOperator op) {
    constexpr const char* symbols[] = {"*=", "//=", "%=", "**=", "<<=", ">>=", "&=", "|=", "^="};
    return symbols[static_cast<int>(op)];
}

template <IntOperator Op>
PyObject* apply(PyObject* a, PyObject* b) {
    const PyNumberMethods& integer = *PyLong_Type.tp_as_number;
    switch (Op) {
        case IntOperator::multiply: return integer.nb_multiply(a, b);
        case IntOperator::floor_divide: return integer.nb_floor_divide(a, b);
        case IntOperator::remainder: return integer.nb_remainder(a, b);
        case IntOperator::power: return integer.nb_power(a, b, Py_None);
        case IntOperator::lshift: return integer.nb_lshift(a, b);
        case IntOperator::rshift: return integer.nb_rshift(a, b);
        case IntOperator::and_: return integer.nb_and(a, b);
        case IntOperator::or_: return integer.nb_or(a, b);
        case IntOperator::xor_: return integer.nb_xor(a, b);
    }
    Py_UNREACHABLE();
}

// Whether the result certainly does not fit in 64 bits. Then it is not computed: 2 ** 10**9 would
// take all of the machine's memory.
template <IntOperator Op>
bool certainly_overflows(std::int64_t value, PyObject* operand) {
    std::int64_t amount = 0;
    const bool huge = exceeds_int64(operand, &amount);
    const bool many = huge ? int64_overflow(operand) > 0 : amount >= 64;
    if constexpr (Op == IntOperator::lshift) return many && value != 0;
    if constexpr (Op == IntOperator::power) return many && value != 0 && value != 1 && value != -1;
    return false;
}

CEREGGII_COLD inline PyObject* set_result_overflow(const char* op, std::int64_t value,
                                                   PyObject* operand) {
    if (PyObject* text = shown(operand)) {
        PyErr_Format(PyExc_OverflowError,
                     "the result of %lld %s %U does not fit in a signed 64-bit integer",
                     static_cast<long long>(value), op, text);
        Py_DECREF(text);
    }
    return nullptr;
}

// The right-hand side of an in-place operator, as an int of any size: a new reference. Null with an
// exception.
inline PyObject* integer_operand(PyObject* operand, const char* op) {
    if (PyLong_Check(operand)) [[likely]]
        return Py_NewRef(operand);
    if (PyIndex_Check(operand)) return PyNumber_Index(operand);
    // It does not return NotImplemented: Python would bind the name to the result of the plain
    // operator, and the variable would silently no longer be the shared integer.
    set_error(PyExc_TypeError, "the right-hand side of %s must be an integer, not %U", op, operand);
    return nullptr;
}

template <class Accessor>
struct IntInPlace {
    template <char Sign>
    static PyObject* add(PyObject* self, PyObject* operand) {
        constexpr const char* op = Sign == '+' ? "+=" : "-=";
        std::int64_t amount = 0;
        if (!PyLong_Check(operand) || exceeds_int64(operand, &amount)) [[unlikely]]
            return add_any(self, operand, op,
                           Sign == '+' ? PyLong_Type.tp_as_number->nb_add
                                       : PyLong_Type.tp_as_number->nb_subtract);
        SharedInt* integer = Accessor::value(self);
        if (!integer) return nullptr;
        const Update update = add_to<Sign>(integer, amount);
        if (update.overflow) [[unlikely]]
            return set_result_overflow(op, update.before, operand);
        Py_INCREF(self);
        return self;
    }

    template <IntOperator Op>
    static PyObject* generic(PyObject* self, PyObject* operand) {
        SharedInt* integer = Accessor::value(self);
        PyObject* right = integer ? integer_operand(operand, symbol(Op)) : nullptr;
        if (!right) return nullptr;
        PyObject* result = store_result(
            self, integer, right, symbol(Op), [right](std::int64_t found, PyObject* left) {
                if (certainly_overflows<Op>(found, right))
                    return set_result_overflow(symbol(Op), found, right);
                return apply<Op>(left, right);
            });
        Py_DECREF(right);
        return result;
    }

    static PyObject* power(PyObject* self, PyObject* exponent, PyObject* modulus) {
        if (modulus != Py_None) {
            set_error(PyExc_TypeError, "**= takes no modulus, got %U", modulus);
            return nullptr;
        }
        return generic<IntOperator::power>(self, exponent);
    }

    template <MethodName Symbol>
    static PyObject* refused(PyObject*, PyObject* operand) {
        set_error(PyExc_TypeError, "an atomic integer does not support %s (with %U)", Symbol.text,
                  operand);
        return nullptr;
    }

private:
    // Adds or subtracts an operand that is not an int, or that does not fit in 64 bits although the
    // sum may fit.
    static PyObject* add_any(PyObject* self, PyObject* operand, const char* op, binaryfunc apply) {
        SharedInt* integer = Accessor::value(self);
        PyObject* right = integer ? integer_operand(operand, op) : nullptr;
        if (!right) return nullptr;
        PyObject* result =
            store_result(self, integer, right, op,
                         [=](std::int64_t, PyObject* left) { return apply(left, right); });
        Py_DECREF(right);
        return result;
    }

    // Stores the result of `compute(found, left)`, where `left` is the value that was found as an
    // int. Returns `self`, a new reference; null with an exception.
    template <class Compute>
    static PyObject* store_result(PyObject* self, SharedInt* integer, PyObject* right,
                                  const char* op, Compute&& compute) {
        std::int64_t found = integer->load();
        for (;;) {
            PyObject* left = to_python(found);
            PyObject* result = left ? compute(found, left) : nullptr;
            Py_XDECREF(left);
            if (!result) return nullptr;
            std::int64_t updated = 0;
            const bool is_int = PyLong_Check(result);
            const bool exceeds = is_int && exceeds_int64(result, &updated);
            if (!is_int)  // a power with a negative exponent is a float
                set_error(PyExc_TypeError, "the result of %s must be an integer, not %U", op,
                          result);
            Py_DECREF(result);
            if (!is_int) return nullptr;
            if (exceeds) return set_result_overflow(op, found, right);
            const std::int64_t now = integer->compare_exchange(found, updated);
            if (now == found) return Py_NewRef(self);
            found = now;  // lost to a concurrent update: compute again from its value
        }
    }
};

}  // namespace cereggii::atomicint
