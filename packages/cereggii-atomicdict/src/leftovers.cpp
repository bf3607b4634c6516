// SPDX-License-Identifier: Apache-2.0
#include <Python.h>

#include "cereggii/atomics/python/at_fork.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/relax.hpp"
#include "leftovers.hpp"
#include "session.hpp"

namespace cereggii::atomicdict {

using namespace atomics;  // NOLINT: what this package is written in

#ifdef Py_GIL_DISABLED

namespace {

// Those who are inside leave within a microsecond, as a rule: unless the processor has been taken
// away from them.
class Pause {
public:
    void operator()() const {
        if (++spins_ < 200)
            relax();
        else
            yield_detached();
    }

private:
    mutable int spins_ = 0;
};

void free_everything() { Reclaimer::free_everything(Reclaimer::mine_if_any(), Pause()); }

// ── the end of a thread ────────────────────────────────────────────────────────────────────────

// Lies in the dict of a thread state and is deallocated with it. The thread is still attached then.
struct EndOfThread {
    PyObject_HEAD
    Reclaimer::Record* record;
    std::uint64_t thread;  // the thread state's number
};
PyTypeObject* end_of_thread_type = nullptr;

// Of the calling thread; numbers of thread states, of which it may have several in turn.
struct Watch {
    std::uint64_t watched = 0;  // has an EndOfThread
    std::uint64_t ended = 0;    // had one
};
thread_local constinit Watch watch;

std::uint64_t number_of_thread() { return PyThreadState_GetID(PyThreadState_Get()); }

void dealloc_end_of_thread(PyObject* self) {
    const auto* end = reinterpret_cast<EndOfThread*>(self);
    Reclaimer::Record* record = end->record;
    const std::uint64_t thread = end->thread;
    PyTypeObject* type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
    // Not in the child of a fork, which deallocates what its parent's other threads had.
    if (record != Reclaimer::mine_if_any() || thread != number_of_thread()) return;
    watch = {0, thread};
    Reclaimer::free_own(*record, Pause());
}

// Without memory, with MemoryError: again, when something is left the next time.
void watch_end_of_thread(Reclaimer::Record& record, std::uint64_t thread) {
    PyObject* dict = PyThreadState_GetDict();
    if (!dict) return;
    auto* key = reinterpret_cast<PyObject*>(end_of_thread_type);
    // There is one already if the thread has had another thread state in between.
    const int found = PyDict_Contains(dict, key);
    if (found == 1) watch.watched = thread;
    if (found != 0) return;
    PyObject* object = PyType_GenericAlloc(end_of_thread_type, 0);
    if (!object) return;
    auto* end = reinterpret_cast<EndOfThread*>(object);
    end->record = &record;
    if (PyDict_SetItem(dict, key, object) == 0) {
        end->thread = thread;
        watch.watched = thread;
    }
    Py_DECREF(object);
}

// ── garbage collection ─────────────────────────────────────────────────────────────────────────

// Refers to itself and is referred to by nobody else, so the next collection finalizes it. The
// finalizer runs when the world goes on, in the thread that collects.
struct Garbage {
    PyObject_HEAD
    PyObject* self;
};
PyTypeObject* garbage_type = nullptr;
std::atomic<PyObject*> garbage{nullptr};  // that is not finalized yet

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
    garbage.compare_exchange_strong(expected, nullptr, std::memory_order_relaxed);
    type->tp_free(self);
    Py_DECREF(type);
}

void finalize_garbage(PyObject* self) {
    // The collector has a reference, and is done with what is not tracked any more: it does not
    // show up in gc.garbage.
    PyObject_GC_UnTrack(self);
    clear_garbage(self);
    PyObject* expected = self;
    garbage.compare_exchange_strong(expected, nullptr, std::memory_order_seq_cst);
    free_everything();
}

// gc.freeze() has taken it from the collector. It may be freed by now, if it has just been
// finalized; but nothing has been called since the load, so what is read is still there.
bool is_frozen(const PyObject* object) noexcept {
    constexpr std::uint8_t frozen = 1 << 3;  // _PyGC_BITS_FROZEN
    return (_Py_atomic_load_uint8_relaxed(&object->ob_gc_bits) & frozen) != 0;
}

// Without memory, with MemoryError: again, when something is left the next time.
void provide_garbage() {
    PyObject* object = PyType_GenericAlloc(garbage_type, 0);
    if (!object) return;
    reinterpret_cast<Garbage*>(object)->self = Py_NewRef(object);
    // As long as we have a reference, it is not garbage. One of another thread may be replaced,
    // which does its duty all the same.
    garbage.store(object, std::memory_order_seq_cst);
    Py_DECREF(object);
}

// ── the main thread ────────────────────────────────────────────────────────────────────────────

std::atomic<unsigned long> main_thread{0};  // 0: not known yet
std::atomic<bool> is_pending{false};

int free_leftovers_of_main_thread(void*) {
    main_thread.store(PyThread_get_thread_ident(), std::memory_order_relaxed);
    // Before the lists are taken: what is left later makes another call.
    is_pending.store(false, std::memory_order_seq_cst);
    if (Reclaimer::Record* record = Reclaimer::mine_if_any()) Reclaimer::free_own(*record, Pause());
    return 0;
}

// As long as the main thread is not known, any thread makes the call, which gets to know it.
void make_pending_call() {
    const unsigned long known = main_thread.load(std::memory_order_relaxed);
    if (known != 0 && known != PyThread_get_thread_ident()) return;
    if (is_pending.exchange(true, std::memory_order_seq_cst)) return;
    // The queue may be full: again, when something is left the next time.
    if (Py_AddPendingCall(&free_leftovers_of_main_thread, nullptr) != 0)
        is_pending.store(false, std::memory_order_seq_cst);
}

// ── exit and fork ──────────────────────────────────────────────────────────────────────────────

PyObject* free_at_exit(PyObject*, PyObject*) {
    // What is freed may leave something in turn.
    for (int i = 0; i < 10 && Reclaimer::something_waits(); ++i) free_everything();
    Py_RETURN_NONE;
}

void forget_other_threads() noexcept {
    forks.fetch_add(1, std::memory_order_relaxed);
    Reclaimer::forget_other_threads();
    main_thread.store(0, std::memory_order_relaxed);
    is_pending.store(false, std::memory_order_relaxed);
}

// What the other threads of the parent have left belongs to this one by now; or else to the record
// that it gets here.
PyObject* see_to_leftovers_in_child(PyObject*, PyObject*) {
    if (Reclaimer::something_waits())
        if (Reclaimer::Record* record = Reclaimer::mine()) see_to_leftovers(*record);
    Py_RETURN_NONE;
}

PyTypeObject* make_type(const char* name, int size, unsigned long flags, PyType_Slot* slots) {
    flags |= Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION;
    PyType_Spec spec = {name, size, 0, static_cast<unsigned int>(flags), slots};
    return reinterpret_cast<PyTypeObject*>(owned_or_throw(PyType_FromSpec(&spec)).release().ptr());
}

}  // namespace

