// SPDX-License-Identifier: Apache-2.0
#include "cache/memoized.hpp"

#include <structmember.h>

#include <algorithm>
#include <new>
#include <vector>

#include "cache/cache.hpp"
#include "cache/docs.hpp"
#include "cache/filling.hpp"
#include "cache/limits.hpp"
#include "cereggii/atomics/python/binding.hpp"

// A function whose results are cached by its arguments.
//
// The key of a call:
//
//     f(x), an exact int or str    x itself
//     f(*args)                     the tuple of the arguments
//     f(*args, **keywords)         (*args, mark, name, value, name, value, …), sorted by name
//     typed                        and the types of all values, behind that
//
// As a replacement for functools.lru_cache, keywords are not sorted, and a call may make the same
// call again. (Then the function is called again, as often as it does that.)
namespace cereggii::atomicdict {

using namespace atomics;  // NOLINT: what this package is written in

namespace {

using cache::Cache;
using cache::Event;
using cache::Limits;

PyTypeObject* memoized_type = nullptr;
PyObject* mark = nullptr;        // before the keyword arguments of a key, and nowhere else
PyObject* cache_info = nullptr;  // the type of cache_info()

struct Memoized {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject* dict;             // __dict__, owned
    PyObject* weak_references;  // of Python
    PyObject* function;         // owned
    bool typed;
    bool stores;  // false: each call is a miss, and nothing is kept
    bool as_functools;
    bool is_constructed;
    alignas(Cache) unsigned char memory[sizeof(Cache)];

