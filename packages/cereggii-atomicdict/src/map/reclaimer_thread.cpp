// SPDX-License-Identifier: Apache-2.0
#include "map/reclaimer_thread.hpp"

#ifdef Py_GIL_DISABLED

#include <atomic>
#include <chrono>
#include <thread>

#include "cereggii/atomics/python/binding.hpp"
#include "map/guard.hpp"
#include "map/pauses.hpp"
#include "map/tuning.hpp"

namespace cereggii::atomicdict {

namespace nb = nanobind;
using namespace atomics;  // NOLINT: what this package is written in

namespace {

using Clock = std::chrono::steady_clock;

// The life of the thread:
//
//     ensure… ─▶ nap, look ─▶ nap, look ─▶ … ─▶ free ─▶ nap, look ─▶ … ─▶ end
//                                               │                          │
//                                               └ too long: another one    └ something is left:
//                                                 takes its place            go on
//
// All of this state is sequentially consistent. A thread that leaves something and then reads that
// the reclaimer thread exists can rely on it: the thread stores that it does not exist, and then
// looks whether something is left.

// There is a thread that looks for garbage, or is about to be started.
std::atomic<bool> exists{false};
// How many such threads have a thread state, or are about to get one.
std::atomic<int> attached{0};
// When the thread that exists began to free what it is freeing. 0: it is not freeing.
std::atomic<Clock::rep> freeing{0};
// How many threads are still freeing although others have taken their place.
std::atomic<int> left_alone{0};
// How many forks are about to happen. The thread ends for them: see end_before_fork().
std::atomic<int> forks_to_come{0};
// The interpreter is about to end.
std::atomic<bool> has_exited{false};
// A test wants nothing to be freed here.
std::atomic<bool> is_held_back{false};

// Sleeps, detached. For a thread that no other thread waits for.
void pause_patiently() {
    PyThreadState* state = PyEval_SaveThread();
    std::this_thread::sleep_for(tuning::patient_pause);
    attach_again(state);
}

bool has_to_end() noexcept {
    return has_exited.load(std::memory_order_seq_cst) ||
           forks_to_come.load(std::memory_order_seq_cst) > 0 || compat::is_finalizing();
}

bool has_something_to_free() noexcept {
    return Reclaimer::has_garbage() && !is_held_back.load(std::memory_order_seq_cst) &&
           !has_to_end();
}

void free_attached() {
    // Not PyGILState_Ensure, which ends the process when there is no memory. Without memory this
    // thread tries it again at its next look.
    PyInterpreterState* interpreter = PyInterpreterState_Main();
    PyThreadState* state = interpreter ? PyThreadState_New(interpreter) : nullptr;
    if (!state) return;
    attach_again(state);
    // With a participant, so that other threads find what is being freed, if a finalizer blocks.
    Reclaimer::free_everything(Reclaimer::current(), pause_patiently);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}

// Frees what is left. False: another thread has taken this one's place.
bool free_what_is_left() {
    bool is_in_place = true;
    attached.fetch_add(1, std::memory_order_seq_cst);
    if (has_something_to_free()) {
        Clock::rep since = Clock::now().time_since_epoch().count();
        freeing.store(since, std::memory_order_seq_cst);
        free_attached();
        is_in_place = freeing.compare_exchange_strong(since, 0, std::memory_order_seq_cst);
        if (!is_in_place) left_alone.fetch_sub(1, std::memory_order_seq_cst);
    }
    attached.fetch_sub(1, std::memory_order_seq_cst);
    return is_in_place;
}

void run(void*) {
    do {
        for (int looks = 0; looks < tuning::looks_until_reclaimer_ends && !has_to_end(); ++looks) {
            for (int naps = 0; naps < tuning::naps_between_looks && !has_to_end(); ++naps)
                std::this_thread::sleep_for(tuning::reclaimer_nap);
            if (!has_something_to_free()) continue;
            if (!free_what_is_left()) return;
            looks = 0;
        }
        exists.store(false, std::memory_order_seq_cst);
        // A thread that left something before this store has relied on this thread. Lost to a
        // thread that has started another one: that one frees it.
    } while (has_something_to_free() && !exists.exchange(true, std::memory_order_seq_cst));
}

// Takes the place of the thread, if a finalizer keeps it for too long. True: the caller has to
// start another thread.
bool takes_over() noexcept {
    Clock::rep since = freeing.load(std::memory_order_seq_cst);
    if (since == 0 ||
        Clock::now().time_since_epoch() - Clock::duration(since) < tuning::finalizer_patience)
        return false;
    if (left_alone.fetch_add(1, std::memory_order_seq_cst) < tuning::most_finalizers_left_alone &&
        freeing.compare_exchange_strong(since, 0, std::memory_order_seq_cst))
        return true;
    // Too many are left alone, or lost to the thread itself, which is done, or to a rival.
    left_alone.fetch_sub(1, std::memory_order_seq_cst);
    return false;
}

// Ends the thread before a fork, since Python warns if a process that has other threads forks. As a
// rule the thread has nothing to do then. It comes back after the fork.
PyObject* end_before_fork(PyObject*, PyObject*) {
    forks_to_come.fetch_add(1, std::memory_order_seq_cst);
    const auto end = Clock::now() + tuning::longest_wait_before_fork;
    while (exists.load(std::memory_order_seq_cst) && Clock::now() < end) pause_patiently();
    Py_RETURN_NONE;
}

PyObject* continue_after_fork(PyObject*, PyObject*) {
    forks_to_come.fetch_sub(1, std::memory_order_seq_cst);
    ensure_reclaimer_thread();
    Py_RETURN_NONE;
}

// In the child, a new thread frees what the threads of the parent had left. That is not done in
// this hook: finalizers may need what hooks of other modules have yet to put in order.
PyObject* continue_in_child(PyObject*, PyObject*) {
    ensure_reclaimer_thread();
    Py_RETURN_NONE;
}

// For tests: keeps the thread from freeing anything, or lets it go on.
PyObject* hold_back(PyObject*, PyObject* value) {
    const int held_back = PyObject_IsTrue(value);
    if (held_back < 0) return nullptr;
    is_held_back.store(held_back != 0, std::memory_order_seq_cst);
    while (held_back && attached.load(std::memory_order_seq_cst) > 0) pause_patiently();
    ensure_reclaimer_thread();
    Py_RETURN_NONE;
}

nb::object function(PyMethodDef* definition) {
    return owned_or_throw(PyCFunction_New(definition, nullptr));
}

}  // namespace

void ensure_reclaimer_thread() noexcept {
    if (exists.load(std::memory_order_seq_cst)) {
        if (!takes_over()) return;
    } else if (!has_something_to_free() || exists.exchange(true, std::memory_order_seq_cst)) {
        return;
    }
    // With the stack of Python's own threads. If there cannot be another thread, or there is no
    // memory, it is tried again when something is left the next time.
    if (PyThread_start_new_thread(&run, nullptr) == PYTHREAD_INVALID_THREAD_ID)
        exists.store(false, std::memory_order_seq_cst);
}

bool end_reclaimer_thread() {
    has_exited.store(true, std::memory_order_seq_cst);
    // Not longer than this: a finalizer may not end.
    const auto end = Clock::now() + tuning::longest_wait_at_exit;
    while (attached.load(std::memory_order_seq_cst) > 0 && Clock::now() < end) {
        if (PyErr_CheckSignals() < 0) return false;
        pause_patiently();
    }
    return true;
}

void forget_reclaimer_thread() noexcept {
    exists.store(false, std::memory_order_relaxed);
    attached.store(0, std::memory_order_relaxed);
    freeing.store(0, std::memory_order_relaxed);
    left_alone.store(0, std::memory_order_relaxed);
    forks_to_come.store(0, std::memory_order_relaxed);
    has_exited.store(false, std::memory_order_relaxed);
}

void prepare_reclaimer_thread(nb::module_& module) {
    static PyMethodDef of_tests = {"_hold_leftovers_back", &hold_back, METH_O, nullptr};
    module.attr("_hold_leftovers_back") = function(&of_tests);
    static PyMethodDef before = {"_end_before_fork", &end_before_fork, METH_NOARGS, nullptr};
    static PyMethodDef after = {"_continue", &continue_after_fork, METH_NOARGS, nullptr};
    static PyMethodDef in_child = {"_continue_in_child", &continue_in_child, METH_NOARGS, nullptr};
    const nb::object os = nb::module_::import_("os");
    if (nb::hasattr(os, "register_at_fork"))
        os.attr("register_at_fork")(nb::arg("before") = function(&before),
                                    nb::arg("after_in_parent") = function(&after),
                                    nb::arg("after_in_child") = function(&in_child));
}

}  // namespace cereggii::atomicdict

#endif
