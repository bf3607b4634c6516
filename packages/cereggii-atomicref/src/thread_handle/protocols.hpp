// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "thread_handle/thread_handle.hpp"

// The other protocols that a ThreadHandle passes on to its object: calls, containers, iteration,
// conversions, context managers, classes, awaiting, buffers.
namespace cereggii::atomicref {

// ── calls ──────────────────────────────────────────────────────────────────────────────────────

inline PyObject* call_object(PyObject* self, PyObject* const* args, std::size_t count,
                             PyObject* keywords) {
    PyObject* object = object_of(self);
    return object ? PyObject_Vectorcall(object, args, count, keywords) : nullptr;
}

// tp_call, for a caller that has a tuple of the arguments already.
inline PyObject* call_with_tuple(PyObject* self, PyObject* args, PyObject* keywords) {
    PyObject* object = object_of(self);
    return object ? PyObject_Call(object, args, keywords) : nullptr;
}

// ── containers ─────────────────────────────────────────────────────────────────────────────────

inline Py_ssize_t length(PyObject* self) {
    PyObject* object = object_of(self);
    return object ? PyObject_Size(object) : -1;
}

inline int contains(PyObject* self, PyObject* item) {
    PyObject* object = object_of(self);
    PyObject* bare = object ? unwrapped(item) : nullptr;
    return bare ? PySequence_Contains(object, bare) : -1;
}

inline PyObject* get_item(PyObject* self, PyObject* key) {
    PyObject* object = object_of(self);
    PyObject* bare = object ? unwrapped(key) : nullptr;
    return bare ? PyObject_GetItem(object, bare) : nullptr;
}

// The value is stored as it is, even if it is a handle.
inline int set_item(PyObject* self, PyObject* key, PyObject* value) {
    PyObject* object = object_of(self);
    PyObject* bare = object ? unwrapped(key) : nullptr;
    if (!bare) return -1;
    return value ? PyObject_SetItem(object, bare, value) : PyObject_DelItem(object, bare);
}

inline PyObject* get_at(PyObject* self, Py_ssize_t position) {
    PyObject* object = object_of(self);
    return object ? PySequence_GetItem(object, position) : nullptr;
}

inline int set_at(PyObject* self, Py_ssize_t position, PyObject* value) {
    PyObject* object = object_of(self);
    if (!object) return -1;
    return value ? PySequence_SetItem(object, position, value)
                 : PySequence_DelItem(object, position);
}

// ── iteration ──────────────────────────────────────────────────────────────────────────────────

inline PyObject* next(PyObject* self) {
    PyObject* object = object_of(self);
    if (!object) return nullptr;
    if (PyIter_Check(object)) return Py_TYPE(object)->tp_iternext(object);
    return PyErr_Format(PyExc_TypeError, "'%.200s' object is not an iterator",
                        Py_TYPE(object)->tp_name);
}

inline PyObject* length_hint(PyObject* self, PyObject*) {
    PyObject* object = object_of(self);
    if (!object) return nullptr;
    const Py_ssize_t hint = PyObject_LengthHint(object, -1);
    if (hint >= 0) return PyLong_FromSsize_t(hint);
    return PyErr_Occurred() ? nullptr : Py_NewRef(Py_NotImplemented);
}

// am_send: by it, the tasks of an event loop advance a coroutine. A coroutine is not an iterator.
inline PySendResult send(PyObject* self, PyObject* value, PyObject** result) {
    PyObject* object = object_of(self);
    if (object) return PyIter_Send(object, value, result);
    *result = nullptr;
    return PYGEN_ERROR;
}

inline PyObject* async_next(PyObject* self) {
    PyObject* object = object_of(self);
    if (!object) return nullptr;
    const PyAsyncMethods* methods = Py_TYPE(object)->tp_as_async;
    if (methods && methods->am_anext) return methods->am_anext(object);
    return PyErr_Format(PyExc_TypeError, "'%.200s' object is not an async iterator",
                        Py_TYPE(object)->tp_name);
}

// Whether the object is a generator from a function that types.coroutine has marked. 1 or 0; -1
// with an exception.
inline int is_generator_based_coroutine(PyObject* object) {
    if (!PyGen_CheckExact(object)) return 0;
    PyObject* code = PyObject_GetAttrString(object, "gi_code");
    if (!code) return -1;
    const int flags = reinterpret_cast<PyCodeObject*>(code)->co_flags;
    Py_DECREF(code);
    return (flags & CO_ITERABLE_COROUTINE) != 0;
}

inline PyObject* await_object(PyObject* self) {
    PyObject* object = object_of(self);
    if (!object) return nullptr;
    const PyAsyncMethods* methods = Py_TYPE(object)->tp_as_async;
    if (methods && methods->am_await) return methods->am_await(object);
    // `await` accepts such a generator itself as the iterator that it needs, but not as the result
    // of an __await__. The handle is an iterator, too, so it can be the result.
    const int generator = is_generator_based_coroutine(object);
    if (generator != 0) return generator < 0 ? nullptr : Py_NewRef(self);
    return PyErr_Format(PyExc_TypeError, "'%.200s' object can't be awaited",
                        Py_TYPE(object)->tp_name);
}

// ── conversions ────────────────────────────────────────────────────────────────────────────────

// Functions of Python that have no C equivalent. Set when the module is imported, and never freed.
struct PythonFunctions {
    static inline PyObject* round = nullptr;
    static inline PyObject* trunc = nullptr;
    static inline PyObject* floor = nullptr;
    static inline PyObject* ceil = nullptr;

