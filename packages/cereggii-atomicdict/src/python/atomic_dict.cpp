// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "map/scan.hpp"
#include "python/batch.hpp"
#include "python/compute.hpp"
#include "python/iterables.hpp"
#include "python/key_methods.hpp"
#include "python/mapping_methods.hpp"
#include "python/reduce.hpp"

// AtomicDict and AtomicDictHandle: one method table and one slot table, generated for each
// accessor.
namespace cereggii::atomicdict {

namespace {

// ── construction ───────────────────────────────────────────────────────────────────────────────

using Protocol = MappingMethods<AtomicAccessor<AtomicDict>>;

// Takes `name` out of the keywords of a call; an owned reference, null if it is not there. False
// with an exception.
bool take_keyword(PyObject* keywords, const char* name, PyObject*& value) {
    value = nullptr;
    PyObject* key = PyUnicode_FromString(name);
    if (!key) return false;
    value = Py_XNewRef(PyDict_GetItemWithError(keywords, key));
    bool ok = !PyErr_Occurred();
    if (value && PyDict_DelItem(keywords, key) < 0) ok = false;
    Py_DECREF(key);
    return ok;
}

bool check_buffer_size(PyObject* buffer_size) {
    std::int64_t size = 0;
    if (!to_int64(buffer_size, &size, "buffer_size")) return false;
    if (size >= 1 && size <= 64 && (size & (size - 1)) == 0) return true;
    set_error(PyExc_ValueError, "buffer_size must be a power of two from 1 to 64, not %U",
              buffer_size);
    return false;
}

// (initial=(), /, *, min_size=None, immortal=None, **keywords); also `initial=` and
// `buffer_size=`.
struct Arguments {
    nb::object initial, min_size, buffer_size, immortal, keywords;

    static Arguments parse(PyObject* args, PyObject* given) {
        Arguments arguments;
        const Py_ssize_t count = PyTuple_GET_SIZE(args);
        if (count > 1) {
            set_bad_count("AtomicDict", 1, count);
            throw nb::python_error();
        }
        if (count == 1) arguments.initial = nb::borrow(PyTuple_GET_ITEM(args, 0));
        if (!given) return arguments;
        if (!PyArg_ValidateKeywordArguments(given)) throw nb::python_error();
        arguments.keywords = owned_or_throw(PyDict_Copy(given));
        nb::object initial = arguments.take("initial");
        arguments.min_size = arguments.take("min_size");
        arguments.buffer_size = arguments.take("buffer_size");
        arguments.immortal = arguments.take("immortal");
        if (initial.is_valid() && arguments.initial.is_valid()) {
            PyErr_SetString(PyExc_TypeError,
                            "AtomicDict() got `initial` as a positional and as a keyword argument");
            throw nb::python_error();
        }
        if (initial.is_valid()) arguments.initial = initial;
        return arguments;
    }

private:
    nb::object take(const char* name) {
        PyObject* value = nullptr;
        const bool ok = take_keyword(keywords.ptr(), name, value);
        nb::object taken = nb::steal(value);
        if (!ok) throw nb::python_error();
        return taken;
    }
};

bool init_checked(PyObject* self, PyObject* args, PyObject* given) {
    const Arguments arguments = Arguments::parse(args, given);
    std::size_t min_size = 0;
    const bool sized = arguments.min_size.is_valid() && !arguments.min_size.is_none();
    if (sized && !Protocol::to_size(arguments.min_size.ptr(), "min_size", min_size)) return false;
    if (arguments.buffer_size.is_valid() && !arguments.buffer_size.is_none() &&
        !check_buffer_size(arguments.buffer_size.ptr()))
        return false;
    Immortality immortality{};
    if (!to_immortality(arguments.immortal.ptr(), immortality)) return false;
    if (!construct_once<AtomicDict>(self)) return false;
    note_creation(self, immortality);
    HashMap& map = payload<AtomicDict>(self)->map;
    if (sized) {
        if (!reserve(map, min_size)) return false;
        map.initial_min_capacity.store(map.min_capacity.load(std::memory_order_relaxed),
                                       std::memory_order_relaxed);
    }
    if (arguments.initial.is_valid() && !update_from(map, arguments.initial.ptr())) return false;
    if (arguments.keywords.is_valid() && !update_from_dict(map, arguments.keywords.ptr()))
        return false;
    if (immortality == Immortality::always) make_immortal(self);
    return true;
}

int init(PyObject* self, PyObject* args, PyObject* given) {
    try {
        return init_checked(self, args, given) ? 0 : -1;
    } catch (nb::python_error& error) {
        error.restore();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    }
    return -1;
}

// tp_vectorcall: `AtomicDict()` has nothing to parse, and nobody else has the new instance.
PyObject* call_dict_class(PyObject* type, PyObject* const* args, std::size_t count_and_flag,
                          PyObject* names) {
    const Py_ssize_t count = PyVectorcall_NARGS(count_and_flag);
    if (count != 0 || names) return call_class_slowly(type, args, count, names);
    PyObject* self = make_instance<AtomicDict>(reinterpret_cast<PyTypeObject*>(type));
    if (self) note_creation(self, Immortality::automatic);
    return self;
}

// Those of a handle are its dict. A dict has none: its items are put into the copy afterwards.
template <class Accessor>
nb::object new_arguments_of_dict(PyObject* self) {
    if (!Accessor::value(self)) throw nb::python_error();
    if constexpr (Accessor::is_handle)
        return nb::make_tuple(nb::borrow(Accessor::target(self)));
    else
        return nb::make_tuple();
}

// Called on a handle's type, it makes an AtomicDict, too.
template <class Accessor>
PyObject* fromkeys(PyObject* type, PyObject* args, PyObject* keywords) {
    if constexpr (Accessor::is_handle)
        type = reinterpret_cast<PyObject*>(Types<AtomicDict>::atomic);
    static const char* names[] = {"iterable", "value", nullptr};
    PyObject* iterable = nullptr;
    PyObject* value = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O:fromkeys", const_cast<char**>(names),
                                     &iterable, &value))
        return nullptr;
    PyObject* made = PyObject_CallNoArgs(type);
    const bool ok = made && for_each(iterable, [&](PyObject* key, Py_ssize_t) {
                        return PyObject_SetItem(made, key, value) == 0;
                    });
    if (!ok) Py_CLEAR(made);
    return made;
}

