// SPDX-License-Identifier: Apache-2.0
#include "python/compute.hpp"

#include <atomic>
#include <mutex>
#include <new>
#include <utility>

#include "cereggii/atomics/never_destroyed.hpp"
#include "cereggii/atomics/python/at_fork.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "map/scan.hpp"

// get_or_compute(): a value is computed once, no matter how many threads ask for it.
//
// Besides its map, a dict has a second map, `pending`: the keys whose values are being computed,
// each with a Computation. A thread that inserts a Computation into `pending` is its *leader*: it
// calls the factory. Another thread that finds the Computation there waits for it. The dict itself
// has no placeholder: all other operations see the key only when it has a value.
//
// The order of the leader's steps:
//
//     1. insert the computation into `pending`
//     2. look into the dict once more     the value may have been stored since the first look
//     3. call the factory
//     4. store the value in the dict      a thread that comes from here on finds it there
//     5. end the computation, and notify the threads that wait for it
//     6. remove it from `pending`
//
// Step 6 fails if the __eq__ of the key raises. Then a computation that has ended stays in
// `pending`, until the next leader replaces it.
//
// Deadlock. Computations and threads form a graph: a computation has one leader, and a thread waits
// for at most one computation. Before a thread waits, it follows this graph under a lock that all
// threads share. If the path leads back to the thread itself, it raises RuntimeError instead of
// waiting.
namespace cereggii::atomicdict {

namespace {

enum class ComputationState {
    // The leader reads or writes the dict, so the value may already be deleted again. A thread that
    // finds this state must not use the value: it waits until the computation has ended, and then
    // tries again.
    accessing,
    running,  // the leader calls the factory
    done,     // ended: the computation has a value
    failed,   // ended: the factory has raised
};

struct Computation;

struct ComputingThread {
    const Computation* waiting_for = nullptr;  // What the thread waits for, or null.
};
constinit thread_local ComputingThread this_thread;

struct Computation {
    PyObject_HEAD
    // How far the computation is. Threads wait on the address of this field.
    std::atomic<ComputationState> state;
    // The result, owned; null until the computation is done. Written before `state`.
    PyObject* value;
    // The thread that calls the factory; null once the computation has ended. Under the lock of
    // RunningComputations.
    ComputingThread* leader;
    // The previous and the next one in the list of RunningComputations, or null. Under its lock.
    Computation* previous;
    Computation* next;

    ComputationState now() const noexcept { return state.load(std::memory_order_seq_cst); }
    bool has_ended() const noexcept {
        const ComputationState seen = now();
        return seen == ComputationState::done || seen == ComputationState::failed;
    }
};

PyTypeObject* computation_type = nullptr;

PyObject* as_object(Computation* computation) { return reinterpret_cast<PyObject*>(computation); }
Computation* as_computation(PyObject* object) { return reinterpret_cast<Computation*>(object); }

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
    return 0;
}

int clear_computation(PyObject* self) {
    Py_CLEAR(as_computation(self)->value);
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
    computation->value = nullptr;
    computation->leader = nullptr;
    computation->previous = computation->next = nullptr;
    PyObject_GC_Track(computation);
    return computation;
}

// A computation whose leader is the calling thread. It ends when its scope is left, in every case:
// up to Python 3.13, a daemon thread is unwound from within the factory when the interpreter ends.
class Leader {
public:
    Leader() : computation_(make_computation()) {
        // Before other threads can find it: after a fork, the child has to know all computations
        // that are in `pending`.
        if (computation_) running().add(computation_);
    }
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

    // Ends the computation and removes it from `pending`. If `value` is null, it has failed. May
    // run Python code. Keeps the exception that is set.
    void end_with(HashMap& pending, const Key& key, PyObject* value) {
        computation_->value = Py_XNewRef(value);
        end();
        const nanobind::error_scope scope;
        constexpr UpdateSpec remove{IfAbsent::leave, IfPresent::remove, Values::expected, false};
        drop_found(update_key<remove>(pending, key, nullptr, object()));
        PyErr_Clear();
        Py_DECREF(std::exchange(computation_, nullptr));
    }
    // Drops a computation that is not in `pending`.
    void drop() {
        end();
        Py_CLEAR(computation_);
    }

private:
    void end() noexcept {
        running().remove(computation_);
        computation_->state.store(
            computation_->value ? ComputationState::done : ComputationState::failed,
            std::memory_order_seq_cst);
        WaitQueue::notify_all(&computation_->state);
    }

