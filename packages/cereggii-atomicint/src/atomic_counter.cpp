// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "docs.hpp"
#include "int_methods.hpp"

// The types AtomicCounter and AtomicCounterHandle: a striped adder for statistics.
namespace cereggii::atomicint {

namespace {

// A total as an int: a new reference, or null with MemoryError.
PyObject* to_python(const WideSum& sum) {
    std::int64_t total = 0;
    const bool small = -2 <= sum.high && sum.high < 2;
    if (small && !add_overflows(sum.high * (std::int64_t{1} << 61) * 2, sum.low, &total))
        return PyLong_FromLongLong(total);
    PyObject* high = PyLong_FromLongLong(sum.high);
    PyObject* bits = PyLong_FromLong(WideSum::low_bits);
    PyObject* low = PyLong_FromLongLong(sum.low);
    PyObject* shifted = high && bits && low ? PyNumber_Lshift(high, bits) : nullptr;
    PyObject* result = shifted ? PyNumber_Add(shifted, low) : nullptr;
    Py_XDECREF(shifted);
    Py_XDECREF(low);
    Py_XDECREF(bits);
    Py_XDECREF(high);
    return result;
}

// Converts `initial_value`, an integer of up to 125 bits. False with TypeError or OverflowError.
bool to_initial(PyObject* initial_value, WideSum& sum) {
    if (!initial_value) return true;
    if (!PyIndex_Check(initial_value)) {
        set_error(PyExc_TypeError, "the value must be an integer, not %U", initial_value);
        return false;
    }
    PyObject* integer = PyNumber_Index(initial_value);
    PyObject* bits = PyLong_FromLong(WideSum::low_bits);
    PyObject* mask = PyLong_FromLongLong(WideSum::low_mask);
    PyObject* high = integer && bits && mask ? PyNumber_Rshift(integer, bits) : nullptr;
    PyObject* low = high ? PyNumber_And(integer, mask) : nullptr;
    const bool exceeds =
        low && (exceeds_int64(high, &sum.high) || sum.high < -WideSum::high_limit ||
                sum.high >= WideSum::high_limit);
    if (low) sum.low = PyLong_AsLongLong(low);
    for (PyObject* object : {integer, bits, mask, high, low}) Py_XDECREF(object);
    if (!low) return false;
    if (exceeds)
        set_error(PyExc_OverflowError, "the value does not fit in 125 bits: %U", initial_value);
    return !exceeds;
}

template <class Accessor>
struct CounterMethods {
    static PyObject* add(PyObject* self, PyObject* const* args, Py_ssize_t count,
                         PyObject* keywords) {
        static constexpr Signature<1> signature{"add", {{{"n", false}}}};
        std::int64_t amount = 1;
        if (count != 0 || keywords) {
            std::array<PyObject*, 1> given;
            if (!signature.parse(args, count, keywords, given)) return nullptr;
            if (given[0] && !to_int64(given[0], &amount, "n")) return nullptr;
        }
        StripedAdder* adder = Accessor::value(self);
        if (!adder) return nullptr;
        adder->add(amount);
        Py_RETURN_NONE;
    }

    template <char Sign>
    static PyObject* in_place(PyObject* self, PyObject* operand) {
        std::int64_t amount = 0;
        if (!to_int64(operand, &amount, "the right-hand side")) return nullptr;
        StripedAdder* adder = Accessor::value(self);
        if (!adder) return nullptr;
        if (Sign == '+') {
            adder->add(amount);
        } else if (amount != INT64_MIN) {
            adder->add(-amount);
        } else {  // -INT64_MIN is INT64_MAX + 1, so it is added in two steps
            adder->add(INT64_MAX);
            adder->add(1);
        }
        return Py_NewRef(self);
    }

    static PyObject* sum(PyObject* self, PyObject*) {
        StripedAdder* adder = Accessor::value(self);
        return adder ? to_python(adder->sum()) : nullptr;
    }

    static PyObject* sum_and_reset(PyObject* self, PyObject*) {
        StripedAdder* adder = Accessor::value(self);
        return adder ? to_python(adder->sum_and_reset()) : nullptr;
    }

    static PyObject* reset(PyObject* self, PyObject*) {
        StripedAdder* adder = Accessor::value(self);
        if (!adder) return nullptr;
        adder->sum_and_reset();
        Py_RETURN_NONE;
    }

    static PyObject* size_in_bytes(PyObject* self, PyObject*) {
        StripedAdder* adder = Accessor::peek(self);
        if (!adder) return nullptr;
        const auto size = static_cast<std::size_t>(Py_TYPE(self)->tp_basicsize);
        return PyLong_FromSize_t(Accessor::is_handle ? size : size + adder->memory());
    }

    static PyObject* repr(PyObject* self) {
        StripedAdder* adder = Accessor::peek(self);
        if (!adder) return nullptr;
        if constexpr (Accessor::is_handle) {
            return PyUnicode_FromFormat("%s(%R)", short_name(self), Accessor::target(self));
        } else {
            PyObject* total = to_python(adder->sum());
            PyObject* text =
                total ? PyUnicode_FromFormat("%s(%R)", short_name(self), total) : nullptr;
            Py_XDECREF(total);
            return text;
        }
    }
};

template <class Accessor>
PyMethodDef* method_table() {
    using M = CounterMethods<Accessor>;
    static PyMethodDef table[] = {
        fast_method("add", &M::add, counter_docs::add),
        plain_method("sum", &M::sum, counter_docs::sum),
        plain_method("get", &M::sum, counter_docs::get),
        plain_method("reset", &M::reset, counter_docs::reset),
        plain_method("sum_and_reset", &M::sum_and_reset, counter_docs::sum_and_reset),
        plain_method("get_handle", &get_handle<Accessor>, counter_docs::get_handle),
        plain_method("__sizeof__", &M::size_in_bytes, counter_docs::size_in_bytes),
        cold_method<&new_arguments<Accessor, &M::sum>>("__getnewargs__", nullptr),
        {nullptr, nullptr, 0, nullptr},
    };
    return table;
}

template <class Accessor>
const PyType_Slot* slot_table() {
    using M = CounterMethods<Accessor>;
    static const PyType_Slot table[] = {
        init_slot<Accessor, &to_initial>(),
        {Py_tp_methods, method_table<Accessor>()},
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

}  // namespace

void bind_atomic_counter(nb::module_& module) {
    bind<AtomicCounter>(module, "cereggii_atomicint.AtomicCounter", counter_docs::atomic_counter,
                        slot_table<AtomicAccessor<AtomicCounter>>(), Types<AtomicCounter>::atomic);
    Types<AtomicCounter>::atomic->tp_vectorcall = &call_class<AtomicCounter, &to_initial>;
    bind<AtomicCounterHandle>(
        module, "cereggii_atomicint.AtomicCounterHandle", counter_docs::atomic_counter_handle,
        slot_table<HandleAccessor<AtomicCounter>>(), Types<AtomicCounter>::handle);
}

}  // namespace cereggii::atomicint
