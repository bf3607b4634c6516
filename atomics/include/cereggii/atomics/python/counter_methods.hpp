// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <array>

#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/number_methods.hpp"
#include "cereggii/atomics/python/values.hpp"

// The methods and tables of AtomicCounter and AtomicFloatSum: striped sums for statistics.
//
// A *counter* is a class that says what differs. It has static members only:
//
//     using Amount = ...;                        what is added
//     static constexpr Amount one;               what is added if no amount is given
//     static bool to_amount(PyObject* argument, Amount* amount, const char* name);
//                                                converts an argument. False with an exception
//     static void subtract(Value* value, Amount amount);
//     static PyObject* to_python(const Sum& sum);
//                                                what `value->sum()` returns, as an int or a float:
//                                                a new reference, or null with MemoryError
//     static constexpr CounterDocs docs;
namespace cereggii::atomics {

struct CounterDocs {
    const char* add;
    const char* sum;
    const char* get;
    const char* reset;
    const char* sum_and_reset;
    const char* get_handle;
    const char* size_in_bytes;
};

template <class Accessor, class Counter>
struct CounterMethods {
    using Value = typename Accessor::Value;
    using Amount = typename Counter::Amount;

    static PyObject* add(PyObject* self, PyObject* const* args, Py_ssize_t count,
                         PyObject* keywords) {
        static constexpr Signature<1> signature{"add", {{{"n", false}}}};
        Amount amount = Counter::one;
        if (count != 0 || keywords) {
            std::array<PyObject*, 1> given;
            if (!signature.parse(args, count, keywords, given)) return nullptr;
            if (given[0] && !Counter::to_amount(given[0], &amount, "n")) return nullptr;
        }
        Value* value = Accessor::value(self);
        if (!value) return nullptr;
        value->add(amount);
        Py_RETURN_NONE;
    }

    template <char Sign>
    static PyObject* in_place(PyObject* self, PyObject* operand) {
        Amount amount{};
        if (!Counter::to_amount(operand, &amount, "the right-hand side")) return nullptr;
        Value* value = Accessor::value(self);
        if (!value) return nullptr;
        if (Sign == '+')
            value->add(amount);
        else
            Counter::subtract(value, amount);
        return Py_NewRef(self);
    }

    static PyObject* sum(PyObject* self, PyObject*) {
        Value* value = Accessor::value(self);
        return value ? Counter::to_python(value->sum()) : nullptr;
    }

    static PyObject* sum_and_reset(PyObject* self, PyObject*) {
        Value* value = Accessor::value(self);
        return value ? Counter::to_python(value->sum_and_reset()) : nullptr;
    }

    static PyObject* reset(PyObject* self, PyObject*) {
        Value* value = Accessor::value(self);
        if (!value) return nullptr;
        value->sum_and_reset();
        Py_RETURN_NONE;
    }

    static PyObject* size_in_bytes(PyObject* self, PyObject*) {
        Value* value = Accessor::peek(self);
        if (!value) return nullptr;
        const auto size = static_cast<std::size_t>(Py_TYPE(self)->tp_basicsize);
        return PyLong_FromSize_t(Accessor::is_handle ? size : size + value->memory());
    }

    static PyObject* repr(PyObject* self) {
        Value* value = Accessor::peek(self);
        if (!value) return nullptr;
        if constexpr (Accessor::is_handle)
            return repr_with(self, Py_NewRef(Accessor::target(self)));
        else
            return repr_with(self, Counter::to_python(value->sum()));
    }

    static PyMethodDef* method_table() {
        constexpr const CounterDocs& docs = Counter::docs;
        static PyMethodDef table[] = {
            fast_method("add", &add, docs.add),
            plain_method("sum", &sum, docs.sum),
            plain_method("get", &sum, docs.get),
            plain_method("reset", &reset, docs.reset),
            plain_method("sum_and_reset", &sum_and_reset, docs.sum_and_reset),
            plain_method("get_handle", &get_handle<Accessor>, docs.get_handle),
            plain_method("__sizeof__", &size_in_bytes, docs.size_in_bytes),
            cold_method<&new_arguments<Accessor, &sum>>("__getnewargs__", nullptr),
            {nullptr, nullptr, 0, nullptr},
        };
        return table;
    }
};

// The slots of the type of `Accessor`. `Convert` makes what the atomic is constructed from.
template <class Accessor, class Counter, auto Convert>
const PyType_Slot* counter_slots() {
    using M = CounterMethods<Accessor, Counter>;
    static const PyType_Slot table[] = {
        init_slot<Accessor, Convert>(),
        {Py_tp_methods, M::method_table()},
        {Py_tp_traverse, slot(&traverse<Accessor>)},
        {Py_tp_clear, slot(&clear<Accessor>)},
        {Py_tp_richcompare, slot(&compare_identity<Accessor>)},
        {Py_tp_hash, slot(&hash_identity<Accessor>)},
        {Py_tp_repr, slot(&M::repr)},
        {Py_nb_inplace_add, slot(&M::template in_place<'+'>)},
        {Py_nb_inplace_subtract, slot(&M::template in_place<'-'>)},
        {0, nullptr},
    };
    return table;
}

}  // namespace cereggii::atomics