    Computation* computation_;  // Owned; null after a MemoryError, or once it has ended.
};

// Steps 2 to 4 of the leader. Returns the value that is in the dict, a new reference; null with an
// exception.
PyObject* lead(HashMap& map, const Key& key, PyObject* factory, Leader& leader) {
    // The value may have been stored between the first look into the dict and step 1.
    PyObject* found = nullptr;
    switch (look_up<true>(map, key, found)) {
        case Found::present: return found;
        case Found::error: return nullptr;
        case Found::absent: break;
    }
    leader.enter(ComputationState::running);
    PyObject* value = checked_result(PyObject_CallOneArg(factory, key.object), false);
    if (!value) return nullptr;
    leader.enter(ComputationState::accessing);
    const UpdateResult result =
        update_key<UpdateSpec{IfAbsent::insert, IfPresent::keep}>(map, key, value);
    if (result.outcome == Outcome::inserted) return value;
    Py_DECREF(value);
    return result.found;  // lost to another operation that has stored a value; or null: an error
}

// Waits until the computation has ended. False with an exception.
bool wait_for(const Computation* computation, const Key& key, const Deadline& deadline) {
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

enum class PendingResult {
    lead,            // the calling thread's computation is in `pending`: it is the leader
    wait_for_value,  // another thread calls the factory: its result is the value
    wait_and_retry,  // another thread accesses the dict: its result must not be used
    error,           // an exception is set
};

// Enters `own`, a computation of the calling thread, into `pending`. If there is another one that
// has not ended, `other` is set to it instead.
PendingResult enter(HashMap& pending, const Key& key, PyObject* own, nanobind::object& other) {
    for (;;) {
        const UpdateResult entered =
            update_key<UpdateSpec{IfAbsent::insert, IfPresent::keep}>(pending, key, own);
        if (entered.outcome == Outcome::error) return PendingResult::error;
        if (entered.outcome == Outcome::inserted) return PendingResult::lead;
        other = nanobind::steal(entered.found);
        switch (as_computation(other.ptr())->now()) {
            case ComputationState::running: return PendingResult::wait_for_value;
            case ComputationState::accessing: return PendingResult::wait_and_retry;
            case ComputationState::done:
            case ComputationState::failed: break;
        }
        // It has ended, but its leader has not removed it yet, or could not: replace it.
        switch (store_over(pending, key, other.ptr(), own)) {
            case StoreResult::stored: return PendingResult::lead;
            case StoreResult::error: return PendingResult::error;
            case StoreResult::mismatched: break;  // lost to its leader, or to a new one: try again
        }
    }
}

}  // namespace

PyObject* get_or_compute(HashMap& map, HashMap& pending, const Key& key, PyObject* factory,
                         const Deadline& deadline) {
    Leader leader;
    if (!leader.object()) return nullptr;
    for (;;) {
        nanobind::object other;
        const PendingResult entered = enter(pending, key, leader.object(), other);
        if (entered == PendingResult::lead) {
            PyObject* value = lead(map, key, factory, leader);
            leader.end_with(pending, key, value);
            return value;
        }
        const Computation* computation = as_computation(other.ptr());
        const bool waited = entered != PendingResult::error && wait_for(computation, key, deadline);
        // Without a value the factory has failed: one of the threads that waited tries next.
        if (waited && (entered == PendingResult::wait_and_retry || !computation->value)) continue;
        leader.drop();
        return waited ? Py_NewRef(computation->value) : nullptr;
    }
}

Py_ssize_t remove_if(HashMap& map, PyObject* predicate, IteratorKind arguments) {
    const std::size_t count = arguments == IteratorKind::keys ? 1 : 2;
    Scan scan(Part(), Scan::Start::apart);
    Pace pace;
    Py_ssize_t removed = 0;
    bool ok = true;
    while (ok) {
        Scan::Item item;
        const Scan::Result result = scan.next(map, false, item);
        if (result != Scan::Result::item) {
            ok = result == Scan::Result::end;
            break;
        }
        Key key;
        ok = make_key(item.key, key);
        // Each further iteration has lost to a concurrent update: ask about the new value.
        for (auto stored = StoreResult::mismatched; ok && stored == StoreResult::mismatched;) {
            PyObject* value = nullptr;
            const Found found = look_up<true>(map, key, value);
            ok = found != Found::error;
            if (found != Found::present) break;
            PyObject* given[] = {item.key, value};
            PyObject* answer = PyObject_Vectorcall(predicate, given, count, nullptr);
            const int truth = answer ? PyObject_IsTrue(answer) : -1;
            Py_XDECREF(answer);
            // Removes the key only with the value that the predicate has seen.
            stored = truth > 0 ? store_over(map, key, value, not_found) : StoreResult::stored;
            ok = truth >= 0 && stored != StoreResult::error;
            if (truth > 0 && stored == StoreResult::stored) ++removed;
            Py_DECREF(value);
        }
        Scan::release(item);
        ok = ok && pace.rest_for_signals();
    }
    for (const Scan::Item& left : scan.take_all()) Scan::release(left);
    return ok ? removed : -1;
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