// ── tables ─────────────────────────────────────────────────────────────────────────────────────

using KeywordMethod = PyObject*(PyObject*, PyObject*, PyObject*);

PyMethodDef keyword_method(const char* name, KeywordMethod* function, int flags, const char* doc) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)),
            METH_VARARGS | METH_KEYWORDS | flags, doc};
}

template <class Accessor>
PyMethodDef* method_table() {
    using K = KeyMethods<Accessor>;
    using D = MappingMethods<Accessor>;
    using C = ComputeMethods<Accessor>;
    using R = ReduceMethods<Accessor>;
    using B = BatchMethods<Accessor>;
    static PyMethodDef table[] = {
        fast_method("get", &K::get,
                    "get($self, /, key, default=None)\n--\n\n"
                    "The value of `key`, or `default` if it is absent.\n\n"
                    "Linearizable and lock-free; takes no lock and writes nothing but the value's\n"
                    "reference count."),
        fast_method("pop", &K::pop,
                    "pop($self, /, key, default=...)\n--\n\n"
                    "Remove `key` and return its value, in one step.\n\n"
                    "If it is absent, return `default`, or raise KeyError without one.\n"
                    "Linearizable and lock-free."),
        fast_method(
            "setdefault", &K::setdefault,
            "setdefault($self, /, key, default=None)\n--\n\n"
            "The value of `key`; if it is absent, insert it with `default` first.\n\n"
            "One step: of many threads that insert a key, one does, and all get its value.\n"
            "Linearizable and lock-free."),
        fast_method("get_and_set", &K::get_and_set,
                    "get_and_set($self, /, key, updated)\n--\n\n"
                    "Store `updated` and return the value it replaced, or NOT_FOUND.\n\n"
                    "Linearizable and lock-free."),
        fast_method(
            "compare_and_set", &K::compare_and_set,
            "compare_and_set($self, /, key, expected, updated)\n--\n\n"
            "Store `updated` if the value of `key` matches `expected`.\n\n"
            "Otherwise raise ExpectationFailed, and nothing is changed. A value matches itself;\n"
            "exact int, str and bytes also match an equal one of the same type. With\n"
            "`expected=NOT_FOUND` the key has to be absent, with ANY it is set in any case.\n"
            "Linearizable and lock-free."),
        fast_method("compare_and_exchange", &K::compare_and_exchange,
                    "compare_and_exchange($self, /, key, expected, updated)\n--\n\n"
                    "Store `updated` if the value of `key` matches `expected`; return what was\n"
                    "found, which is NOT_FOUND if it was absent.\n\n"
                    "Matching and guarantees are those of `compare_and_set`."),
        fast_method("compare_and_delete", &K::compare_and_delete,
                    "compare_and_delete($self, /, key, expected)\n--\n\n"
                    "Remove `key` if its value matches `expected`.\n\n"
                    "Otherwise, and if it is absent, raise ExpectationFailed. With ANY, whatever\n"
                    "the value is. Matching and guarantees are those of `compare_and_set`."),
        fast_method(
            "get_or_compute", &C::get_or_compute,
            "get_or_compute($self, /, key, factory, timeout=None)\n--\n\n"
            "The value of `key`; if it is absent, insert what `factory(key)` returns.\n\n"
            "Of many threads that ask for an absent key, one calls its factory; the others wait and\n"
            "get the same object. If the factory raises, its caller gets the exception, nothing is\n"
            "inserted, and one of those who wait tries next. RuntimeError if a thread would wait for\n"
            "itself: a factory that asks for its own key, also by way of other threads. What is stored\n"
            "meanwhile by other operations is kept, and returned. TimeoutError if another thread still\n"
            "computes it after `timeout` seconds: a real number from 0 to `threading.TIMEOUT_MAX`;\n"
            "None and inf stand for no limit. ValueError for a negative timeout or nan,\n"
            "OverflowError for a larger one.\n"
            "Lock-free if the key is present. Waiting ends for signals. After computeIfAbsent of\n"
            "java.util.concurrent.ConcurrentHashMap, which locks other keys, too."),
        fast_method(
            "compute", &C::compute,
            "compute($self, /, key, fn)\n--\n\n"
            "Set `key` to `fn(key, current)`, where `current` is NOT_FOUND if it is absent.\n\n"
            "Returns the new value. If that is NOT_FOUND, the key is removed. `fn` is called again\n"
            "if another thread has changed the value meanwhile, so it should have no effects.\n"
            "Linearizable; lock-free but for what `fn` does."),
        fast_method("merge", &C::merge,
                    "merge($self, /, key, value, fn)\n--\n\n"
                    "Set `key` to `fn(current, value)`, or to `value` if it is absent.\n\n"
                    "Returns the new value. Otherwise as `compute`: a `fn` that returns NOT_FOUND\n"
                    "removes the key, and `fn` may be called again."),
        fast_method(
            "remove_if", &C::remove_if,
            "remove_if($self, /, predicate)\n--\n\n"
            "Remove each item of which `predicate(key, value)` is true; return how many.\n\n"
            "Each in one step, and only with the value that was asked about: if another\n"
            "thread changes it meanwhile, `predicate` is asked again. Weak, as iteration\n"
            "is. If something raises, what was removed before stays removed."),
        fast_method(
            "reduce", &R::reduce,
            "reduce($self, /, pairs, fn)\n--\n\n"
            "Aggregate (key, value) pairs: each key becomes `fn(key, current, value)`.\n\n"
            "`current` is NOT_FOUND for the first of a key. Many threads may aggregate into\n"
            "one dict. Inputs of one key are combined with each other before they are\n"
            "combined with the value in the dict, so `fn` has to be associative and\n"
            "commutative, may be called more often than there are inputs, and should have\n"
            "no effects. Each input is counted once, also if something raises: then all\n"
            "that was taken from `pairs` is in the dict, except for the (key, value) pairs in\n"
            "the exception's attribute `not_reduced`, if it has one: the input, or the\n"
            "aggregates of several, for which `fn` raised.\n"
            "Memory is bounded, however long `pairs` is. Lock-free but for what `fn` does."),
        fast_method("reduce_sum", &R::template reduce_specialised<"reduce_sum", Reduction::sum>,
                    "reduce_sum($self, /, pairs)\n--\n\n"
                    "`reduce` with `current + value`. Ints are added natively."),
        fast_method("reduce_and",
                    &R::template reduce_specialised<"reduce_and", Reduction::all_true>,
                    "reduce_and($self, /, pairs)\n--\n\n"
                    "`reduce` with `current and bool(value)`; bool(value) for the first of a key."),
        fast_method("reduce_or", &R::template reduce_specialised<"reduce_or", Reduction::any_true>,
                    "reduce_or($self, /, pairs)\n--\n\n"
                    "`reduce` with `current or bool(value)`; bool(value) for the first of a key."),
        fast_method("reduce_max", &R::template reduce_specialised<"reduce_max", Reduction::maximum>,
                    "reduce_max($self, /, pairs)\n--\n\n"
                    "`reduce` with `max(value, current)`."),
        fast_method("reduce_min", &R::template reduce_specialised<"reduce_min", Reduction::minimum>,
                    "reduce_min($self, /, pairs)\n--\n\n"
                    "`reduce` with `min(value, current)`."),
        fast_method("reduce_list", &R::template reduce_specialised<"reduce_list", Reduction::list>,
                    "reduce_list($self, /, pairs)\n--\n\n"
                    "`reduce` to lists of all values, where a list counts as its items.\n\n"
                    "In no particular order, but for the inputs of one call."),
        fast_method(
            "reduce_count", &R::reduce_count,
            "reduce_count($self, /, keys_or_mapping)\n--\n\n"
            "Count the keys of an iterable, or add the counts that a mapping has for them.\n\n"
            "As collections.Counter.update, from many threads at once; see `reduce`."),
        fast_method(
            "batch_getitem", &B::batch_getitem,
            "batch_getitem($self, /, batch, chunk_size=128)\n--\n\n"
            "Set the values of the dict `batch` to those of the same keys here; return it.\n\n"
            "NOT_FOUND where a key is absent. Faster than a loop of lookups, as `chunk_size`\n"
            "of them (at most 1024) wait for memory at the same time. Each lookup is\n"
            "linearizable by itself. If a key's __eq__ raises, the chunks before are done.\n"
            "ValueError if `chunk_size` is less than 1."),
        plain_method(
            "popitem", &D::popitem,
            "popitem($self, /)\n--\n\n"
            "Remove some key and return it with its value, as a tuple.\n\n"
            "KeyError if the dict was empty at one instant. Each item goes to one thread.\n"
            "Linearizable; lock-free while there are items."),
        plain_method("clear", &D::clear,
                     "clear($self, /)\n--\n\n"
                     "Remove all keys, in one step.\n\n"
                     "Linearizable and lock-free. Needs no memory. What was in the dict is freed\n"
                     "before it returns, or soon after if other threads are just reading."),
        plain_method("copy", &D::copy,
                     "copy($self, /)\n--\n\n"
                     "An AtomicDict of what is in this one at one instant. See `snapshot`."),
        plain_method(
            "snapshot", &D::snapshot,
            "snapshot($self, /)\n--\n\n"
            "A dict of what is in this one at one instant.\n\n"
            "The way to get a plain dict beside writers: dict(d), {**d} and f(**d) ask for the keys\n"
            "first and then for each value, so they are of no single instant, and raise KeyError if\n"
            "a key has been deleted meanwhile. Linearizable. Writers wait for as long as the items are read, about 0.1\n"
            "microseconds each; readers do not. The collector, a fork and Ctrl-C wait for\n"
            "some milliseconds at most, or as long as a builtin dict takes to grow."),
        keyword_method("update", &D::update, 0,
                       "update($self, other=(), /, **keywords)\n--\n\n"
                       "Set the keys of a mapping, an iterable of pairs, or keyword arguments.\n\n"
                       "Each key is set in a step of its own. If something raises, what was set\n"
                       "before stays."),
        keyword_method("fromkeys", &fromkeys<Accessor>, METH_CLASS,
                       "fromkeys($type, /, iterable, value=None)\n--\n\n"
                       "A new dict with the keys that are iterated, all set to `value`."),
        plain_method("approx_len", &D::approx_len,
                     "approx_len($self, /)\n--\n\n"
                     "How many keys there are, about: exact when nobody inserts or deletes.\n\n"
                     "Weak: what others are inserting and deleting meanwhile is counted or not.\n"
                     "Never blocks, and costs the same however many threads have used the dict."),
        plain_method("len_bounds", &D::len_bounds,
                     "len_bounds($self, /)\n--\n\n"
                     "(len(self), len(self)). For programs that were written for cereggii 1.x."),
        fast_method("reserve", &D::reserve,
                    "reserve($self, /, n)\n--\n\n"
                    "Make room for `n` keys in all, until the dict is cleared.\n\n"
                    "ValueError if `n` is negative, MemoryError if there is not enough memory."),
        fast_method("fast_iter", &D::fast_iter,
                    "fast_iter($self, /, partitions=1, this_partition=0)\n--\n\n"
                    "Iterate over the (key, value) pairs of one of several parts.\n\n"
                    "The parts with 0 <= this_partition < partitions are disjoint, and together\n"
                    "they are the dict: for as many threads, each with its part. Weak as all\n"
                    "iteration is: it never raises, never blocks, and never repeats a key; a key\n"
                    "that is present throughout is seen exactly once. The order is the thread's\n"
                    "own: each starts elsewhere in the part, so that threads that go through the\n"
                    "same one do not keep meeting at the same keys. ValueError for a part that\n"
                    "does not exist."),
        plain_method("_iterate_values", &D::iterate_values, nullptr),
        plain_method("_iterate_items", &D::iterate_items, nullptr),
        plain_method("get_handle", &get_handle<Accessor>,
                     "get_handle($self, /)\n--\n\n"
                     "A new AtomicDictHandle on this dict, for the calling thread's own use."),
        plain_method("__sizeof__", &D::size_in_bytes,
                     "__sizeof__($self, /)\n--\n\n"
                     "The memory of the dict in bytes, without that of its keys and values."),
        generic_alias_method(),
        cold_method<&new_arguments_of_dict<Accessor>>("__getnewargs__", nullptr),
        {nullptr, nullptr, 0, nullptr},
    };
    return table;
}

