// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>
#include <nanobind/nanobind.h>
#include <structmember.h>

#include <bit>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "cereggii/atomics/python/accessors.hpp"
#include "cereggii/atomics/python/at_fork.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "cereggii/atomics/python/compat.hpp"
#include "cereggii/atomics/python/values.hpp"

// What every type needs from Python's object model, apart from its operations: method tables,
// construction, garbage collection, identity, copying, registration.
namespace cereggii::atomics {

namespace nb = nanobind;

template <class Function>
constexpr void* slot(Function* function) {
    return reinterpret_cast<void*>(function);
}

// A C++ function as a C one: exceptions become Python's.
template <auto Function, class... Args>
PyObject* guarded(Args... args) {
    try {
        return Function(args...).release().ptr();
    } catch (nb::python_error& error) {
        error.restore();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    }
    return nullptr;
}

inline nb::object owned_or_throw(PyObject* object) {
    if (!object) throw nb::python_error();
    return nb::steal(object);
}

using FastMethod = PyObject*(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);

inline PyMethodDef fast_method(const char* name, FastMethod* function, const char* doc) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)),
            METH_FASTCALL | METH_KEYWORDS, doc};
}

inline PyMethodDef plain_method(const char* name, PyCFunction function, const char* doc) {
    return {name, function, METH_NOARGS, doc};
}

// With one argument, which is positional only.
inline PyMethodDef one_argument_method(const char* name, PyCFunction function, const char* doc) {
    return {name, function, METH_O, doc};
}

// For what is seldom called: a function of C++ objects, which may throw.
template <auto Function>
PyMethodDef cold_method(const char* name, const char* doc) {
    return {name, [](PyObject* self, PyObject*) { return guarded<Function>(self); }, METH_NOARGS,
            doc};
}

// `T[...]`, as for every generic class.
inline PyMethodDef generic_alias_method() {
    return {"__class_getitem__", &Py_GenericAlias, METH_O | METH_CLASS,
            "__class_getitem__($type, item, /)\n--\n\nSee PEP 585."};
}

// ── garbage collection ─────────────────────────────────────────────────────────────────────────

// A handle owns its target. An atomic that owns objects has `traverse` and `clear`.
template <class Accessor>
int traverse(PyObject* self, visitproc visit, void* arg) {
    using Atomic = typename Accessor::Shared;
    if constexpr (Accessor::is_handle) {
        Py_VISIT(Accessor::target(self));  // null before __init__
    } else if constexpr (requires(Atomic& atomic) { atomic.traverse(visit, arg); }) {
        if constexpr (std::is_same_v<typename Atomic::Sharing, DeferredPolicy>)
            DeferredPolicy::note_visit<Atomic>(self);
        if (const int stop = payload<Atomic>(self)->traverse(visit, arg)) return stop;
    }
    Py_VISIT(Py_TYPE(self));
    return 0;
}

// Nothing to clear in a handle: what it points at is immutable, so that it can be read without
// synchronization. Every cycle through a handle goes through something else that can be cleared.
template <class Accessor>
int clear(PyObject* self) {
    using Atomic = typename Accessor::Shared;
    if constexpr (!Accessor::is_handle && requires(Atomic& atomic) { atomic.clear(); })
        payload<Atomic>(self)->clear();
    return 0;
}

// ── allocation ─────────────────────────────────────────────────────────────────────────────────

// tp_new: zero-filled, without a C++ object. A class with abstract methods is refused, as `object`
// does it. Not inherited from `object`, so that `object.__new__(AtomicRef)` is refused, too.
inline PyObject* new_instance(PyTypeObject* type, PyObject*, PyObject*) {
    if (!PyType_HasFeature(type, Py_TPFLAGS_IS_ABSTRACT)) [[likely]]
        return type->tp_alloc(type, 0);
    PyObject* none = PyTuple_New(0);
    PyObject* refused = none ? PyBaseObject_Type.tp_new(type, none, nullptr) : nullptr;
    Py_XDECREF(none);
    return refused;
}

// Before 3.14, a daemon thread that runs Python code when the interpreter ends is unwound, which
// must not meet a noexcept function such as a destructor: what an object owns is released before.
template <class T>
void release_owned([[maybe_unused]] T* object) {
    if constexpr (PY_VERSION_HEX < 0x030E0000) {
        if constexpr (requires { object->dismantle(); })
            object->dismantle();
        else if constexpr (requires { object->clear(); })
            object->clear();
    }
}

template <class T>
void free_instance(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    if (*reinterpret_cast<PyObject**>(reinterpret_cast<char*>(self) + weak_list_offset<T>))
        PyObject_ClearWeakRefs(self);
    if (header_of(self).ready) {
        release_owned(payload<T>(self));
        payload<T>(self)->~T();
    }
    type->tp_free(self);
    Py_DECREF(type);  // also for a subclass, whose own tp_dealloc leaves it to that of a heap type
}

