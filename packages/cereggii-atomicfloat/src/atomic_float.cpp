// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "cereggii/atomics/python/binding.hpp"
#include "docs.hpp"
#include "float_operators.hpp"

// The types AtomicFloat and AtomicFloatHandle. One method table and one slot table are generated
// for each accessor.
namespace cereggii::atomicfloat {

namespace {

using Operators = NumberOperators<FloatNumber>;

// The greater number, as math.fmax has it: a NaN only if both are. 0.0 is above -0.0, as in IEEE
// 754-2019 (maximumNumber); C leaves that open.
double greater(double a, double b) {
    if (a == b) return std::signbit(a) ? b : a;
    return a > b || b != b ? a : b;
}

double lesser(double a, double b) {
    if (a == b) return std::signbit(a) ? a : b;
    return a < b || b != b ? a : b;
}

template <class Accessor>
PyMethodDef* method_table() {
    using M = FloatMethods<Accessor>;
    constexpr Returns before = Returns::before, after = Returns::after;
    static PyMethodDef table[] = {
        plain_method("get", &M::get, docs::get),
        one_argument_method("set", &M::set, docs::set),
        one_argument_method("get_and_set", &M::get_and_set, docs::get_and_set),
        fast_method("compare_and_set", &M::compare_and_set, docs::compare_and_set),
        fast_method("compare_and_exchange", &M::compare_and_exchange, docs::compare_and_exchange),

        fast_method("increment_and_get", &M::template add<"increment_and_get", '+', after>,
                    docs::increment_and_get),
        fast_method("get_and_increment", &M::template add<"get_and_increment", '+', before>,
                    docs::get_and_increment),
        fast_method("decrement_and_get", &M::template add<"decrement_and_get", '-', after>,
                    docs::decrement_and_get),
        fast_method("get_and_decrement", &M::template add<"get_and_decrement", '-', before>,
                    docs::get_and_decrement),

        fast_method("get_and_max", &M::template get_and<"get_and_max", "value", &greater>,
                    docs::get_and_max),
        fast_method("get_and_min", &M::template get_and<"get_and_min", "value", &lesser>,
                    docs::get_and_min),

        fast_method("update_and_get", &M::template update<"update_and_get", after>,
                    docs::update_and_get),
        fast_method("get_and_update", &M::template update<"get_and_update", before>,
                    docs::get_and_update),
        fast_method("accumulate_and_get", &M::template accumulate<"accumulate_and_get", after>,
                    docs::accumulate_and_get),
        fast_method("get_and_accumulate", &M::template accumulate<"get_and_accumulate", before>,
                    docs::get_and_accumulate),

        fast_method("wait_while", &M::wait_while, docs::wait_while),
        plain_method("notify_one", &M::template notify<&WaitQueue::notify_one>, docs::notify_one),
        plain_method("notify_all", &M::template notify<&WaitQueue::notify_all>, docs::notify_all),
        plain_method("get_handle", &get_handle<Accessor>, docs::get_handle),

        fast_method("as_integer_ratio", &Operators::forward<"as_integer_ratio">,
                    docs::as_integer_ratio),
        fast_method("is_integer", &Operators::forward<"is_integer">, docs::is_integer),
        fast_method("hex", &Operators::forward<"hex">, docs::hex),
        fast_method("conjugate", &Operators::forward<"conjugate">, docs::conjugate),
        fast_method("__round__", &Operators::forward<"__round__">, docs::round),
        fast_method("__trunc__", &Operators::forward<"__trunc__">, docs::trunc),
        fast_method("__floor__", &Operators::forward<"__floor__">, docs::floor),
        fast_method("__ceil__", &Operators::forward<"__ceil__">, docs::ceil),
        fast_method("__format__", &Operators::forward<"__format__">, docs::format),
        cold_method<&new_arguments<Accessor, &M::get>>("__getnewargs__", nullptr),
        {nullptr, nullptr, 0, nullptr},
    };
    return table;
}

PyGetSetDef property_table[] = {
    {"real", &Operators::forward_property<"real">, nullptr, "The current value.", nullptr},
    {"imag", &Operators::forward_property<"imag">, nullptr, "0.0, as for every float.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

template <class Accessor>
const PyType_Slot* slot_table() {
    using I = FloatInPlace<Accessor>;
    static const PyType_Slot table[] = {
        init_slot<Accessor, &to_initial>(),
        {Py_tp_methods, method_table<Accessor>()},
        {Py_tp_getset, property_table},
        {Py_tp_traverse, slot(&traverse<Accessor>)},
        {Py_tp_clear, slot(&clear<Accessor>)},
        {Py_tp_richcompare, slot(&Operators::compare)},
        {Py_tp_hash, slot(&hash_identity<Accessor>)},
        {Py_tp_repr, slot(&FloatMethods<Accessor>::repr)},
        {Py_tp_str, slot(&Operators::unary<&PyObject_Str>)},

        {Py_nb_bool, slot(&Operators::truth)},
        {Py_nb_int, slot(&Operators::unary<&PyNumber_Long>)},
        {Py_nb_float, slot(&Operators::plain)},
        {Py_nb_negative, slot(&Operators::unary<&PyNumber_Negative>)},
        {Py_nb_positive, slot(&Operators::unary<&PyNumber_Positive>)},
        {Py_nb_absolute, slot(&Operators::unary<&PyNumber_Absolute>)},

        {Py_nb_add, slot(&Operators::binary<&PyNumberMethods::nb_add>)},
        {Py_nb_subtract, slot(&Operators::binary<&PyNumberMethods::nb_subtract>)},
        {Py_nb_multiply, slot(&Operators::binary<&PyNumberMethods::nb_multiply>)},
        {Py_nb_true_divide, slot(&Operators::binary<&PyNumberMethods::nb_true_divide>)},
        {Py_nb_floor_divide, slot(&Operators::binary<&PyNumberMethods::nb_floor_divide>)},
        {Py_nb_remainder, slot(&Operators::binary<&PyNumberMethods::nb_remainder>)},
        {Py_nb_divmod, slot(&Operators::binary<&PyNumberMethods::nb_divmod>)},
        {Py_nb_power, slot(&Operators::power)},

        {Py_nb_inplace_add, slot(&I::template native<"+=">)},
        {Py_nb_inplace_subtract, slot(&I::template native<"-=">)},
        {Py_nb_inplace_multiply, slot(&I::template native<"*=">)},
        {Py_nb_inplace_true_divide, slot(&I::divide)},
        {Py_nb_inplace_floor_divide,
         slot(&I::template update<&PyNumberMethods::nb_floor_divide, "//=">)},
        {Py_nb_inplace_remainder, slot(&I::template update<&PyNumberMethods::nb_remainder, "%=">)},
        {Py_nb_inplace_power, slot(&I::power)},
        {Py_nb_inplace_lshift, slot(&I::template refused<"<<=">)},
        {Py_nb_inplace_rshift, slot(&I::template refused<">>=">)},
        {Py_nb_inplace_and, slot(&I::template refused<"&=">)},
        {Py_nb_inplace_or, slot(&I::template refused<"|=">)},
        {Py_nb_inplace_xor, slot(&I::template refused<"^=">)},
        {Py_nb_inplace_matrix_multiply, slot(&I::template refused<"@=">)},
        {0, nullptr},
    };
    return table;
}

}  // namespace

void bind_atomic_float(nb::module_& module) {
    bind<AtomicFloat>(module, "cereggii_atomicfloat.AtomicFloat", docs::atomic_float,
                      slot_table<AtomicAccessor<AtomicFloat>>(), Types<AtomicFloat>::atomic);
    Types<AtomicFloat>::atomic->tp_vectorcall = &call_class<AtomicFloat, &to_initial>;
    bind<AtomicFloatHandle>(module, "cereggii_atomicfloat.AtomicFloatHandle",
                            docs::atomic_float_handle, slot_table<HandleAccessor<AtomicFloat>>(),
                            Types<AtomicFloat>::handle);
}

}  // namespace cereggii::atomicfloat