template <class Accessor>
PyType_Slot dict_init_slot() {
    if constexpr (Accessor::is_handle)
        return {Py_tp_init, slot(&init_handle<AtomicDict>)};
    else
        return {Py_tp_init, slot(&init)};
}

template <class Accessor>
const PyType_Slot* slot_table() {
    using K = KeyMethods<Accessor>;
    using D = MappingMethods<Accessor>;
    static const PyType_Slot table[] = {
        dict_init_slot<Accessor>(),
        {Py_tp_methods, method_table<Accessor>()},
        {Py_tp_traverse, slot(&atomics::traverse<Accessor>)},
        {Py_tp_clear, slot(&atomics::clear<Accessor>)},
        {Py_tp_richcompare, slot(&D::compare)},
        {Py_tp_hash, slot(&PyObject_HashNotImplemented)},
        {Py_tp_repr, slot(&D::repr)},
        {Py_tp_iter, slot(&D::iterate)},
        {Py_mp_length, slot(&D::length)},
        {Py_mp_subscript, slot(&K::subscript)},
        {Py_mp_ass_subscript, slot(&K::assign)},
        {Py_sq_contains, slot(&K::contains)},
        {Py_nb_or, slot(&D::unite)},
        {Py_nb_inplace_or, slot(&D::unite_in_place)},
        {0, nullptr},
    };
    return table;
}

