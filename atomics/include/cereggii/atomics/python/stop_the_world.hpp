// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

namespace cereggii::atomics {

// Runs `action` while every other Python thread is stopped at a point where it holds no borrowed
// state. On GIL builds every call of ours is such a moment.
//
// How: `gc.get_referents(x)` stops the world and calls x's tp_traverse; that is documented
// behaviour of the collector's interface on free-threaded builds since 3.13 and needs no private
// symbol. The helper object below runs the action from its tp_traverse.
//
// The action must not allocate Python objects, touch a reference count that may drop to zero, or
// block. The call itself may run Python code (audit hooks). False: it could not be done; no
// exception is left set. Needs an attached thread with no exception set.
template <class Action>
bool stop_the_world(Action&& action) noexcept;

#ifdef Py_GIL_DISABLED

namespace detail {

struct Errand {
    PyObject_HEAD
    void (*run)(void* context);
    void* context;
};

inline int errand_traverse(PyObject* self, visitproc visit, void* arg) {
    auto* errand = reinterpret_cast<Errand*>(self);
    if (errand->run) errand->run(errand->context);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

inline void errand_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    type->tp_free(self);
    Py_DECREF(type);
}

inline PyObject* errand_type() {
    static PyType_Slot slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(&errand_traverse)},
                                  {Py_tp_dealloc, reinterpret_cast<void*>(&errand_dealloc)},
                                  {0, nullptr}};
    static PyType_Spec spec = {"cereggii.atomics.Errand", sizeof(Errand), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                   Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               slots};
    return PyType_FromSpec(&spec);
}

inline bool run_errand(void (*run)(void*), void* context) noexcept {
    PyObject* type = errand_type();
    PyObject* self = type ? PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(type), 0) : nullptr;
    PyObject* gc = self ? PyImport_ImportModule("gc") : nullptr;
    PyObject* result = nullptr;
    if (gc) {
        PyObject_GC_UnTrack(self);  // only this call may traverse it
        auto* errand = reinterpret_cast<Errand*>(self);
        errand->context = context;
        errand->run = run;
        result = PyObject_CallMethod(gc, "get_referents", "O", self);
        errand->run = nullptr;
    }
    const bool done = result != nullptr;
    Py_XDECREF(result);
    Py_XDECREF(gc);
    Py_XDECREF(self);
    Py_XDECREF(type);
    if (!done) PyErr_Clear();
    return done;
}

}  // namespace detail

template <class Action>
bool stop_the_world(Action&& action) noexcept {
    return detail::run_errand([](void* context) { (*static_cast<Action*>(context))(); }, &action);
}

#else

template <class Action>
bool stop_the_world(Action&& action) noexcept {
    action();
    return true;
}

#endif

}  // namespace cereggii::atomics