    Cache& cache() noexcept { return *std::launder(reinterpret_cast<Cache*>(memory)); }
};

Memoized* as_memoized(PyObject* self) { return reinterpret_cast<Memoized*>(self); }

// The key of a call, owned. Null with an exception.
PyObject* make_arguments_key(PyObject* const* args, Py_ssize_t count, PyObject* names, bool typed,
                             bool sorts) {
    const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    const Py_ssize_t values = count + named;
    PyObject* key = PyTuple_New(count + (named ? 1 + 2 * named : 0) + (typed ? values : 0));
    if (!key) return nullptr;
    Py_ssize_t at = 0;
    const auto add = [key, &at](PyObject* item) { PyTuple_SET_ITEM(key, at++, Py_NewRef(item)); };
    for (Py_ssize_t i = 0; i < count; ++i) add(args[i]);
    std::vector<Py_ssize_t> order;
    if (named) {
        try {
            order.resize(static_cast<std::size_t>(named));
        } catch (const std::bad_alloc&) {
            Py_DECREF(key);
            return PyErr_NoMemory();
        }
        for (Py_ssize_t i = 0; i < named; ++i) order[static_cast<std::size_t>(i)] = i;
        const auto comes_before = [names](Py_ssize_t a, Py_ssize_t b) {
            return PyUnicode_Compare(PyTuple_GET_ITEM(names, a), PyTuple_GET_ITEM(names, b)) < 0;
        };
        if (sorts) std::ranges::sort(order, comes_before);
        add(mark);
        for (const Py_ssize_t i : order) {
            add(PyTuple_GET_ITEM(names, i));
            add(args[count + i]);
        }
    }
    if (typed) {
        const auto add_type = [&add](PyObject* item) {
            add(reinterpret_cast<PyObject*>(Py_TYPE(item)));
        };
        for (Py_ssize_t i = 0; i < count; ++i) add_type(args[i]);
        for (const Py_ssize_t i : order) add_type(args[count + i]);
    }
    return key;
}

// The key of a call. False with an exception. `owned` is a new reference that keeps the key alive,
// or null.
CEREGGII_ALWAYS_INLINE bool make_call_key(const Memoized& memoized, PyObject* const* args,
                                          Py_ssize_t count, PyObject* names, Key& key,
                                          PyObject*& owned) {
    owned = nullptr;
    if (count == 1 && !names && (PyLong_CheckExact(args[0]) || PyUnicode_CheckExact(args[0])))
        return make_key(args[0], key);
    owned = make_arguments_key(args, count, names, memoized.typed, !memoized.as_functools);
    if (owned && make_key(owned, key)) return true;
    Py_CLEAR(owned);
    return false;
}

PyObject* call(PyObject* self, PyObject* const* args, std::size_t count_and_flag, PyObject* names) {
    Memoized& memoized = *as_memoized(self);
    Cache& cache = memoized.cache();
    const Py_ssize_t count = PyVectorcall_NARGS(count_and_flag);
    if (!memoized.stores) [[unlikely]] {
        cache.statistics().count(Event::misses, UINT32_MAX);
        return PyObject_Vectorcall(memoized.function, args, static_cast<std::size_t>(count), names);
    }
    Key key;
    PyObject* owned = nullptr;
    if (!make_call_key(memoized, args, count, names, key, owned)) return nullptr;
    PyObject* value = nullptr;
    const Found found = cache.find<true>(key, value);
    if (found == Found::present) [[likely]] {
        cache::expire_once_in_a_while(cache);
    } else if (found == Found::absent) {
        const auto forever = atomics::Deadline::never();
        const auto fill = [&] {
            return PyObject_Vectorcall(memoized.function, args, static_cast<std::size_t>(count),
                                       names);
        };
        value = memoized.as_functools ? cache::fill_in<true>(cache, key, fill, forever)
                                      : cache::fill_in<false>(cache, key, fill, forever);
    }
    Py_XDECREF(owned);
    return value;
}

PyObject* invalidate(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    Memoized& memoized = *as_memoized(self);
    Key key;
    PyObject* owned = nullptr;
    if (!make_call_key(memoized, args, count, names, key, owned)) return nullptr;
    const int had_value = memoized.cache().invalidate(key);
    Py_XDECREF(owned);
    return had_value < 0 ? nullptr : PyBool_FromLong(had_value);
}

PyObject* clear_cache(PyObject* self, PyObject*) {
    Cache& cache = as_memoized(self)->cache();
    if (!cache.clear()) return nullptr;
    cache.statistics().reset();
    Py_RETURN_NONE;
}

PyObject* maxsize_of(const Memoized& memoized, Cache& cache) {
    if (!memoized.stores) return PyLong_FromLong(0);
    if (cache.limits().maxsize == 0) return Py_NewRef(Py_None);
    return PyLong_FromUnsignedLongLong(cache.limits().maxsize);
}

PyObject* get_info(PyObject* self, PyObject*) {
    Memoized& memoized = *as_memoized(self);
    Cache& cache = memoized.cache();
    const cache::Statistics::Counts sums = cache.statistics().since_reset();
    PyObject* maxsize = maxsize_of(memoized, cache);
    if (!maxsize) return nullptr;
    return PyObject_CallFunction(cache_info, "KKNn", sums[static_cast<std::size_t>(Event::hits)],
                                 sums[static_cast<std::size_t>(Event::misses)], maxsize,
                                 static_cast<Py_ssize_t>(cache.size()));
}

PyObject* get_parameters(PyObject* self, PyObject*) {
    Memoized& memoized = *as_memoized(self);
    PyObject* maxsize = maxsize_of(memoized, memoized.cache());
    if (!maxsize) return nullptr;
    return Py_BuildValue("{sNsO}", "maxsize", maxsize, "typed",
                         memoized.typed ? Py_True : Py_False);
}

// By name, as a function is.
PyObject* reduce(PyObject* self, PyObject*) { return PyObject_GetAttrString(self, "__qualname__"); }
PyObject* copy(PyObject* self, PyObject*) { return Py_NewRef(self); }

PyObject* represent(PyObject* self) {
    return PyUnicode_FromFormat("<%s of %R>", short_name(self), as_memoized(self)->function);
}

// Binds the function to an instance, as a function in a class is.
PyObject* bind_to(PyObject* self, PyObject* instance, PyObject*) {
    if (!instance || instance == Py_None) return Py_NewRef(self);
    return PyMethod_New(self, instance);
}

int traverse_memoized(PyObject* self, visitproc visit, void* arg) {
    Memoized& memoized = *as_memoized(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(memoized.dict);
    Py_VISIT(memoized.function);
    return memoized.is_constructed ? memoized.cache().traverse(visit, arg) : 0;
}

// The function stays, since another thread may be about to call it. It is a part of a cycle only
// through the `__dict__` or the values.
int clear_memoized(PyObject* self) {
    Memoized& memoized = *as_memoized(self);
    Py_CLEAR(memoized.dict);
    if (memoized.is_constructed && !memoized.cache().clear()) PyErr_Clear();
    return 0;
}

void free_memoized(PyObject* self) {
    Memoized& memoized = *as_memoized(self);
    PyTypeObject* type = Py_TYPE(self);
    if (memoized.weak_references) PyObject_ClearWeakRefs(self);
    if (memoized.is_constructed) {
        memoized.cache().destroy();
        memoized.cache().~Cache();
    }
    Py_CLEAR(memoized.dict);
    Py_CLEAR(memoized.function);
    type->tp_free(self);
    Py_DECREF(type);
}

// As deallocate() in construction.hpp: functions may be the results of each other.
void deallocate_memoized(PyObject* self) {
    PyObject_GC_UnTrack(self);
#if PY_VERSION_HEX < 0x030E0000
    Py_TRASHCAN_BEGIN(self, deallocate_memoized);
    free_memoized(self);
    Py_TRASHCAN_END
#else
    free_memoized(self);
#endif
}

// `_memoize(function, ttl, maxsize, typed, as_functools)`. A maxsize of 0 stores nothing.
PyObject* memoize(PyObject*, PyObject* args) {
    PyObject *function = nullptr, *ttl = nullptr, *maxsize = nullptr;
    int typed = 0, as_functools = 0;
    if (!PyArg_ParseTuple(args, "OOOpp:_memoize", &function, &ttl, &maxsize, &typed, &as_functools))
        return nullptr;
    if (!PyCallable_Check(function)) {
        PyErr_Format(PyExc_TypeError, "function must be callable, not %R", function);
        return nullptr;
    }
    Limits limits;
    const bool stores = !(PyLong_CheckExact(maxsize) && PyObject_Not(maxsize));
    if (!cache::to_nanoseconds(ttl, "ttl", limits.ttl, limits.expires) ||
        (stores && !cache::to_maxsize(maxsize, limits.maxsize)))
        return nullptr;
    PyObject* self = PyType_GenericAlloc(memoized_type, 0);
    if (!self) return nullptr;
    Memoized& memoized = *as_memoized(self);
    memoized.call = &call;
    memoized.function = Py_NewRef(function);
    memoized.typed = typed != 0;
    memoized.stores = stores;
    memoized.as_functools = as_functools != 0;
    new (memoized.memory) Cache(limits);
    if (!memoized.cache().ok()) {
        memoized.cache().~Cache();
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    memoized.is_constructed = true;
    return self;
}

PyObject* get_cache_info_type() {
    const nb::module_ functools = nb::module_::import_("functools");
    return nb::object(functools.attr("_CacheInfo")).release().ptr();
}

}  // namespace

void bind_memoized(nb::module_& module) {
    if (!memoized_type) {
        mark = owned_or_throw(PyObject_CallNoArgs(reinterpret_cast<PyObject*>(&PyBaseObject_Type)))
                   .release()
                   .ptr();
        cache_info = get_cache_info_type();
        static PyMemberDef members[] = {
            {"__vectorcalloffset__", T_PYSSIZET, offsetof(Memoized, call), READONLY, nullptr},
            {"__dictoffset__", T_PYSSIZET, offsetof(Memoized, dict), READONLY, nullptr},
            {"__weaklistoffset__", T_PYSSIZET, offsetof(Memoized, weak_references), READONLY,
             nullptr},
            {nullptr, 0, 0, 0, nullptr}};
        static PyMethodDef methods[] = {
            fast_method("invalidate", &invalidate, cache::docs::invalidate_call),
            plain_method("clear", &clear_cache, cache::docs::clear_results),
            plain_method("cache_clear", &clear_cache, cache::docs::clear_results),
            plain_method("cache_info", &get_info, cache::docs::cache_info),
            plain_method("cache_parameters", &get_parameters, cache::docs::cache_parameters),
            plain_method("__reduce__", &reduce, nullptr),
            plain_method("__copy__", &copy, nullptr),
            one_argument_method("__deepcopy__", &copy, nullptr),
            {nullptr, nullptr, 0, nullptr},
        };
        static PyGetSetDef attributes[] = {
            {"__dict__", &PyObject_GenericGetDict, &PyObject_GenericSetDict, nullptr, nullptr},
            {nullptr, nullptr, nullptr, nullptr, nullptr}};
        static PyType_Slot slots[] = {
            {Py_tp_doc, const_cast<char*>(cache::docs::memoized_function)},
            {Py_tp_dealloc, slot(&deallocate_memoized)},
            {Py_tp_traverse, slot(&traverse_memoized)},
            {Py_tp_clear, slot(&clear_memoized)},
            {Py_tp_call, slot(&PyVectorcall_Call)},
            {Py_tp_repr, slot(&represent)},
            {Py_tp_descr_get, slot(&bind_to)},
            {Py_tp_members, members},
            {Py_tp_methods, methods},
            {Py_tp_getset, attributes},
            {0, nullptr},
        };
        memoized_type = make_internal_type(
            "cereggii_atomicdict.MemoizedFunction", sizeof(Memoized), slots,
            made_by_us | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR);
    }
    module.attr("MemoizedFunction") = nb::handle(reinterpret_cast<PyObject*>(memoized_type));
    static PyMethodDef functions[] = {{"_memoize", &memoize, METH_VARARGS, nullptr},
                                      {nullptr, nullptr, 0, nullptr}};
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw nb::python_error();
}

}  // namespace cereggii::atomicdict
