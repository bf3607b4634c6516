// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "python/set_docs.hpp"
#include "python/set_methods.hpp"

// The types AtomicSet and AtomicSetHandle. One method table and one slot table are generated for
// each accessor.
namespace cereggii::atomicdict {

namespace {

// (iterable=(), /, *, immortal=None)
bool init_checked(PyObject* self, PyObject* args, PyObject* keywords) {
    static const char* names[] = {"", "immortal", nullptr};
    PyObject* iterable = nullptr;
    PyObject* immortal = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O$O:AtomicSet", const_cast<char**>(names),
                                     &iterable, &immortal))
        return false;
    Immortality immortality{};
    if (!to_immortality(immortal, immortality) || !construct_once<AtomicSet>(self)) return false;
    note_creation(self, immortality);
    if (iterable && !add_elements(payload<AtomicSet>(self)->map, iterable)) return false;
    if (immortality == Immortality::always) make_immortal(self);
    return true;
}

int init(PyObject* self, PyObject* args, PyObject* keywords) {
    return init_checked(self, args, keywords) ? 0 : -1;
}

using PositionalMethod = PyObject*(PyObject*, PyObject* const*, Py_ssize_t);

PyMethodDef positional_method(const char* name, PositionalMethod* function, const char* doc) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)),
            METH_FASTCALL, doc};
}

template <class Accessor>
PyMethodDef* method_table() {
    using S = SetMethods<Accessor>;
    static PyMethodDef table[] = {
        one_argument_method("add", &S::add, set_docs::add),
        one_argument_method("discard", &S::discard, set_docs::discard),
        one_argument_method("remove", &S::remove, set_docs::remove),
        plain_method("pop", &S::pop, set_docs::pop),
        fast_method("remove_if", &S::remove_if, set_docs::remove_if),
        plain_method("clear", &S::clear, set_docs::clear),
        plain_method("copy", &S::copy, set_docs::copy),
        plain_method("snapshot", &S::snapshot, set_docs::snapshot),
        positional_method("update", &S::template change_by_each<add_elements>, set_docs::update),
        positional_method("difference_update", &S::template change_by_each<discard_elements>,
                          set_docs::difference_update),
        positional_method("intersection_update", &S::template change_by_all<keep_elements>,
                          set_docs::intersection_update),
        one_argument_method("symmetric_difference_update",
                            &S::template change_by_one<toggle_elements>,
                            set_docs::symmetric_difference_update),
        positional_method("union", &S::template make_from_all<union_of>, set_docs::union_of),
        positional_method("intersection", &S::template make_from_all<intersection_of>,
                          set_docs::intersection),
        positional_method("difference", &S::template make_from_all<difference_of>,
                          set_docs::difference),
        one_argument_method("symmetric_difference",
                            &S::template make_from_one<symmetric_difference_of>,
                            set_docs::symmetric_difference),
        one_argument_method("issubset", &S::template answer<is_subset>, set_docs::issubset),
        one_argument_method("issuperset", &S::template answer<is_superset>, set_docs::issuperset),
        one_argument_method("isdisjoint", &S::template answer<is_disjoint>, set_docs::isdisjoint),
        plain_method("approx_len", &S::approx_len, set_docs::approx_len),
        fast_method("reserve", &S::reserve, set_docs::reserve),
        fast_method("fast_iter", &S::fast_iter, set_docs::fast_iter),
        plain_method("get_handle", &get_handle<Accessor>, set_docs::get_handle),
        plain_method("__sizeof__", &S::size_in_bytes, set_docs::size_in_bytes),
        generic_alias_method(),
        cold_method<&new_arguments_of_container<Accessor>>("__getnewargs__", nullptr),
        {nullptr, nullptr, 0, nullptr},
    };
    return table;
}

template <class Accessor>
PyType_Slot set_init_slot() {
    if constexpr (Accessor::is_handle)
        return {Py_tp_init, slot(&init_handle<AtomicSet>)};
    else
        return {Py_tp_init, slot(&init)};
}

template <class Accessor>
const PyType_Slot* slot_table() {
    using S = SetMethods<Accessor>;
    static const PyType_Slot table[] = {
        set_init_slot<Accessor>(),
        {Py_tp_methods, method_table<Accessor>()},
        {Py_tp_traverse, slot(&atomics::traverse<Accessor>)},
        {Py_tp_clear, slot(&atomics::clear<Accessor>)},
        {Py_tp_richcompare, slot(&S::compare)},
        {Py_tp_hash, slot(&PyObject_HashNotImplemented)},
        {Py_tp_repr, slot(&S::repr)},
        {Py_tp_iter, slot(&S::iterate)},
        {Py_sq_length, slot(&S::length)},
        {Py_sq_contains, slot(&S::contains)},
        {Py_nb_or, slot(&S::template combined<SetOperator::unite>)},
        {Py_nb_and, slot(&S::template combined<SetOperator::intersect>)},
        {Py_nb_subtract, slot(&S::template combined<SetOperator::subtract>)},
        {Py_nb_xor, slot(&S::template combined<SetOperator::exclude>)},
        {Py_nb_inplace_or, slot(&S::template change_in_place<add_elements>)},
        {Py_nb_inplace_and, slot(&S::template change_in_place<keep_common_elements>)},
        {Py_nb_inplace_subtract, slot(&S::template change_in_place<discard_elements>)},
        {Py_nb_inplace_xor, slot(&S::template change_in_place<toggle_elements>)},
        {0, nullptr},
    };
    return table;
}

}  // namespace

void bind_atomic_set(nb::module_& module) {
    bind<AtomicSet>(module, "cereggii_atomicdict.AtomicSet", set_docs::atomic_set,
                    slot_table<AtomicAccessor<AtomicSet>>(), Types<AtomicSet>::atomic);
    Types<AtomicSet>::atomic->tp_vectorcall = &call_container_class<AtomicSet>;
    bind<AtomicSetHandle>(module, "cereggii_atomicdict.AtomicSetHandle",
                          set_docs::atomic_set_handle, slot_table<HandleAccessor<AtomicSet>>(),
                          Types<AtomicSet>::handle);
}

}  // namespace cereggii::atomicdict
