// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "cereggii/atomics/python/binding.hpp"
#include "map/scan.hpp"
#include "python/batch.hpp"
#include "python/compute.hpp"
#include "python/docs.hpp"
#include "python/iterables.hpp"
#include "python/key_methods.hpp"
#include "python/mapping_methods.hpp"
#include "python/reduce.hpp"

// The types AtomicDict and AtomicDictHandle. One method table and one slot table are generated for
// each accessor.
namespace cereggii::atomicdict {

namespace {

// ── construction ───────────────────────────────────────────────────────────────────────────────

using Protocol = MappingMethods<AtomicAccessor<AtomicDict>>;

// Removes `name` from the keywords of a call, and sets `value` to its value: an owned reference, or
// null if the keyword is absent. False with an exception.
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

// The arguments (initial=(), /, *, min_size=None, immortal=None, **keywords). For programs that
// were written for cereggii 1.x, there are also `initial=` and `buffer_size=`. A field is null if
// its argument was not given.
struct ConstructorArguments {
    nb::object initial;      // What the items are read from.
    nb::object min_size;     // The number of keys to make room for.
    nb::object buffer_size;  // Only checked: it has no effect.
    nb::object immortal;     // See to_immortality().
    nb::object keywords;     // A dict of the keyword items, without those above.

    static ConstructorArguments parse(PyObject* args, PyObject* given) {
        ConstructorArguments arguments;
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
        if (initial.is_valid()) arguments.initial = std::move(initial);
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
    const ConstructorArguments arguments = ConstructorArguments::parse(args, given);
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

// Makes an AtomicDict, even if it is called on the type of a handle.
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
        fast_method("get", &K::get, docs::get),
        fast_method("pop", &K::pop, docs::pop),
        fast_method("setdefault", &K::setdefault, docs::setdefault),
        fast_method("get_and_set", &K::get_and_set, docs::get_and_set),
        fast_method("compare_and_set", &K::compare_and_set, docs::compare_and_set),
        fast_method("compare_and_exchange", &K::compare_and_exchange, docs::compare_and_exchange),
        fast_method("compare_and_delete", &K::compare_and_delete, docs::compare_and_delete),
        fast_method("get_or_compute", &C::get_or_compute, docs::get_or_compute),
        fast_method("compute", &C::compute, docs::compute),
        fast_method("merge", &C::merge, docs::merge),
        fast_method("remove_if", &C::remove_if, docs::remove_if),
        fast_method("reduce", &R::reduce, docs::reduce),
        fast_method("reduce_sum", &R::template reduce_specialised<"reduce_sum", Reduction::sum>,
                    docs::reduce_sum),
        fast_method("reduce_and",
                    &R::template reduce_specialised<"reduce_and", Reduction::all_true>,
                    docs::reduce_and),
        fast_method("reduce_or", &R::template reduce_specialised<"reduce_or", Reduction::any_true>,
                    docs::reduce_or),
        fast_method("reduce_max", &R::template reduce_specialised<"reduce_max", Reduction::maximum>,
                    docs::reduce_max),
        fast_method("reduce_min", &R::template reduce_specialised<"reduce_min", Reduction::minimum>,
                    docs::reduce_min),
        fast_method("reduce_list", &R::template reduce_specialised<"reduce_list", Reduction::list>,
                    docs::reduce_list),
        fast_method("reduce_count", &R::reduce_count, docs::reduce_count),
        fast_method("batch_getitem", &B::batch_getitem, docs::batch_getitem),
        plain_method("popitem", &D::popitem, docs::popitem),
        plain_method("clear", &D::clear, docs::clear),
        plain_method("copy", &D::copy, docs::copy),
        plain_method("snapshot", &D::snapshot, docs::snapshot),
        keyword_method("update", &D::update, 0, docs::update),
        keyword_method("fromkeys", &fromkeys<Accessor>, METH_CLASS, docs::fromkeys),
        plain_method("approx_len", &D::approx_len, docs::approx_len),
        plain_method("len_bounds", &D::len_bounds, docs::len_bounds),
        fast_method("reserve", &D::reserve, docs::reserve),
        fast_method("fast_iter", &D::fast_iter, docs::fast_iter),
        plain_method("_iterate_values", &D::iterate_values, nullptr),
        plain_method("_iterate_items", &D::iterate_items, nullptr),
        plain_method("get_handle", &get_handle<Accessor>, docs::get_handle),
        plain_method("__sizeof__", &D::size_in_bytes, docs::size_in_bytes),
        generic_alias_method(),
        cold_method<&new_arguments_of_container<Accessor>>("__getnewargs__", nullptr),
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

}  // namespace

void bind_atomic_dict(nb::module_& module) {
    if (!missing_name) {
        missing_name = owned_or_throw(PyUnicode_InternFromString("__missing__")).release().ptr();
        mro_name = owned_or_throw(PyUnicode_InternFromString("__mro__")).release().ptr();
    }
    // Py_TPFLAGS_MAPPING makes it a mapping for `match`. To register it as a Mapping does not set
    // the flag, because the type cannot be changed.
    bind<AtomicDict>(module, "cereggii_atomicdict.AtomicDict", docs::atomic_dict,
                     slot_table<AtomicAccessor<AtomicDict>>(), Types<AtomicDict>::atomic,
                     Py_TPFLAGS_MAPPING);
    Types<AtomicDict>::atomic->tp_vectorcall = &call_container_class<AtomicDict>;
    bind<AtomicDictHandle>(module, "cereggii_atomicdict.AtomicDictHandle", docs::atomic_dict_handle,
                           slot_table<HandleAccessor<AtomicDict>>(), Types<AtomicDict>::handle,
                           Py_TPFLAGS_MAPPING);
    // For tests that count steps instead of measuring time.
    module.def("_looks_of_iteration", [](nb::handle dict) {
        HashMap* map = find_map<AtomicDict>(dict.ptr());
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
        HashMap* map = find_map<AtomicDict>(dict.ptr());
        if (!map) throw nb::type_error("an AtomicDict is needed");
        return total_detour(*map);
    });
}

}  // namespace cereggii::atomicdict
