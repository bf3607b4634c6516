// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "docs.hpp"
#include "int_operators.hpp"

// The types AtomicInt and AtomicIntHandle. One method table and one slot table are generated for
// each accessor.
namespace cereggii::atomicint {

namespace {

std::int64_t bit_or(std::int64_t a, std::int64_t b) { return a | b; }
std::int64_t bit_and(std::int64_t a, std::int64_t b) { return a & b; }
std::int64_t bit_xor(std::int64_t a, std::int64_t b) { return a ^ b; }
std::int64_t greater(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
std::int64_t lesser(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

using Operators = NumberOperators<IntNumber>;

template <class Accessor>
PyObject* is_integer(PyObject* self, PyObject*) {  // int has this method since 3.12
    return Accessor::peek(self) ? Py_NewRef(Py_True) : nullptr;
}

bool to_initial(PyObject* initial_value, std::int64_t& value) {
    return !initial_value || to_int64(initial_value, &value, "the value");
}

template <class Accessor>
PyMethodDef* method_table() {
    using M = IntMethods<Accessor>;
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

        fast_method("get_and_or", &M::template get_and<"get_and_or", "mask", &bit_or>,
                    docs::get_and_or),
        fast_method("get_and_and", &M::template get_and<"get_and_and", "mask", &bit_and>,
                    docs::get_and_and),
        fast_method("get_and_xor", &M::template get_and<"get_and_xor", "mask", &bit_xor>,
                    docs::get_and_xor),
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

        fast_method("bit_length", &Operators::forward<"bit_length">, docs::bit_length),
        fast_method("bit_count", &Operators::forward<"bit_count">, docs::bit_count),
        fast_method("to_bytes", &Operators::forward<"to_bytes">, docs::to_bytes),
        fast_method("as_integer_ratio", &Operators::forward<"as_integer_ratio">,
                    docs::as_integer_ratio),
        plain_method("is_integer", &is_integer<Accessor>, docs::is_integer),
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
    {"imag", &Operators::forward_property<"imag">, nullptr, "0, as for every int.", nullptr},
    {"numerator", &Operators::forward_property<"numerator">, nullptr, "The current value.",
     nullptr},
    {"denominator", &Operators::forward_property<"denominator">, nullptr, "1, as for every int.",
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

template <class Accessor>
const PyType_Slot* slot_table() {
    using I = IntInPlace<Accessor>;
    static const PyType_Slot table[] = {
        init_slot<Accessor, &to_initial>(),
        {Py_tp_methods, method_table<Accessor>()},
        {Py_tp_getset, property_table},
        {Py_tp_traverse, slot(&traverse<Accessor>)},
        {Py_tp_clear, slot(&clear<Accessor>)},
        {Py_tp_richcompare, slot(&Operators::compare)},
        {Py_tp_hash, slot(&hash_identity<Accessor>)},
        {Py_tp_repr, slot(&IntMethods<Accessor>::repr)},
        {Py_tp_str, slot(&Operators::unary<&PyObject_Str>)},

        {Py_nb_bool, slot(&Operators::truth)},
        {Py_nb_int, slot(&Operators::plain)},
        {Py_nb_index, slot(&Operators::plain)},
        {Py_nb_float, slot(&Operators::unary<&PyNumber_Float>)},
        {Py_nb_negative, slot(&Operators::unary<&PyNumber_Negative>)},
        {Py_nb_positive, slot(&Operators::unary<&PyNumber_Positive>)},
        {Py_nb_absolute, slot(&Operators::unary<&PyNumber_Absolute>)},
        {Py_nb_invert, slot(&Operators::unary<&PyNumber_Invert>)},

        {Py_nb_add, slot(&Operators::binary<&PyNumberMethods::nb_add>)},
        {Py_nb_subtract, slot(&Operators::binary<&PyNumberMethods::nb_subtract>)},
        {Py_nb_multiply, slot(&Operators::binary<&PyNumberMethods::nb_multiply>)},
        {Py_nb_true_divide, slot(&Operators::binary<&PyNumberMethods::nb_true_divide>)},
        {Py_nb_floor_divide, slot(&Operators::binary<&PyNumberMethods::nb_floor_divide>)},
        {Py_nb_remainder, slot(&Operators::binary<&PyNumberMethods::nb_remainder>)},
        {Py_nb_divmod, slot(&Operators::binary<&PyNumberMethods::nb_divmod>)},
        {Py_nb_power, slot(&Operators::power)},
        {Py_nb_lshift, slot(&Operators::binary<&PyNumberMethods::nb_lshift>)},
        {Py_nb_rshift, slot(&Operators::binary<&PyNumberMethods::nb_rshift>)},
        {Py_nb_and, slot(&Operators::binary<&PyNumberMethods::nb_and>)},
        {Py_nb_or, slot(&Operators::binary<&PyNumberMethods::nb_or>)},
        {Py_nb_xor, slot(&Operators::binary<&PyNumberMethods::nb_xor>)},

        {Py_nb_inplace_add, slot(&I::template add<'+'>)},
        {Py_nb_inplace_subtract, slot(&I::template add<'-'>)},
        {Py_nb_inplace_multiply, slot(&I::template update<&PyNumberMethods::nb_multiply, "*=">)},
        {Py_nb_inplace_floor_divide,
         slot(&I::template update<&PyNumberMethods::nb_floor_divide, "//=">)},
        {Py_nb_inplace_remainder, slot(&I::template update<&PyNumberMethods::nb_remainder, "%=">)},
        {Py_nb_inplace_power, slot(&I::power)},
        {Py_nb_inplace_lshift, slot(&I::template update<&PyNumberMethods::nb_lshift, "<<=">)},
        {Py_nb_inplace_rshift, slot(&I::template update<&PyNumberMethods::nb_rshift, ">>=">)},
        {Py_nb_inplace_and, slot(&I::template update<&PyNumberMethods::nb_and, "&=">)},
        {Py_nb_inplace_or, slot(&I::template update<&PyNumberMethods::nb_or, "|=">)},
        {Py_nb_inplace_xor, slot(&I::template update<&PyNumberMethods::nb_xor, "^=">)},
        {Py_nb_inplace_true_divide, slot(&I::template refused<"/=">)},
        {Py_nb_inplace_matrix_multiply, slot(&I::template refused<"@=">)},
        {0, nullptr},
    };
    return table;
}

}  // namespace

void bind_atomic_int(nb::module_& module) {
    bind<AtomicInt>(module, "cereggii_atomicint.AtomicInt", docs::atomic_int,
                    slot_table<AtomicAccessor<AtomicInt>>(), Types<AtomicInt>::atomic);
    Types<AtomicInt>::atomic->tp_vectorcall = &call_class<AtomicInt, &to_initial>;
    bind<AtomicIntHandle>(module, "cereggii_atomicint.AtomicIntHandle", docs::atomic_int_handle,
                          slot_table<HandleAccessor<AtomicInt>>(), Types<AtomicInt>::handle);
}

}  // namespace cereggii::atomicint
