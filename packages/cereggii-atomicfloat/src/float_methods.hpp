// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/number_methods.hpp"
#include "float_values.hpp"
#include "types.hpp"

// What AtomicFloat does differently from AtomicInt in the methods that they have in common: see
// number_methods.hpp.
namespace cereggii::atomicfloat {

struct FloatNumber {
    using Atomic = AtomicFloat;
    using Word = SharedFloat;
    using Value = double;
    static constexpr Value one = 1.0;
    static constexpr const char* noun = "float";

    static PyTypeObject* builtin() noexcept { return &PyFloat_Type; }
    static PyObject* to_python(Value value) { return PyFloat_FromDouble(value); }
    static Value unboxed(PyObject* number) noexcept { return PyFloat_AS_DOUBLE(number); }
    static bool to_value(PyObject* argument, Value* value, const char* name) {
        return to_float64(argument, value, name);
    }
    static bool matches(Value found, Value expected) noexcept {
        return AtomicFloat64::matches(found, expected);
    }

    // All additions ('+') and subtractions ('-') go through this function.
    template <char Sign>
    CEREGGII_ALWAYS_INLINE static AtomicFloat64::Update add(Word* word, Value amount) noexcept {
        return combine(word, amount, [](Value a, Value b) { return Sign == '+' ? a + b : a - b; });
    }

    // Stores `function(value, operand)`.
    template <class Function>
    CEREGGII_ALWAYS_INLINE static AtomicFloat64::Update combine(Word* word, Value operand,
                                                                const Function& function) noexcept {
        const AtomicFloat64::Update update = word->modify(
            [&](Value found) noexcept { return std::optional(function(found, operand)); });
        word->note_update();
        return update;
    }

    // ── in place (number_operators.hpp) ────────────────────────────────────────────────────────

    static PyObject* operand(PyObject* operand, const char* op) {
        Value value = 0;
        return to_operand(operand, &value, op) ? PyFloat_FromDouble(value) : nullptr;
    }

    template <auto Slot>
    static PyObject* apply(Value found, PyObject* left, PyObject* right, const char* op);
    static bool to_result(PyObject* result, Value found, PyObject* right, const char* op,
                          Value* updated);
};

template <class Accessor>
using FloatMethods = NumberMethods<Accessor, FloatNumber>;

}  // namespace cereggii::atomicfloat
