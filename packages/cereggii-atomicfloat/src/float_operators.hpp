// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/number_operators.hpp"
#include "float_methods.hpp"

// What AtomicFloat's in-place operators do differently from AtomicInt's: see number_operators.hpp.
namespace cereggii::atomicfloat {

template <auto Slot>
PyObject* FloatNumber::apply(double, PyObject* left, PyObject* right, const char*) {
    return builtin_result<FloatNumber, Slot>(left, right);
}

inline bool FloatNumber::to_result(PyObject* result, double, PyObject*, const char* op,
                                   double* updated) {
    if (!PyFloat_Check(result)) {  // a fractional power of a negative number is complex
        set_error(PyExc_TypeError, "the result of %s must be a float, not %U", op, result);
        return false;
    }
    *updated = PyFloat_AS_DOUBLE(result);
    return true;
}

template <class Accessor>
struct FloatInPlace : NumberInPlace<Accessor, FloatNumber> {
    // An operator of one instruction: float's own result, without objects for the operands.
    template <MethodName Symbol>
    static PyObject* native(PyObject* self, PyObject* operand) {
        double amount = 0;
        return to_operand(operand, &amount, Symbol.text) ? combine<Symbol.text[0]>(self, amount)
                                                         : nullptr;
    }

    static PyObject* divide(PyObject* self, PyObject* operand) {
        double divisor = 0;
        if (!to_operand(operand, &divisor, "/=")) return nullptr;
        if (divisor != 0) [[likely]]
            return combine<'/'>(self, divisor);
        PyObject* zero = PyFloat_FromDouble(divisor);  // float's own code raises its exception
        PyObject* result =
            zero ? FloatInPlace::template update<&PyNumberMethods::nb_true_divide, "/=">(self, zero)
                 : nullptr;
        Py_XDECREF(zero);
        return result;
    }

private:
    template <char Operator>
    static PyObject* combine(PyObject* self, double operand) {
        SharedFloat* number = Accessor::value(self);
        if (!number) return nullptr;
        FloatNumber::combine(number, operand, [](double a, double b) noexcept {
            return Operator == '+'   ? a + b
                   : Operator == '-' ? a - b
                   : Operator == '*' ? a * b
                                     : a / b;
        });
        return Py_NewRef(self);
    }
};

}  // namespace cereggii::atomicfloat
