// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/counter_methods.hpp"
#include "docs.hpp"
#include "float_values.hpp"
#include "types.hpp"

// The types AtomicFloatSum and AtomicFloatSumHandle: a striped, compensated sum for statistics.
namespace cereggii::atomicfloat {

namespace {

struct FloatCounter {
    using Amount = double;
    static constexpr Amount one = 1.0;
    static constexpr CounterDocs docs{
        sum_docs::add,           sum_docs::sum,        sum_docs::get,          sum_docs::reset,
        sum_docs::sum_and_reset, sum_docs::get_handle, sum_docs::size_in_bytes};

    static bool to_amount(PyObject* argument, Amount* amount, const char* name) {
        return to_float64(argument, amount, name);
    }
    static void subtract(StripedFloatSum* floats, Amount amount) noexcept { floats->add(-amount); }
    static PyObject* to_python(const CompensatedSum& sum) {
        return PyFloat_FromDouble(sum.total());
    }
};

template <class Accessor>
const PyType_Slot* slot_table() {
    return counter_slots<Accessor, FloatCounter, &to_initial>();
}

}  // namespace

void bind_atomic_float_sum(nb::module_& module) {
    bind<AtomicFloatSum>(module, "cereggii_atomicfloat.AtomicFloatSum", sum_docs::atomic_float_sum,
                         slot_table<AtomicAccessor<AtomicFloatSum>>(),
                         Types<AtomicFloatSum>::atomic);
    Types<AtomicFloatSum>::atomic->tp_vectorcall = &call_class<AtomicFloatSum, &to_initial>;
    bind<AtomicFloatSumHandle>(
        module, "cereggii_atomicfloat.AtomicFloatSumHandle", sum_docs::atomic_float_sum_handle,
        slot_table<HandleAccessor<AtomicFloatSum>>(), Types<AtomicFloatSum>::handle);
}

}  // namespace cereggii::atomicfloat
