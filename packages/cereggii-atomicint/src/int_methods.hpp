// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/number_methods.hpp"
#include "cereggii/atomics/python/values.hpp"
#include "types.hpp"

// What AtomicInt does differently from AtomicFloat in the methods that they have in common: see
// number_methods.hpp.
namespace cereggii::atomicint {

struct IntNumber {
    using Atomic = AtomicInt;
    using Word = SharedInt;
    using Value = std::int64_t;
    static constexpr Value one = 1;
    static constexpr const char* noun = "integer";

    static PyTypeObject* builtin() noexcept { return &PyLong_Type; }

    static PyObject* to_python(Value value) {
        if constexpr (sizeof(long) == sizeof(Value))
            return PyLong_FromLong(static_cast<long>(value));
        return PyLong_FromLongLong(value);
    }

    static Value unboxed(PyObject* integer) noexcept {
        Value value = 0;
        exceeds_int64(integer, &value);
        return value;
    }

    static bool to_value(PyObject* argument, Value* value, const char* name) {
        return to_int64(argument, value, name);
    }

    static bool matches(Value found, Value expected) noexcept { return found == expected; }

    // All additions ('+') and subtractions ('-') go through this function.
    template <char Sign>
    CEREGGII_ALWAYS_INLINE static Update add(Word* word, Value amount) noexcept {
        const Update update = Sign == '+' ? word->add(amount) : word->subtract(amount);
        word->note_update();
        return update;
    }

    CEREGGII_COLD static PyObject* refuse_sum(Value value, char sign, Value amount) {
        return PyErr_Format(PyExc_OverflowError,
                            "%lld %c %lld does not fit in a signed 64-bit integer",
                            static_cast<long long>(value), sign, static_cast<long long>(amount));
    }

    // ── in place (number_operators.hpp) ────────────────────────────────────────────────────────

    static PyObject* operand(PyObject* operand, const char* op);
    template <auto Slot>
    static PyObject* apply(Value found, PyObject* left, PyObject* right, const char* op);
    static bool to_result(PyObject* result, Value found, PyObject* right, const char* op,
                          Value* updated);
};

template <class Accessor>
using IntMethods = NumberMethods<Accessor, IntNumber>;

}  // namespace cereggii::atomicint