constexpr const char* dict_doc =
    "AtomicDict(initial=(), /, *, min_size=None, immortal=None, **keywords)\n--\n\n"
    "A dict that any number of threads can read and change.\n\n"
    "`initial` is a mapping or an iterable of pairs. It is a hash table without locks: every method on\n"
    "one key is one linearizable step, readers never wait, and writers never wait for a resize. What\n"
    "is exact about all keys (`len`, `snapshot`, `copy`, `==`, `repr`, pickling) keeps writers (`[]=`,\n"
    "`del`, `clear`) waiting while it reads them; \"lock-free\" is meant but for that. Iteration is weak:\n"
    "it never raises and never repeats a key, and a key that is present throughout is seen exactly\n"
    "once. Order is not kept. For a plain dict beside writers use `snapshot()`: `dict(d)`, `{**d}` and\n"
    "`f(**d)` go through keys and `[]`, and may raise KeyError.\n\n"
    "`min_size`: for how many keys there is to be room from the start. Keys are hashed and compared as\n"
    "in dict; exact int, str and bytes without running Python code. The constants NOT_FOUND, ANY and\n"
    "EXPECTATION_FAILED are neither keys nor values (ValueError). Copying and pickling take a\n"
    "snapshot.\n\n"
    "`immortal=True`: the dict, with what is in it, lives as long as the process, and threads that\n"
    "share it do not count references to it (PEP 683). This cannot be undone. `immortal=False`: it is\n"
    "an object like any other, freed with its last reference. `immortal=None`: on free-threaded 3.14\n"
    "and later, its counting is *deferred* when threads that did not make it have used it for some\n"
    "time, unless the garbage collector is switched off: a tenth of a second for a small dict, a\n"
    "second for each 16 MiB, and longer the more is deferred already. It is not when too much is; then\n"
    "a collection is asked for, which the main thread runs. Instances of subclasses are never\n"
    "deferred.\n\n"
    "What shows on free-threaded builds, of a deferred dict: `sys.getrefcount` gives a huge number; it\n"
    "and its content live until a garbage collection finds that nobody has it any more, and so do\n"
    "weak references to it; `gc.is_tracked` and `gc.get_objects` show it as before, and finalizers run\n"
    "in that collection. Of an immortal one: weak references never die, no finalizer and no callback\n"
    "runs, and `gc` does not know it.\n\n"
    "A value that is replaced or deleted is released at once. So is a key that is deleted, and\n"
    "what clear() drops, if no other thread is in an operation at that moment. If one is, they are\n"
    "freed once it has left: at the thread's next deletion, or some 10 ms later by a thread that is\n"
    "started for that and ends when it is not needed; and in any case by the next garbage collection,\n"
    "when any AtomicDict is deallocated, or at the exit. What removes nothing runs no finalizers of\n"
    "what another thread has removed.\n\n"
    "After the dictionaries of cereggii 1.x, Cliff Click's and papaya's hash tables; see\n"
    "docs/architecture.md.";

