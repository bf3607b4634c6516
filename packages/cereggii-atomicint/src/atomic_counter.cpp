// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/counter_methods.hpp"
#include "docs.hpp"
#include "types.hpp"

// The types AtomicCounter and AtomicCounterHandle: a striped adder for statistics.
namespace cereggii::atomicint {

namespace {

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

struct IntCounter {
    using Amount = std::int64_t;
    static constexpr Amount one = 1;
    static constexpr CounterDocs docs{counter_docs::add,           counter_docs::sum,
                                      counter_docs::get,           counter_docs::reset,
                                      counter_docs::sum_and_reset, counter_docs::get_handle,
                                      counter_docs::size_in_bytes};

    static bool to_amount(PyObject* argument, Amount* amount, const char* name) {
        return to_int64(argument, amount, name);
    }

    static void subtract(StripedAdder* adder, Amount amount) noexcept {
        if (amount != INT64_MIN) {
            adder->add(-amount);
        } else {  // -INT64_MIN is INT64_MAX + 1, so it is added in two steps
            adder->add(INT64_MAX);
            adder->add(1);
        }
    }

    // The total as an int.
    static PyObject* to_python(const WideSum& sum) {
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
};

template <class Accessor>
const PyType_Slot* slot_table() {
    return counter_slots<Accessor, IntCounter, &to_initial>();
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
