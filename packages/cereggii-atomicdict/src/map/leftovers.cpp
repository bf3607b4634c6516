// SPDX-License-Identifier: Apache-2.0
#include <Python.h>
#include <nanobind/nanobind.h>

#include "cereggii/atomics/python/at_fork.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/relax.hpp"
#include "map/guard.hpp"
#include "map/leftovers.hpp"
#include "map/reclaimer_thread.hpp"
#include "map/tuning.hpp"

namespace cereggii::atomicdict {

using namespace atomics;  // NOLINT: what this package is written in

#ifdef Py_GIL_DISABLED

namespace {

// Waits for threads that are pinned. They unpin within a microsecond, unless the processor has been
// taken away from them.
class Pause {
public:
    void operator()() const {
        if (++spins_ < tuning::spins_for_pinned)
            relax();
        else
            yield_detached();
    }

private:
    mutable int spins_ = 0;
};

void free_everything() { Reclaimer::free_everything(Reclaimer::current(), Pause()); }

// ── garbage collection ─────────────────────────────────────────────────────────────────────────

// An object that refers to itself, and to which nothing else refers, so the next collection
// finalizes it. The finalizer runs when the world goes on, in the thread that collects.
struct Garbage {
    PyObject_HEAD
    PyObject* self;  // owned
};
PyTypeObject* garbage_type = nullptr;
// The last such object, borrowed. Null: it was finalized, or there never was one.
std::atomic<PyObject*> garbage{nullptr};

int traverse_garbage(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reinterpret_cast<Garbage*>(self)->self);
    return 0;
}

int clear_garbage(PyObject* self) {
    Py_CLEAR(reinterpret_cast<Garbage*>(self)->self);
    return 0;
}

void dealloc_garbage(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject* expected = self;
    // Relaxed: the address is only compared.
    garbage.compare_exchange_strong(expected, nullptr, std::memory_order_relaxed);
    type->tp_free(self);
    Py_DECREF(type);
}

void finalize_garbage(PyObject* self) {
    // The collector has a reference to the object, and does not look at it any more when it is not
    // tracked. So it does not show up in gc.garbage.
    PyObject_GC_UnTrack(self);
    clear_garbage(self);
    PyObject* expected = self;
    // Before the leftovers are taken: what is left after that makes another such object.
    garbage.compare_exchange_strong(expected, nullptr, std::memory_order_seq_cst);
    free_everything();
}

// Makes such an object. Without memory it sets MemoryError, and is called again when something is
// left the next time.
void make_garbage() {
    PyObject* object = PyType_GenericAlloc(garbage_type, 0);
    if (!object) return;
    reinterpret_cast<Garbage*>(object)->self = Py_NewRef(object);
    // As long as this thread has a reference, the object is not garbage. If another thread has
    // stored one meanwhile, that one is replaced here, and is finalized all the same.
    garbage.store(object, std::memory_order_seq_cst);
    Py_DECREF(object);
}

// ── exit and fork ──────────────────────────────────────────────────────────────────────────────

// Null: a signal handler has raised while this waited.
PyObject* free_at_exit(PyObject*, PyObject*) {
    const bool undisturbed = end_reclaimer_thread();
    PyObject* exception = PyErr_GetRaisedException();
    // What is freed may leave something again.
    for (int i = 0; i < tuning::rounds_at_exit && Reclaimer::has_garbage(); ++i) free_everything();
    PyErr_SetRaisedException(exception);
    return undisturbed ? Py_NewRef(Py_None) : nullptr;
}

// In the child of a fork. What the other threads of the parent have left belongs to this thread
// now, or to the participant that it gets next.
void forget_other_threads() noexcept {
    forks.fetch_add(1, std::memory_order_relaxed);
    Reclaimer::forget_other_threads();
    forget_reclaimer_thread();
}

}  // namespace

void schedule_leftovers() noexcept {
    if (!garbage.load(std::memory_order_seq_cst)) {
        PyObject* exception = PyErr_GetRaisedException();
        make_garbage();
        PyErr_SetRaisedException(exception);  // instead of a MemoryError
    }
    ensure_reclaimer_thread();
}

void free_leftovers() {
    if (Reclaimer::has_garbage()) [[unlikely]]
        free_everything();
}

void prepare_leftovers([[maybe_unused]] nb::module_& module) {
    // In the child of a fork only the thread that forked is left.
    call_in_forked_children(&forget_other_threads);
    static PyType_Slot garbage_slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc_garbage)},
        {Py_tp_traverse, reinterpret_cast<void*>(&traverse_garbage)},
        {Py_tp_clear, reinterpret_cast<void*>(&clear_garbage)},
        {Py_tp_finalize, reinterpret_cast<void*>(&finalize_garbage)},
        {0, nullptr}};
    garbage_type =
        make_internal_type("cereggii_atomicdict._Leftovers", sizeof(Garbage), garbage_slots);
    static PyMethodDef at_exit = {"_free_leftovers", &free_at_exit, METH_NOARGS, nullptr};
    nb::module_::import_("atexit").attr("register")(
        owned_or_throw(PyCFunction_New(&at_exit, nullptr)));
    prepare_reclaimer_thread(module);
}

#else

void prepare_leftovers([[maybe_unused]] nb::module_& module) {
    call_in_forked_children([] { forks.fetch_add(1, std::memory_order_relaxed); });
}

#endif

}  // namespace cereggii::atomicdict
