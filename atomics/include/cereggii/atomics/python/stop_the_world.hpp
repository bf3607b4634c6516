// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#ifdef Py_GIL_DISABLED

// Runs a native action while every other Python thread is stopped at a point where it is in the
// middle of nothing. For free-threaded builds; with a GIL every call of ours is such a moment.
//
// How: `gc.get_referents(x)` stops the world to call x's tp_traverse, and the helper object below
// runs the action from its tp_traverse. That is an implementation detail of CPython, read in the
// sources of 3.14 and 3.15, so it is not relied on in versions nobody has looked at. 3.13 is left
// out: there a fork that meets a stop-the-world can leave the child unable to stop it ever again
// (CPython issue 137433), and a plain `x += 1` must not bring that about.
namespace cereggii::atomics {

inline constexpr bool world_can_be_stopped =
    0x030E0000 <= PY_VERSION_HEX && PY_VERSION_HEX < 0x03100000 && sizeof(void*) == 8;

namespace detail {

struct Errand {
    PyObject_HEAD
    void (*run)(void* context);  // null once done
    void* context;
};

inline int errand_traverse(PyObject* self, visitproc visit, void* arg) {
    auto* errand = reinterpret_cast<Errand*>(self);
    if (errand->run) {
        errand->run(errand->context);
        errand->run = nullptr;
    }
    Py_VISIT(Py_TYPE(self));
    return 0;
}

inline void errand_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    type->tp_free(self);
    Py_DECREF(type);
}

// Set by prepare_to_stop_the_world() and never freed.
inline PyTypeObject* errand_type = nullptr;
inline PyObject* get_referents = nullptr;

}  // namespace detail

// When the module is imported. False with an exception set.
inline bool prepare_to_stop_the_world() {
    if (detail::get_referents) return true;
    static PyType_Slot slots[] = {
        {Py_tp_traverse, reinterpret_cast<void*>(&detail::errand_traverse)},
        {Py_tp_dealloc, reinterpret_cast<void*>(&detail::errand_dealloc)},
        {0, nullptr}};
    static PyType_Spec spec = {
        "cereggii.atomics.Errand", sizeof(detail::Errand), 0,
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    PyObject* type = PyType_FromSpec(&spec);
    if (!type) return false;
    detail::errand_type = reinterpret_cast<PyTypeObject*>(type);
    PyObject* gc = PyImport_ImportModule("gc");
    if (!gc) return false;
    detail::get_referents = PyObject_GetAttrString(gc, "get_referents");
    Py_DECREF(gc);
    return detail::get_referents != nullptr;
}

// False: it could not be done, and the action has not run. The action must not allocate Python
// objects, drop a reference or block. Needs an attached thread with no exception set, and may run
// Python code (audit hooks, whose objections are taken for a no).
template <class Action>
bool stop_the_world(Action&& action) {
    if (!world_can_be_stopped || !detail::get_referents) return false;
    PyObject* self = PyType_GenericAlloc(detail::errand_type, 0);
    bool done = false;
    if (self) {
        PyObject_GC_UnTrack(self);  // only this call may traverse it
        auto* errand = reinterpret_cast<detail::Errand*>(self);
        errand->context = &action;
        errand->run = [](void* context) { (*static_cast<Action*>(context))(); };
        Py_XDECREF(PyObject_CallOneArg(detail::get_referents, self));
        done = errand->run == nullptr;
        errand->run = nullptr;
        Py_DECREF(self);
    }
    if (PyErr_Occurred()) {
        // Ctrl-C while an audit hook ran: not ours to answer, and not to be lost.
        const bool interrupted = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
        PyErr_Clear();
        if (interrupted) PyErr_SetInterrupt();
    }
    return done;
}

}  // namespace cereggii::atomics

#endif
