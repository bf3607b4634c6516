// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "docs.hpp"
#include "ref_methods.hpp"

// The types AtomicRef, AtomicBool and their handles. One method table and one slot table are
// generated for each accessor.
namespace cereggii::atomicref {

namespace {

// Whether an accessor is for AtomicBool or its handle.
template <class Accessor>
inline constexpr bool of_bools = std::is_same_v<typename Accessor::Shared, AtomicBool>;

template <class Atomic>
bool to_initial(PyObject* initial_value, PyObject*& object) {
    object = initial_value;
    if (!object) object = std::is_same_v<Atomic, AtomicBool> ? Py_False : Py_None;
    return accepts<Atomic>(object, "initial_value");
}

template <class Accessor>
PyMethodDef* method_table() {
    constexpr PyMethodDef end{nullptr, nullptr, 0, nullptr};
    using M = RefMethods<Accessor>;
    constexpr Returns before = Returns::before, after = Returns::after;
    static PyMethodDef table[] = {
        plain_method("get", &M::get, docs::get),
        one_argument_method("set", &M::set, docs::set),
        one_argument_method("get_and_set", &M::get_and_set, docs::get_and_set),
        fast_method("compare_and_set", &M::compare_and_set, docs::compare_and_set),
        fast_method("compare_and_exchange", &M::compare_and_exchange, docs::compare_and_exchange),
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
        cold_method<&new_arguments<Accessor, &M::get>>("__getnewargs__", nullptr),
        of_bools<Accessor> ? end : generic_alias_method(),
        end,
    };
    return table;
}

template <class Accessor>
const PyType_Slot* slot_table() {
    static const PyType_Slot table[] = {
        init_slot<Accessor, &to_initial<typename Accessor::Shared>>(),
        {Py_tp_methods, method_table<Accessor>()},
        {Py_tp_traverse, slot(&traverse<Accessor>)},
        {Py_tp_clear, slot(&clear<Accessor>)},
        {Py_tp_richcompare, slot(&compare_identity<Accessor>)},
        {Py_tp_hash, slot(&hash_identity<Accessor>)},
        {Py_tp_repr, slot(&RefMethods<Accessor>::repr)},
        of_bools<Accessor> ? PyType_Slot{Py_nb_bool, slot(&RefMethods<Accessor>::truth)}
                           : PyType_Slot{0, nullptr},
        {0, nullptr},
    };
    return table;
}

}  // namespace

void bind_atomic_ref(nb::module_& module) {
    bind<AtomicRef>(module, "cereggii_atomicref.AtomicRef", docs::atomic_ref,
                    slot_table<AtomicAccessor<AtomicRef>>(), Types<AtomicRef>::atomic);
    Types<AtomicRef>::atomic->tp_vectorcall = &call_class<AtomicRef, &to_initial<AtomicRef>>;
    bind<AtomicRefHandle>(module, "cereggii_atomicref.AtomicRefHandle", docs::atomic_ref_handle,
                          slot_table<HandleAccessor<AtomicRef>>(), Types<AtomicRef>::handle);
    bind<AtomicBool>(module, "cereggii.AtomicBool", docs::atomic_bool,
                     slot_table<AtomicAccessor<AtomicBool>>(), Types<AtomicBool>::atomic);
    Types<AtomicBool>::atomic->tp_vectorcall = &call_class<AtomicBool, &to_initial<AtomicBool>>;
    bind<AtomicBoolHandle>(module, "cereggii.AtomicBoolHandle", docs::atomic_bool_handle,
                           slot_table<HandleAccessor<AtomicBool>>(), Types<AtomicBool>::handle);
}

}  // namespace cereggii::atomicref
