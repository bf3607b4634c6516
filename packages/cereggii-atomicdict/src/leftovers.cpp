// SPDX-License-Identifier: Apache-2.0
#include <Python.h>
#include <nanobind/nanobind.h>

#include <chrono>
#include <exception>
#include <thread>

#ifndef _WIN32
#include <signal.h>  // NOLINT(modernize-deprecated-headers): what POSIX adds is in this one
#endif

#include "cereggii/atomics/python/at_fork.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/relax.hpp"
#include "leftovers.hpp"
#include "pauses.hpp"
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

// ── the reclaimer thread ───────────────────────────────────────────────────────────────────────

// Frees what its own thread has not come to free in the meantime. It is started when something is
// left and there is none, and ends when nothing has been left for a while. All of this is in the
// one order of all: whoever leaves something and sees the thread there is seen by it.
std::atomic<bool> thread_exists{false};
std::atomic<bool> thread_frees{false};  // it is attached, or is about to be
std::atomic<bool> has_exited{false};    // the interpreter is about to end
std::atomic<bool> is_held_back{false};  // by a test

constexpr auto between_looks = std::chrono::milliseconds(10);
constexpr int looks_in_vain = 20;  // until it ends

// As the other one; but nobody waits for what this thread does.
void pause_patiently() {
    PyThreadState* state = PyEval_SaveThread();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    attach_again(state);
}

bool has_something_to_free() noexcept {
    return Reclaimer::something_waits() && !is_held_back.load(std::memory_order_seq_cst) &&
           !has_exited.load(std::memory_order_seq_cst);
}

void free_in_the_reclaimer_thread() {
    thread_frees.store(true, std::memory_order_seq_cst);
    if (has_something_to_free()) {
        // Not PyGILState_Ensure, which is a fatal error without memory. Here: at the next look.
        if (PyThreadState* state = PyThreadState_New(PyInterpreterState_Main())) {
            attach_again(state);
            // With a record, where the child of a fork finds what is being freed.
            Reclaimer::free_everything(Reclaimer::mine(), pause_patiently);
            PyThreadState_Clear(state);
            PyThreadState_DeleteCurrent();
        }
    }
    thread_frees.store(false, std::memory_order_seq_cst);
}

void run_reclaimer_thread() {
    do {
        for (int looks = 0; looks < looks_in_vain; ++looks) {
            std::this_thread::sleep_for(between_looks);
            if (!has_something_to_free()) continue;
            free_in_the_reclaimer_thread();
            looks = 0;
        }
        thread_exists.store(false, std::memory_order_seq_cst);
        // What has been left in between, if nobody else has started a thread for it.
    } while (has_something_to_free() && !thread_exists.exchange(true, std::memory_order_seq_cst));
}

// It is not to be the one that a signal interrupts, instead of the main thread.
class SignalsBlocked {
public:
#ifdef _WIN32
    SignalsBlocked() noexcept {}
#else
    SignalsBlocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_;
#endif
};

void start_reclaimer_thread() noexcept {
    if (!has_something_to_free() || thread_exists.exchange(true, std::memory_order_seq_cst)) return;
    const SignalsBlocked blocked;
    try {
        std::thread(run_reclaimer_thread).detach();
    } catch (const std::exception&) {
        // No more threads, or no memory: again, when something is left the next time.
        thread_exists.store(false, std::memory_order_seq_cst);
    }
}

// ── exit and fork ──────────────────────────────────────────────────────────────────────────────

PyObject* free_at_exit(PyObject*, PyObject*) {
    has_exited.store(true, std::memory_order_seq_cst);
    // The reclaimer thread ends what it has begun, but for a finalizer that does not end.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (thread_frees.load(std::memory_order_seq_cst) && std::chrono::steady_clock::now() < end)
        pause_patiently();
    // What is freed may leave something in turn.
    for (int i = 0; i < 10 && Reclaimer::something_waits(); ++i) free_everything();
    Py_RETURN_NONE;
}

// What the other threads of the parent have left belongs to this one by now, or to the record that
// it gets next.
void forget_other_threads() noexcept {
    forks.fetch_add(1, std::memory_order_relaxed);
    Reclaimer::forget_other_threads();
    thread_exists.store(false, std::memory_order_relaxed);
    thread_frees.store(false, std::memory_order_relaxed);
}

// As soon as Python code may be run. Nobody else is there to be waited for.
PyObject* free_in_child(PyObject*, PyObject*) {
    free_leftovers();
    Py_RETURN_NONE;
}

// For tests: as if the reclaimer thread did not come by.
PyObject* hold_back(PyObject*, PyObject* value) {
    const int held_back = PyObject_IsTrue(value);
    if (held_back < 0) return nullptr;
    is_held_back.store(held_back != 0, std::memory_order_seq_cst);
    while (held_back && thread_frees.load(std::memory_order_seq_cst)) pause_patiently();
    start_reclaimer_thread();
    Py_RETURN_NONE;
}

PyTypeObject* make_type(const char* name, int size, unsigned long flags, PyType_Slot* slots) {
    flags |= Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION;
    PyType_Spec spec = {name, size, 0, static_cast<unsigned int>(flags), slots};
    return reinterpret_cast<PyTypeObject*>(owned_or_throw(PyType_FromSpec(&spec)).release().ptr());
}

}  // namespace

void see_to_leftovers() noexcept {
    if (!garbage.load(std::memory_order_seq_cst)) {
        PyObject* exception = PyErr_GetRaisedException();
        provide_garbage();
        PyErr_SetRaisedException(exception);  // instead of a MemoryError
    }
    if (!thread_exists.load(std::memory_order_seq_cst)) start_reclaimer_thread();
}

void free_leftovers() {
    if (Reclaimer::something_waits()) [[unlikely]]
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
    garbage_type = make_type("cereggii_atomicdict._Leftovers", sizeof(Garbage), Py_TPFLAGS_HAVE_GC,
                             garbage_slots);
    static PyMethodDef at_exit = {"_free_leftovers", &free_at_exit, METH_NOARGS, nullptr};
    static PyMethodDef in_child = {"_free_leftovers", &free_in_child, METH_NOARGS, nullptr};
    static PyMethodDef of_tests = {"_hold_leftovers_back", &hold_back, METH_O, nullptr};
    module.attr("_hold_leftovers_back") = owned_or_throw(PyCFunction_New(&of_tests, nullptr));
    nb::module_::import_("atexit").attr("register")(
        owned_or_throw(PyCFunction_New(&at_exit, nullptr)));
    const nb::object os = nb::module_::import_("os");
    if (nb::hasattr(os, "register_at_fork"))
        os.attr("register_at_fork")(nb::arg("after_in_child") =
                                        owned_or_throw(PyCFunction_New(&in_child, nullptr)));
}

#else

void prepare_leftovers([[maybe_unused]] nb::module_& module) {
    call_in_forked_children([] { forks.fetch_add(1, std::memory_order_relaxed); });
}

#endif

}  // namespace cereggii::atomicdict