// Up to 3.13 a chain of objects, each the last to refer to the next, would be freed recursively, as
// deep as the chain is long, were it not for the trashcan. Later, Python itself bounds the depth.
template <class T>
void deallocate(PyObject* self) {
    PyObject_GC_UnTrack(self);
#if PY_VERSION_HEX < 0x030E0000
    Py_TRASHCAN_BEGIN(self, deallocate<T>);
    free_instance<T>(self);
    Py_TRASHCAN_END
#else
    free_instance<T>(self);
#endif
}

// ── construction ───────────────────────────────────────────────────────────────────────────────

// Constructs the C++ object in an instance that has none yet, whoever else tries the same.
template <class T, class... Args>
bool construct_once(PyObject* self, Args&&... args) {
    bool first = false;
    with_object_lock(self, [&] {
        first = !header_of(self).ready;
        if (!first) return;
        new (payload<T>(self)) T(std::forward<Args>(args)...);
        header_of(self).ready = true;
    });
    if (!first)
        PyErr_Format(PyExc_RuntimeError, "%s.__init__() has been called already", short_name(self));
    return first;
}

// What an atomic is made of is given by `Convert(initial_value or null, value)`, which converts the
// argument to what the constructor of the C++ object takes; false with an exception.
template <auto Convert>
struct InitialValue;
template <class T, bool (*Convert)(PyObject*, T&)>
struct InitialValue<Convert> {
    using Type = T;
};

// tp_init of an atomic: (initial_value=0, *, immortal=None). Once in the life of an instance.
template <class Atomic, auto Convert>
int init_atomic(PyObject* self, PyObject* args, PyObject* keywords) {
    PyObject* initial_value = nullptr;
    PyObject* immortal = nullptr;
    if (!keywords && PyTuple_GET_SIZE(args) <= 1) {
        if (PyTuple_GET_SIZE(args) == 1) initial_value = PyTuple_GET_ITEM(args, 0);
    } else {
        static const char* names[] = {"initial_value", "immortal", nullptr};
        char format[64];
        PyOS_snprintf(format, sizeof(format), "|O$O:%s", Atomic::name);
        if (!PyArg_ParseTupleAndKeywords(args, keywords, format, const_cast<char**>(names),
                                         &initial_value, &immortal))
            return -1;
    }
    Immortality immortality{};
    if (!to_immortality(immortal, immortality)) return -1;
    typename InitialValue<Convert>::Type value{};
    if (!Convert(initial_value, value) || !construct_once<Atomic>(self, value)) return -1;
    note_creation(self, immortality);
    if (immortality == Immortality::always) make_immortal(self);
    return 0;
}

// As if there were no tp_vectorcall.
inline PyObject* call_class_slowly(PyObject* type, PyObject* const* args, Py_ssize_t count,
                                   PyObject* names) {
    PyObject* tuple = PyTuple_New(count);
    PyObject* keywords = names ? PyDict_New() : nullptr;
    bool ok = tuple && (keywords || !names);
    for (Py_ssize_t i = 0; ok && i < count; ++i) PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; ok && names && i < PyTuple_GET_SIZE(names); ++i)
        ok = PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, i), args[count + i]) == 0;
    PyObject* made = ok ? PyType_Type.tp_call(type, tuple, keywords) : nullptr;
    Py_XDECREF(keywords);
    Py_XDECREF(tuple);
    return made;
}

// tp_vectorcall of an atomic's type, which no subclass inherits: makes an instance from no or one
// positional argument without a tuple of them, and without its lock, for nobody else has it.
template <class Atomic, auto Convert>
PyObject* call_class(PyObject* type, PyObject* const* args, std::size_t count_and_flag,
                     PyObject* names) {
    const Py_ssize_t count = PyVectorcall_NARGS(count_and_flag);
    if (count > 1 || names) [[unlikely]]
        return call_class_slowly(type, args, count, names);
    typename InitialValue<Convert>::Type value{};
    if (!Convert(count == 1 ? args[0] : nullptr, value)) return nullptr;
    PyObject* self = make_instance<Atomic>(reinterpret_cast<PyTypeObject*>(type), value);
    if (self) note_creation(self, Immortality::automatic);
    return self;
}

// Whether the class of an atomic says `_refuses_handles`: a handle goes to the atomic itself,
// around what the class does. True with an exception.
template <class Atomic>
bool refuses_handles(PyObject* atomic) {
    if (Py_TYPE(atomic) == Types<Atomic>::atomic) [[likely]]
        return false;
    PyObject* says =
        PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(atomic)), "_refuses_handles");
    if (!says) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return true;
        PyErr_Clear();
        return false;
    }
    const int refuses = PyObject_IsTrue(says);
    Py_DECREF(says);
    if (refuses > 0)
        PyErr_Format(PyExc_TypeError, "%s objects have no handles", short_name(atomic));
    return refuses != 0;
}

