// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "ref_methods.hpp"

// AtomicRef, AtomicBool and their handles: one method table and one slot table, generated for each
// accessor.
namespace cereggii::atomicref {

namespace {

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
        plain_method("get", &M::get,
                     "get($self, /)\n--\n\n"
                     "The current object.\n\n"
                     "Always one that was stored. Linearizable and lock-free."),
        one_argument_method(
            "set", &M::set,
            "set($self, updated, /)\n--\n\n"
            "Store `updated`, whatever the object was.\n\n"
            "Linearizable and wait-free; what was replaced is released afterwards."),
        one_argument_method("get_and_set", &M::get_and_set,
                            "get_and_set($self, updated, /)\n--\n\n"
                            "Store `updated` and return the object it replaced, in one step.\n\n"
                            "Linearizable and wait-free."),
        fast_method(
            "compare_and_set", &M::compare_and_set,
            "compare_and_set($self, /, expected, updated)\n--\n\n"
            "Store `updated` if the object matches `expected`; return whether it did.\n\n"
            "An object matches itself; exact int, str and bytes also match an equal object\n"
            "of the same type. Never fails spuriously. Linearizable and lock-free."),
        fast_method("compare_and_exchange", &M::compare_and_exchange,
                    "compare_and_exchange($self, /, expected, updated)\n--\n\n"
                    "Store `updated` if the object matches `expected`; return the object found.\n\n"
                    "Matching and guarantees are those of `compare_and_set`."),
        fast_method(
            "update_and_get", &M::template update<"update_and_get", after>,
            "update_and_get($self, /, fn)\n--\n\n"
            "Store fn(object) and return it.\n\n"
            "`fn` runs again if another thread replaced the object meanwhile, so it should\n"
            "have no side effects and must not change the object in place. What it raises\n"
            "propagates, and nothing is stored. TypeError if it cannot be called.\n"
            "Linearizable at the last run, lock-free, and no lock is held while `fn` runs."),
        fast_method("get_and_update", &M::template update<"get_and_update", before>,
                    "get_and_update($self, /, fn)\n--\n\n"
                    "Store fn(object) and return the object before. See `update_and_get`."),
        fast_method("accumulate_and_get", &M::template accumulate<"accumulate_and_get", after>,
                    "accumulate_and_get($self, /, x, fn)\n--\n\n"
                    "Store fn(object, x) and return it. See `update_and_get`."),
        fast_method("get_and_accumulate", &M::template accumulate<"get_and_accumulate", before>,
                    "get_and_accumulate($self, /, x, fn)\n--\n\n"
                    "Store fn(object, x) and return the object before. See `update_and_get`."),
        fast_method(
            "wait_while", &M::wait_while,
            "wait_while($self, /, value, timeout=None)\n--\n\n"
            "Block while the stored object matches `value`; True once it does not.\n\n"
            "Matching is that of `compare_and_set`. False if it still does after `timeout`\n"
            "seconds: a real number from 0 to `threading.TIMEOUT_MAX`; None and inf stand\n"
            "for no limit. A change alone need not wake anyone: whoever stores an object\n"
            "calls `notify_one` or `notify_all`. Sleeps detached from the interpreter and\n"
            "answers signals (Ctrl-C) at once. ValueError for a negative timeout or nan,\n"
            "OverflowError for a larger one. After std::atomic::wait and WebKit's\n"
            "ParkingLot."),
        plain_method(
            "notify_one", &M::template notify<&WaitQueue::notify_one>,
            "notify_one($self, /)\n--\n\n"
            "Wake the thread that has been blocked longest in `wait_while` on this ref, if\n"
            "any; it looks at the object again. Never blocks."),
        plain_method(
            "notify_all", &M::template notify<&WaitQueue::notify_all>,
            "notify_all($self, /)\n--\n\n"
            "Wake all threads that are blocked in `wait_while` on this ref; each looks at\n"
            "the object again. Never blocks."),
        plain_method("get_handle", &get_handle<Accessor>,
                     "get_handle($self, /)\n--\n\n"
                     "A new handle on this ref, for the calling thread's own use."),
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

constexpr const char* ref_doc =
    "AtomicRef(initial_value=None, *, immortal=None)\n--\n\n"
    "A reference to an object that any number of threads can read and replace.\n\n"
    "Every method is one atomic, linearizable, sequentially consistent step, and takes no lock. An\n"
    "object that is replaced is released at once, after the step: its finalizer may use the ref.\n"
    "`compare_and_set` and `wait_while` match by identity; exact int, str and bytes also by value,\n"
    "since their identity is an accident of caching.\n\n"
    "Compares and hashes by identity, as its handles do. Copying and pickling take a snapshot.\n"
    "`immortal=True`: the ref, with what it refers to, lives as long as the process, and threads that\n"
    "share it do not count references to it (PEP 683). This cannot be undone. `immortal=False`: it is\n"
    "an object like any other, freed with its last reference. `immortal=None`: on free-threaded 3.14\n"
    "and later, its counting is *deferred* when threads that did not make it have used it for some\n"
    "time, unless the garbage collector is switched off: a tenth of a second, and longer the more is\n"
    "deferred already. It is not when too much is; then a collection is asked for, which the main\n"
    "thread runs. Instances of subclasses are never deferred.\n\n"
    "What shows on free-threaded builds, of a deferred ref: `sys.getrefcount` gives a huge number; it\n"
    "and what it refers to live until a garbage collection finds that nobody has it any more, and so\n"
    "do weak references to it; `gc.is_tracked` and `gc.get_objects` show it as before, and\n"
    "finalizers run in that collection. Of an immortal one: weak references never die, no finalizer\n"
    "and no callback runs, and `gc` does not know it.\n\n"
    "After java.util.concurrent.atomic.AtomicReference.";

constexpr const char* handle_doc =
    "AtomicRefHandle(target)\n--\n\n"
    "One thread's own reference to an AtomicRef, with the same methods.\n\n"
    "Using it touches no reference count of the ref, only the handle's own, which only one thread\n"
    "counts. Any thread may use any handle: results are the same, only slower. Handles of one\n"
    "AtomicRef are equal, and hash as it does. A handle keeps its AtomicRef alive.";

constexpr const char* bool_doc =
    "AtomicBool(initial_value=False, *, immortal=None)\n--\n\n"
    "A flag that any number of threads can read and change: an AtomicRef to True or False.\n\n"
    "Members and guarantees are those of AtomicRef; what is stored or expected has to be a bool, or it\n"
    "is a TypeError and nothing is changed. A flag is true if its value is. `immortal` is as for\n"
    "AtomicRef, also in what `sys.getrefcount`, weak references and `gc` see.";

constexpr const char* bool_handle_doc =
    "AtomicBoolHandle(target)\n--\n\n"
    "One thread's own reference to an AtomicBool, with the same methods: see AtomicRefHandle.";

}  // namespace

void bind_atomic_ref(nb::module_& module) {
    bind<AtomicRef>(module, "cereggii_atomicref.AtomicRef", ref_doc,
                    slot_table<AtomicAccessor<AtomicRef>>(), Types<AtomicRef>::atomic);
    Types<AtomicRef>::atomic->tp_vectorcall = &call_class<AtomicRef, &to_initial<AtomicRef>>;
    bind<AtomicRefHandle>(module, "cereggii_atomicref.AtomicRefHandle", handle_doc,
                          slot_table<HandleAccessor<AtomicRef>>(), Types<AtomicRef>::handle);
    bind<AtomicBool>(module, "cereggii.AtomicBool", bool_doc,
                     slot_table<AtomicAccessor<AtomicBool>>(), Types<AtomicBool>::atomic);
    Types<AtomicBool>::atomic->tp_vectorcall = &call_class<AtomicBool, &to_initial<AtomicBool>>;
    bind<AtomicBoolHandle>(module, "cereggii.AtomicBoolHandle", bool_handle_doc,
                           slot_table<HandleAccessor<AtomicBool>>(), Types<AtomicBool>::handle);
}

}  // namespace cereggii::atomicref