constexpr const char* handle_doc =
    "AtomicDictHandle(target)\n--\n\n"
    "One thread's own reference to an AtomicDict, with the same operations.\n\n"
    "Using it touches no reference count of the dict, only the handle's own, which only one thread\n"
    "counts. Any thread may use any handle: results are the same, only slower. A handle keeps its\n"
    "AtomicDict alive.";

}  // namespace

void bind_atomic_dict(nb::module_& module) {
    if (!missing_name) {
        missing_name = owned_or_throw(PyUnicode_InternFromString("__missing__")).release().ptr();
        mro_name = owned_or_throw(PyUnicode_InternFromString("__mro__")).release().ptr();
    }
    // A mapping for `match`: to be registered as one does not tell a type that cannot be changed.
    bind<AtomicDict>(module, "cereggii_atomicdict.AtomicDict", dict_doc,
                     slot_table<AtomicAccessor<AtomicDict>>(), Types<AtomicDict>::atomic,
                     Py_TPFLAGS_MAPPING);
    Types<AtomicDict>::atomic->tp_vectorcall = &call_dict_class;
    bind<AtomicDictHandle>(module, "cereggii_atomicdict.AtomicDictHandle", handle_doc,
                           slot_table<HandleAccessor<AtomicDict>>(), Types<AtomicDict>::handle,
                           Py_TPFLAGS_MAPPING);
    // For tests, which count costs instead of measuring times.
    module.def("_looks_of_iteration", [](nb::handle dict) {
        HashMap* map = find_map(dict.ptr());
        if (!map) throw nb::type_error("an AtomicDict is needed");
        Scan scan(Part(), Scan::Start::first);
        for (;;) {
            Scan::Item item;
            const Scan::Result result = scan.next(*map, false, item);
            Scan::release(item);
            if (result == Scan::Result::error) throw nb::python_error();
            if (result == Scan::Result::end) return scan.looks();
        }
    });
    module.def("_total_detour", [](nb::handle dict) {
        HashMap* map = find_map(dict.ptr());
        if (!map) throw nb::type_error("an AtomicDict is needed");
        return total_detour(*map);
    });
}

}  // namespace cereggii::atomicdict