    static void find() {
        round = take("builtins", "round");
        trunc = take("math", "trunc");
        floor = take("math", "floor");
        ceil = take("math", "ceil");
    }

private:
    static PyObject* take(const char* module, const char* name) {
        return nb::getattr(nb::module_::import_(module), name).release().ptr();
    }
};

template <PyObject*& Function>
PyObject* converted(PyObject* self, PyObject*) {
    PyObject* object = object_of(self);
    return object ? PyObject_CallOneArg(Function, object) : nullptr;
}

template <PyTypeObject& Type>
PyObject* converted_to(PyObject* self, PyObject*) {
    PyObject* object = object_of(self);
    return object ? PyObject_CallOneArg(reinterpret_cast<PyObject*>(&Type), object) : nullptr;
}

inline PyObject* rounded(PyObject* self, PyObject* args) {
    PyObject* digits = nullptr;
    if (!PyArg_UnpackTuple(args, "__round__", 0, 1, &digits)) return nullptr;
    PyObject* object = object_of(self);
    return object ? PyObject_CallFunctionObjArgs(PythonFunctions::round, object, digits, nullptr)
                  : nullptr;
}

inline PyObject* formatted(PyObject* self, PyObject* spec) {
    PyObject* object = object_of(self);
    return object ? PyObject_Format(object, spec) : nullptr;
}

template <PyObject* (*Function)(PyObject*)>
PyObject* asked(PyObject* self, PyObject*) {
    return unary<Function>(self);
}

// ── statements and functions that look for a method in the class ───────────────────────────────

// A kind of context manager.
struct ContextManager {
    const char* enter;     // The name of the method that begins a `with` block.
    const char* exit;      // The name of the method that ends it.
    const char* protocol;  // The name of the protocol in error messages.
};
inline constexpr ContextManager context{"__enter__", "__exit__", "context manager"};
inline constexpr ContextManager async_context{"__aenter__", "__aexit__",
                                              "asynchronous context manager"};

// The method of a context manager, a new reference. Null with the TypeError that a `with` statement
// raises.
inline PyObject* find_context_method(PyObject* object, const ContextManager& manager,
                                     const char* name) {
    PyObject* method = find_special(object, name);
    if (!method && !PyErr_Occurred())
        PyErr_Format(PyExc_TypeError,
                     "'%.200s' object does not support the %s protocol (missed %s method)",
                     Py_TYPE(object)->tp_name, manager.protocol, name);
    return method;
}

template <const ContextManager& Manager>
PyObject* enter(PyObject* self, PyObject*) {
    PyObject* object = object_of(self);
    if (!object) return nullptr;
    PyObject* method = find_context_method(object, Manager, Manager.enter);
    // As a `with` statement does it: if there is no exit method, the enter method is not called.
    PyObject* leave = method ? find_context_method(object, Manager, Manager.exit) : nullptr;
    PyObject* result = leave ? PyObject_CallNoArgs(method) : nullptr;
    Py_XDECREF(leave);
    Py_XDECREF(method);
    return result;
}

template <const ContextManager& Manager>
PyObject* leave(PyObject* self, PyObject* args) {
    PyObject* object = object_of(self);
    PyObject* method = object ? find_context_method(object, Manager, Manager.exit) : nullptr;
    PyObject* result = method ? PyObject_Call(method, args, nullptr) : nullptr;
    Py_XDECREF(method);
    return result;
}

// isinstance() and issubclass() with the handle as the class.
template <int (*Function)(PyObject*, PyObject*)>
PyObject* check_class(PyObject* self, PyObject* candidate) {
    PyObject* object = object_of(self);
    PyObject* bare = object ? unwrapped(candidate) : nullptr;
    const int result = bare ? Function(bare, object) : -1;
    return result < 0 ? nullptr : PyBool_FromLong(result);
}

// With a handle of a class, `class C(handle):` derives from that class.
inline PyObject* mro_entries(PyObject* self, PyObject*) {
    PyObject* object = object_of(self);
    return object ? PyTuple_Pack(1, object) : nullptr;
}

// ── buffers ────────────────────────────────────────────────────────────────────────────────────

// The request goes to the object. So the view belongs to the object, which also releases it.
inline int get_buffer(PyObject* self, Py_buffer* view, int flags) {
    PyObject* object = object_of(self);
    if (object) return PyObject_GetBuffer(object, view, flags);
    view->obj = nullptr;
    return -1;
}

}  // namespace cereggii::atomicref