// The atomic that a handle is to be made for: the argument itself, or what it is a handle of. Null
// with an exception for anything else.
template <class Atomic>
PyObject* handle_target(PyObject* object) {
    if (PyObject_TypeCheck(object, Types<Atomic>::atomic)) {
        if (refuses_handles<Atomic>(object)) return nullptr;
        return AtomicAccessor<Atomic>::peek(object) ? object : nullptr;
    }
    if (PyObject_TypeCheck(object, Types<Atomic>::handle))
        return HandleAccessor<Atomic>::peek(object) ? HandleAccessor<Atomic>::target(object)
                                                    : nullptr;
    set_error(PyExc_TypeError, "a handle needs an %s, not %U", Atomic::name, object);
    return nullptr;
}

template <class Atomic>
int init_handle(PyObject* self, PyObject* args, PyObject* keywords) {
    static const char* names[] = {"target", nullptr};
    PyObject* object = nullptr;
    char format[64];
    PyOS_snprintf(format, sizeof(format), "O:%sHandle", Atomic::name);
    if (!PyArg_ParseTupleAndKeywords(args, keywords, format, const_cast<char**>(names), &object))
        return -1;
    PyObject* target = handle_target<Atomic>(object);
    return target && construct_once<Handle<Atomic>>(self, target) ? 0 : -1;
}

template <class Accessor>
PyObject* get_handle(PyObject* self, PyObject*) {
    using Atomic = typename Accessor::Shared;
    if (!Accessor::peek(self) || refuses_handles<Atomic>(Accessor::target(self))) return nullptr;
    return make_instance<Handle<Atomic>>(Types<Atomic>::handle, Accessor::target(self));
}

// ── identity ───────────────────────────────────────────────────────────────────────────────────

// By identity: the value changes, and a key must not. An atomic and its handles share it.
template <class Accessor>
Py_hash_t hash_identity(PyObject* self) {
    if (!Accessor::peek(self)) return -1;
    const auto address = reinterpret_cast<std::uintptr_t>(Accessor::target(self));
    const auto hash = static_cast<Py_hash_t>(std::rotr(address, 4));  // the low bits are 0
    return hash == -1 ? -2 : hash;
}

// The atomic itself, or what a handle is a handle of; null for any other object, and for one that
// is not constructed.
template <class Atomic>
PyObject* find_target(PyObject* object) {
    if (PyObject_TypeCheck(object, Types<Atomic>::atomic)) return object;
    if (PyObject_TypeCheck(object, Types<Atomic>::handle))
        return HandleAccessor<Atomic>::target(object);
    return nullptr;
}

// == and != by identity of the atomic: handles equal it and each other.
template <class Accessor>
PyObject* compare_identity(PyObject* self, PyObject* other, int op) {
    if (op != Py_EQ && op != Py_NE) Py_RETURN_NOTIMPLEMENTED;
    if (!Accessor::peek(self)) return nullptr;
    PyObject* target = find_target<typename Accessor::Shared>(other);
    if (!target) Py_RETURN_NOTIMPLEMENTED;
    return Py_NewRef((target == Accessor::target(self)) == (op == Py_EQ) ? Py_True : Py_False);
}

// ── copying ────────────────────────────────────────────────────────────────────────────────────

// What a copy is made from, besides the attributes of a subclass: (value,), or (target,) of a
// handle. The rest of copying and pickling is in Python, in _copying.py.
template <class Accessor, auto Value>
nb::object new_arguments(PyObject* self) {
    if constexpr (Accessor::is_handle) {
        if (!Accessor::peek(self)) throw nb::python_error();
        return nb::make_tuple(nb::borrow(Accessor::target(self)));
    } else {
        return nb::make_tuple(owned_or_throw(Value(self, nullptr)));
    }
}

// ── registration ───────────────────────────────────────────────────────────────────────────────

template <class Accessor, auto Convert>
PyType_Slot init_slot() {
    using Atomic = typename Accessor::Shared;
    if constexpr (Accessor::is_handle)
        return {Py_tp_init, slot(&init_handle<Atomic>)};
    else
        return {Py_tp_init, slot(&init_atomic<Atomic, Convert>)};
}

// A handle's `__class__`: isinstance() takes it for what it is a handle of, as it does a
// ThreadHandle.
template <class T>
PyObject* class_of_target(PyObject* self, void*) {
    const PyObject* target = payload<T>(self)->target.load(std::memory_order_acquire);
    return Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(target ? target : self)));
}

