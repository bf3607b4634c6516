// SPDX-License-Identifier: Apache-2.0
#include "python/computation.hpp"

#include <mutex>
#include <new>
#include <utility>

#include "cereggii/atomics/never_destroyed.hpp"
#include "cereggii/atomics/python/at_fork.hpp"
#include "cereggii/atomics/python/binding.hpp"

namespace cereggii::atomicdict {

using namespace atomics;  // NOLINT: what this package is written in

struct ComputingThread {
    const Computation* waiting_for = nullptr;  // What the thread waits for, or null.
};

namespace {

constinit thread_local ComputingThread this_thread;

PyTypeObject* computation_type = nullptr;

// The list of all computations that have not ended. Its lock is held for a few native steps, by a
// thread that stays attached.
class RunningComputations {
public:
    void add(Computation* computation) noexcept {
        const std::lock_guard guard(lock_);
        computation->leader = &this_thread;
        computation->next = first_;
        if (first_) first_->previous = computation;
        first_ = computation;
    }

    void remove(Computation* computation) noexcept {
        const std::lock_guard guard(lock_);
        unlink(computation);
    }

    // False: the thread would wait for itself.
    [[nodiscard]] bool begin_to_wait(const Computation* computation) noexcept {
        const std::lock_guard guard(lock_);
        for (const Computation* next = computation; next && next->leader;
             next = next->leader->waiting_for)
            if (next->leader == &this_thread) return false;
        this_thread.waiting_for = computation;
        return true;
    }

    // `before` is what the thread waited for when begin_to_wait() was called.
    void end_waiting(const Computation* before) noexcept {
        const std::lock_guard guard(lock_);
        this_thread.waiting_for = before;
    }

    // For the child of a fork. The other leaders are not in it, so they end no computation. If a
    // thread forked without Python's help, another thread may have held the lock, and does not
    // release it in the child. The list can be followed at any moment.
    void fail_those_of_others() noexcept {
        new (&lock_) std::mutex;
        for (Computation *computation = first_, *next = nullptr; computation; computation = next) {
            next = computation->next;
            if (computation->leader == &this_thread) continue;
            unlink(computation);
            computation->state.store(ComputationState::failed, std::memory_order_seq_cst);
        }
    }

private:
    void unlink(Computation* computation) noexcept {
        if (!computation->leader) return;
        computation->leader = nullptr;
        if (computation->previous) computation->previous->next = computation->next;
        if (computation->next) computation->next->previous = computation->previous;
        if (first_ == computation) first_ = computation->next;
        computation->previous = computation->next = nullptr;
    }

    std::mutex lock_;               // Guards the list and the graph.
    Computation* first_ = nullptr;  // The first of the list, or null.
};

RunningComputations& running() noexcept {
    static atomics::NeverDestroyed<RunningComputations> instance;
    return instance.get();
}

int traverse_computation(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_computation(self)->value);
    Py_VISIT(as_computation(self)->error);
    return 0;
}

int clear_computation(PyObject* self) {
    Py_CLEAR(as_computation(self)->value);
    Py_CLEAR(as_computation(self)->error);
    return 0;
}

void deallocate_computation(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear_computation(self);
    type->tp_free(self);
    Py_DECREF(type);
}

Computation* make_computation() {
    auto* computation = PyObject_GC_New(Computation, computation_type);
    if (!computation) return nullptr;
    new (&computation->state) std::atomic<ComputationState>(ComputationState::accessing);
    computation->value = computation->error = nullptr;
    computation->leader = nullptr;
    computation->previous = computation->next = nullptr;
    PyObject_GC_Track(computation);
    return computation;
}

}  // namespace

Leader::Leader() : computation_(make_computation()) {
    // Before other threads can find it: after a fork, the child has to know all computations that
    // are in a map.
    if (computation_) running().add(computation_);
}

void Leader::end_with(PyObject* value, PyObject* error) {
    computation_->value = Py_XNewRef(value);
    computation_->error = Py_XNewRef(error);
    end();
}

void Leader::drop() {
    if (!computation_->has_ended()) end();
    Py_CLEAR(computation_);
}

void Leader::end() noexcept {
    running().remove(computation_);
    computation_->state.store(
        computation_->value ? ComputationState::done : ComputationState::failed,
        std::memory_order_seq_cst);
    WaitQueue::notify_all(&computation_->state);
}

bool wait_for(const Computation* computation, const Key& key, const Deadline& deadline,
              bool* waits_for_itself) {
    class Waiting {
    public:
        explicit Waiting(const Computation* computation) noexcept
            : waits(running().begin_to_wait(computation)) {}
        ~Waiting() {
            if (waits) running().end_waiting(before_);
        }
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;

    private:
        // What the thread waits for already, if this is called by a signal handler; else null.
        const Computation* before_ = this_thread.waiting_for;

    public:
        const bool waits;  // False: the thread would wait for itself.
    };
    const Waiting waiting(computation);
    if (!waiting.waits && waits_for_itself) {
        *waits_for_itself = true;
        return false;
    }
    if (!waiting.waits) {
        PyErr_Format(PyExc_RuntimeError, "the factory of key %R would wait for its own value",
                     key.object);
        return false;
    }
    const WaitResult result =
        WaitQueue::wait_while(&computation->state, deadline,
                              [computation]() noexcept { return !computation->has_ended(); });
    if (result == WaitResult::timed_out)
        PyErr_Format(PyExc_TimeoutError, "another thread is still computing the value of %R",
                     key.object);
    return result == WaitResult::changed;
}

void forget_other_computations_after_fork() {
    running();  // made now: the child of a fork must not be the first to use it
    call_in_forked_children([] { running().fail_those_of_others(); });
}

void bind_computations() {
    if (computation_type) return;
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, slot(&deallocate_computation)},
        {Py_tp_traverse, slot(&traverse_computation)},
        {Py_tp_clear, slot(&clear_computation)},
        {0, nullptr},
    };
    computation_type =
        make_internal_type("cereggii_atomicdict.Computation", sizeof(Computation), slots);
}

}  // namespace cereggii::atomicdict
