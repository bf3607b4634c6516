// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>

#include "cereggii/atomics/python/blocking.hpp"
#include "map/key.hpp"

// A value is computed once, no matter how many threads ask for it. This is what a thread that
// computes and those that wait for it have in common; compute.cpp uses it for dicts, and cache/ for
// caches.
//
// The thread that computes is the *leader* of a Computation. Computations and threads form a graph:
// a computation has one leader, and a thread waits for at most one computation. Before a thread
// waits, it follows this graph under a lock that all threads share. If the path leads back to the
// thread itself, it raises RuntimeError instead of waiting. So threads that wait for each other
// through several dicts and caches are found, too.
namespace cereggii::atomicdict {

enum class ComputationState {
    // The leader reads or writes the dict, so the value may already be deleted again. A thread that
    // finds this state must not use the value: it waits until the computation has ended, and then
    // tries again.
    accessing,
    running,  // the leader calls the function that computes
    done,     // ended: the computation has a value
    failed,   // ended: the function has raised
};

struct ComputingThread;

// A Python object, so that it can be a value in a map.
struct Computation {
    PyObject_HEAD
    // How far the computation is. Threads wait on the address of this field.
    std::atomic<ComputationState> state;
    // The result, owned; null until the computation is done. Written before `state`.
    PyObject* value;
    // The exception to be given to those that wait, owned; null if there is none. Written before
    // `state`.
    PyObject* error;
    // The thread that computes; null once the computation has ended. Under the lock of the list of
    // all computations.
    ComputingThread* leader;
    // The previous and the next one in that list, or null. Under its lock.
    Computation* previous;
    Computation* next;

    ComputationState now() const noexcept { return state.load(std::memory_order_seq_cst); }
    bool has_ended() const noexcept {
        const ComputationState seen = now();
        return seen == ComputationState::done || seen == ComputationState::failed;
    }
};

inline PyObject* as_object(Computation* computation) {
    return reinterpret_cast<PyObject*>(computation);
}
inline Computation* as_computation(PyObject* object) {
    return reinterpret_cast<Computation*>(object);
}

// A computation whose leader is the calling thread. It ends when its scope is left, in every case:
// up to Python 3.13, a daemon thread is unwound from within the function when the interpreter ends.
class Leader {
public:
    Leader();
    ~Leader() {
        if (computation_) end();
    }
    Leader(const Leader&) = delete;
    Leader& operator=(const Leader&) = delete;

    // Null with MemoryError.
    PyObject* object() const noexcept { return as_object(computation_); }

    void enter(ComputationState state) noexcept {
        computation_->state.store(state, std::memory_order_seq_cst);
    }

    // Ends the computation, and wakes the threads that wait for it. If `value` is null, it has
    // failed. Borrows both.
    void end_with(PyObject* value, PyObject* error = nullptr);
    // Drops a computation that has ended, or that no other thread has found.
    void drop();

private:
    void end() noexcept;

    Computation* computation_;  // Owned; null after a MemoryError, or once it was dropped.
};

// Waits until the computation has ended, detached. False with an exception: RuntimeError if the
// thread would wait for itself, TimeoutError at the deadline, or what a signal handler has raised.
// With `waits_for_itself`, this is set instead of the RuntimeError.
bool wait_for(const Computation* computation, const Key& key, const atomics::Deadline& deadline,
              bool* waits_for_itself = nullptr);

// Makes the type of computations, when the module is imported. Throws.
void bind_computations();
// To be called once in the life of a process: in the child of a fork, the computations of threads
// that are not there fail.
void forget_other_computations_after_fork();

}  // namespace cereggii::atomicdict
