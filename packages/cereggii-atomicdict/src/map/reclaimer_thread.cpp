// SPDX-License-Identifier: Apache-2.0
#include "map/reclaimer_thread.hpp"

#ifdef Py_GIL_DISABLED

#include <atomic>
#include <chrono>
#include <thread>

#include "cereggii/atomics/python/binding.hpp"
#include "map/guard.hpp"
#include "map/pauses.hpp"

namespace cereggii::atomicdict {

namespace nb = nanobind;
using namespace atomics;  // NOLINT: what this package is written in

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto nap = std::chrono::milliseconds(1);
constexpr int naps_between_looks = 10;
constexpr int looks_in_vain = 5;  // until it ends
// A finalizer that takes longer is left alone, and another thread sees to what others leave.
constexpr auto patience = std::chrono::milliseconds(100);
constexpr int most_left_alone = 8;

// All in the one order of all: who leaves something and sees that the thread exists is seen by it.
std::atomic<bool> exists{false};
std::atomic<int> attached{0};           // such threads, or about to be
std::atomic<Clock::rep> freeing{0};     // since when the one that exists does; 0: it does not
std::atomic<int> left_alone{0};         // such threads, whose places others have taken
std::atomic<int> forks_to_come{0};      // for which it ends: see end_before_fork()
std::atomic<bool> has_exited{false};    // the interpreter is about to end
std::atomic<bool> is_held_back{false};  // by a test

// Nobody waits for what this thread does.
void pause_patiently() {
    PyThreadState* state = PyEval_SaveThread();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
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
    // Not PyGILState_Ensure, which is a fatal error without memory. Here: at the next look.
    PyInterpreterState* interpreter = PyInterpreterState_Main();
    PyThreadState* state = interpreter ? PyThreadState_New(interpreter) : nullptr;
    if (!state) return;
    attach_again(state);
    // With a participant, where others find what is being freed.
    Reclaimer::free_everything(Reclaimer::current(), pause_patiently);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}

// False if another thread has taken its place.
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
        for (int looks = 0; looks < looks_in_vain && !has_to_end(); ++looks) {
            for (int naps = 0; naps < naps_between_looks && !has_to_end(); ++naps)
                std::this_thread::sleep_for(nap);
            if (!has_something_to_free()) continue;
            if (!free_what_is_left()) return;
            looks = 0;
        }
        exists.store(false, std::memory_order_seq_cst);
        // What has been left in between, if nobody else has started a thread for it.
    } while (has_something_to_free() && !exists.exchange(true, std::memory_order_seq_cst));
}

// Whether the thread is not to be waited for any more, and the caller's may take its place.
bool takes_place() noexcept {
    Clock::rep since = freeing.load(std::memory_order_seq_cst);
    if (since == 0 || Clock::now().time_since_epoch() - Clock::duration(since) < patience)
        return false;
    if (left_alone.fetch_add(1, std::memory_order_seq_cst) < most_left_alone &&
        freeing.compare_exchange_strong(since, 0, std::memory_order_seq_cst))
        return true;
    left_alone.fetch_sub(1, std::memory_order_seq_cst);
    return false;
}

// Python warns if a process forks that has other threads. This one has nothing to do then, as a
// rule, and comes back afterwards.
PyObject* end_before_fork(PyObject*, PyObject*) {
    forks_to_come.fetch_add(1, std::memory_order_seq_cst);
    const auto end = Clock::now() + 20 * nap;
    while (exists.load(std::memory_order_seq_cst) && Clock::now() < end) pause_patiently();
    Py_RETURN_NONE;
}

PyObject* continue_after_fork(PyObject*, PyObject*) {
    forks_to_come.fetch_sub(1, std::memory_order_seq_cst);
    provide_reclaimer_thread();
    Py_RETURN_NONE;
}

// What the threads of the parent had left. Not at once: finalizers may need what hooks of other
// modules have yet to put in order.
PyObject* continue_in_child(PyObject*, PyObject*) {
    provide_reclaimer_thread();
    Py_RETURN_NONE;
}

// For tests: as if the thread did not come by.
PyObject* hold_back(PyObject*, PyObject* value) {
    const int held_back = PyObject_IsTrue(value);
    if (held_back < 0) return nullptr;
    is_held_back.store(held_back != 0, std::memory_order_seq_cst);
    while (held_back && attached.load(std::memory_order_seq_cst) > 0) pause_patiently();
    provide_reclaimer_thread();
    Py_RETURN_NONE;
}

nb::object function(PyMethodDef* definition) {
    return owned_or_throw(PyCFunction_New(definition, nullptr));
}

}  // namespace

void provide_reclaimer_thread() noexcept {
    if (exists.load(std::memory_order_seq_cst)) {
        if (!takes_place()) return;
    } else if (!has_something_to_free() || exists.exchange(true, std::memory_order_seq_cst)) {
        return;
    }
    // With the stack of Python's own threads. If there are no more threads, or there is no memory:
    // again, when something is left the next time.
    if (PyThread_start_new_thread(&run, nullptr) == PYTHREAD_INVALID_THREAD_ID)
        exists.store(false, std::memory_order_seq_cst);
}

bool end_reclaimer_thread() {
    has_exited.store(true, std::memory_order_seq_cst);
    // But for a finalizer that does not end.
    const auto end = Clock::now() + 100 * patience;
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
