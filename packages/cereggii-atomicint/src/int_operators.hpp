// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/number_operators.hpp"
#include "int_methods.hpp"

// What AtomicInt's in-place operators do differently from AtomicFloat's: see number_operators.hpp.
namespace cereggii::atomicint {

// Whether the result certainly does not fit in 64 bits. Then it is not computed: 2 ** 10**9 would
// take all of the machine's memory.
template <auto Slot>
bool certainly_overflows(std::int64_t value, PyObject* operand) {
    constexpr bool power = same_slot<Slot, &PyNumberMethods::nb_power>;
    if constexpr (power || same_slot<Slot, &PyNumberMethods::nb_lshift>) {
        std::int64_t amount = 0;
        const bool huge = exceeds_int64(operand, &amount);
        const bool many = huge ? int64_overflow(operand) > 0 : amount >= 64;
        return many && value != 0 && !(power && (value == 1 || value == -1));
    }
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

// The right-hand side may be an int of any size.
inline PyObject* IntNumber::operand(PyObject* operand, const char* op) {
    if (PyLong_Check(operand)) [[likely]]
        return Py_NewRef(operand);
    if (PyIndex_Check(operand)) return PyNumber_Index(operand);
    // It does not return NotImplemented: Python would bind the name to the result of the plain
    // operator, and the variable would silently no longer be the shared integer.
    set_error(PyExc_TypeError, "the right-hand side of %s must be an integer, not %U", op, operand);
    return nullptr;
}

template <auto Slot>
PyObject* IntNumber::apply(std::int64_t found, PyObject* left, PyObject* right, const char* op) {
    if (certainly_overflows<Slot>(found, right)) return set_result_overflow(op, found, right);
    return builtin_result<IntNumber, Slot>(left, right);
}

inline bool IntNumber::to_result(PyObject* result, std::int64_t found, PyObject* right,
                                 const char* op, std::int64_t* updated) {
    if (!PyLong_Check(result)) {  // a power with a negative exponent is a float
        set_error(PyExc_TypeError, "the result of %s must be an integer, not %U", op, result);
        return false;
    }
    if (!exceeds_int64(result, updated)) return true;
    set_result_overflow(op, found, right);
    return false;
}

template <class Accessor>
struct IntInPlace : NumberInPlace<Accessor, IntNumber> {
    template <char Sign>
    static PyObject* add(PyObject* self, PyObject* operand) {
        std::int64_t amount = 0;
        if (!PyLong_Check(operand) || exceeds_int64(operand, &amount)) [[unlikely]]
            return add_any<Sign>(self, operand);
        SharedInt* integer = Accessor::value(self);
        if (!integer) return nullptr;
        const Update update = IntNumber::add<Sign>(integer, amount);
        if (update.overflow) [[unlikely]]
            return set_result_overflow(Sign == '+' ? "+=" : "-=", update.before, operand);
        Py_INCREF(self);
        return self;
    }

private:
    // Adds or subtracts an operand that is not an int, or that does not fit in 64 bits although the
    // sum may fit.
    template <char Sign>
    static PyObject* add_any(PyObject* self, PyObject* operand) {
        if constexpr (Sign == '+')
            return IntInPlace::template update<&PyNumberMethods::nb_add, "+=">(self, operand);
        else
            return IntInPlace::template update<&PyNumberMethods::nb_subtract, "-=">(self, operand);
    }
};

}  // namespace cereggii::atomicint