// Into the dict of a new type: to set the attribute would set the class of the type.
template <class T>
void define_class_of_target(PyTypeObject* type) {
    constexpr setter refuse = [](PyObject* self, PyObject*, void*) {
        PyErr_Format(PyExc_TypeError, "the class of a handle cannot be set: %R", self);
        return -1;
    };
    static PyGetSetDef definition{"__class__", &class_of_target<T>, refuse,
                                  "The type of what this is a handle of.", nullptr};
    const nb::object descriptor = owned_or_throw(PyDescr_NewGetSet(type, &definition));
    const nb::object dict = owned_or_throw(compat::dict_of_type(type));
    if (PyDict_SetItemString(dict.ptr(), definition.name, descriptor.ptr()) < 0)
        throw nb::python_error();
    PyType_Modified(type);
}

// The flags of a type whose instances the collector knows, and that Python code cannot call.
inline constexpr unsigned long made_by_us = Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION;

// A type that Python code can neither subclass nor change. It is never freed, and not counted by
// the threads that make and drop its instances.
inline PyTypeObject* make_internal_type(const char* name, std::size_t size, PyType_Slot* slots,
                                        unsigned long flags = made_by_us) {
    flags |= Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE;
    PyType_Spec spec{name, static_cast<int>(size), 0, static_cast<unsigned>(flags), slots};
    PyObject* type = owned_or_throw(PyType_FromSpec(&spec)).release().ptr();
    make_immortal(type);
    return reinterpret_cast<PyTypeObject*>(type);
}

// Makes the type of an atomic or a handle, with its public name `package.Type`, and puts it into
// the module. A plain heap type, so it mixes with abstract classes and protocols. `flags`: besides
// those that all types have. It can be changed until finish_type().
template <class T>
void bind(nb::module_& module, const char* public_name, const char* doc, const PyType_Slot* slots,
          PyTypeObject*& type, unsigned long flags = 0) {
    const char* name = std::strrchr(public_name, '.') + 1;
    if (!type) {  // otherwise imported again, after sys.modules was tampered with
        static PyMemberDef members[] = {
            {"__weaklistoffset__", T_PYSSIZET, static_cast<Py_ssize_t>(weak_list_offset<T>),
             READONLY, nullptr},
            {nullptr, 0, 0, 0, nullptr}};
        std::vector<PyType_Slot> all;
        for (; slots->slot != 0; ++slots) all.push_back(*slots);
        all.insert(all.end(), {{Py_tp_doc, const_cast<char*>(doc)},
                               {Py_tp_new, slot(&new_instance)},
                               {Py_tp_dealloc, slot(&deallocate<T>)},
                               {Py_tp_members, members},
                               {0, nullptr}});
        PyType_Spec spec{public_name, static_cast<int>(instance_size<T>), 0,
                         static_cast<unsigned>(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE |
                                               Py_TPFLAGS_HAVE_GC | flags),
                         all.data()};
        const nb::object made =
            owned_or_throw(PyType_FromModuleAndSpec(module.ptr(), &spec, nullptr));
        auto* bound = reinterpret_cast<PyTypeObject*>(made.ptr());
        if constexpr (requires(T& handle) { handle.target; }) define_class_of_target<T>(bound);
        make_immortal(made.ptr());  // its instances, which threads make and drop, count it
        type = reinterpret_cast<PyTypeObject*>(Py_NewRef(made.ptr()));  // complete
    }
    module.attr(name) = nb::handle(reinterpret_cast<PyObject*>(type));
}

// `_finish_type(type, attributes)`, for the package's own Python code: adds what is written in
// Python, and makes the type immutable. When the package is imported again, there is nothing to do.
inline PyObject* finish_type(PyObject*, PyObject* args) {
    PyTypeObject* type = nullptr;
    PyObject* attributes = nullptr;
    if (!PyArg_ParseTuple(args, "O!O!:_finish_type", &PyType_Type, &type, &PyDict_Type,
                          &attributes))
        return nullptr;
    if (PyType_HasFeature(type, Py_TPFLAGS_IMMUTABLETYPE)) Py_RETURN_NONE;
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(attributes, &position, &name, &value))
        if (PyObject_SetAttr(reinterpret_cast<PyObject*>(type), name, value) < 0) return nullptr;
    type->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
    Py_RETURN_NONE;
}

inline void add_finish_type(nb::module_& module) {
    static PyMethodDef functions[] = {{"_finish_type", &finish_type, METH_VARARGS, nullptr},
                                      {nullptr, nullptr, 0, nullptr}};
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw nb::python_error();
}

// In the child of a fork, the threads that waited are not there. Once in the life of a process.
inline void forget_waiters_after_fork() {
    WaitQueue::forget_all();  // nobody waits yet: makes the table, which is not to begin in a child
    call_in_forked_children([] { WaitQueue::forget_all(); });
}

}  // namespace cereggii::atomics