void see_to_leftovers(Reclaimer::Record& record) {
    const std::uint64_t thread = number_of_thread();
    // Finalizers of what the thread leaves behind still run, and nobody will say when they have.
    if (watch.ended == thread) return Reclaimer::free_own(record, Pause());
    const PyObject* current = garbage.load(std::memory_order_seq_cst);
    const bool has_garbage = current && !is_frozen(current);
    if (watch.watched != thread || !has_garbage) {
        PyObject* exception = PyErr_GetRaisedException();
        if (watch.watched != thread) watch_end_of_thread(record, thread);
        if (!has_garbage) provide_garbage();
        PyErr_SetRaisedException(exception);  // instead of a MemoryError
    }
    make_pending_call();
}

void free_leftovers() {
    if (Reclaimer::something_waits()) [[unlikely]]
        free_everything();
}

void prepare_leftovers() {
    // In the child of a fork only the thread that forked is left.
    call_in_forked_children(&forget_other_threads);
    static PyType_Slot end_slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc_end_of_thread)}, {0, nullptr}};
    end_of_thread_type =
        make_type("cereggii_atomicdict._EndOfThread", sizeof(EndOfThread), 0, end_slots);
    static PyType_Slot garbage_slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc_garbage)},
        {Py_tp_traverse, reinterpret_cast<void*>(&traverse_garbage)},
        {Py_tp_clear, reinterpret_cast<void*>(&clear_garbage)},
        {Py_tp_finalize, reinterpret_cast<void*>(&finalize_garbage)},
        {0, nullptr}};
    garbage_type = make_type("cereggii_atomicdict._Leftovers", sizeof(Garbage), Py_TPFLAGS_HAVE_GC,
                             garbage_slots);
    static PyMethodDef at_exit = {"_free_leftovers", &free_at_exit, METH_NOARGS, nullptr};
    static PyMethodDef in_child = {"_see_to_leftovers", &see_to_leftovers_in_child, METH_NOARGS,
                                   nullptr};
    nb::module_::import_("atexit").attr("register")(
        owned_or_throw(PyCFunction_New(&at_exit, nullptr)));
    const nb::object os = nb::module_::import_("os");
    if (nb::hasattr(os, "register_at_fork"))
        os.attr("register_at_fork")(nb::arg("after_in_child") =
                                        owned_or_throw(PyCFunction_New(&in_child, nullptr)));
}

#else

void prepare_leftovers() {
    call_in_forked_children([] { forks.fetch_add(1, std::memory_order_relaxed); });
}

#endif

}  // namespace cereggii::atomicdict
