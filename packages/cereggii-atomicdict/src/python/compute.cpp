// SPDX-License-Identifier: Apache-2.0
#include "python/compute.hpp"

#include <atomic>
#include <mutex>
#include <new>
#include <utility>

#include "cereggii/atomics/python/at_fork.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "map/scan.hpp"

// Computing a value once, however many threads ask for it.
//
// A dict has a second map, `pending`, of the keys that are being computed. Whoever inserts a
// Computation into it is the leader, and calls the factory; the others find it there, and wait for
// it. The dict itself has no placeholder: other operations see the key when it has a value.
//
// The leader puts the value into the dict, then ends the computation, and then takes it out of
// `pending`: whoever begins later finds the value. To take it out may fail, if the key's __eq__
// does; then it stays there as one that has ended, which the next leader replaces.
//
// Who waits for whom is a graph: a computation has one leader, a thread waits for one computation.
// A thread looks at it before it waits, under a lock for all, and where it would close a circle it
// does not.
namespace cereggii::atomicdict {

namespace {

// Accessing: the leader looks for the value in the dict, or puts it there, and others may have
// removed it again. Who finds it so may have come after that: look anew when it has ended.
enum class State { accessing, running, done, failed };

struct Computation;

// A thread, as one that computes.
struct Thread {
    const Computation* waiting_for = nullptr;
};
constinit thread_local Thread this_thread;

struct Computation {
    PyObject_HEAD
    std::atomic<State> state;
    PyObject* value;  // owned, once it is done
    // Under the lock:
    Thread* leader;  // null once it has ended
    Computation* previous;
    Computation* next;

    State now() const noexcept { return state.load(std::memory_order_seq_cst); }
    bool has_ended() const noexcept { return now() == State::done || now() == State::failed; }
};

PyTypeObject* computation_type = nullptr;

PyObject* as_object(Computation* computation) { return reinterpret_cast<PyObject*>(computation); }
Computation* as_computation(PyObject* object) { return reinterpret_cast<Computation*>(object); }

// All that are running. The lock is held for a few steps, natively and attached.
class Running {
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

    // False: it would be waiting for itself.
    [[nodiscard]] bool begin_to_wait(const Computation* computation) noexcept {
        const std::lock_guard guard(lock_);
        for (const Computation* next = computation; next && next->leader;
             next = next->leader->waiting_for)
            if (next->leader == &this_thread) return false;
        this_thread.waiting_for = computation;
        return true;
    }

    void wait_for_no_more(const Computation* before) noexcept {
        const std::lock_guard guard(lock_);
        this_thread.waiting_for = before;
    }

    // In the child of a fork the other leaders are not there, and end nothing. Nor do they give the
    // lock back, if it was not Python that forked; the list can be followed at any moment.
    void fail_those_of_others() noexcept {
        new (&lock_) std::mutex;
        for (Computation *computation = first_, *next = nullptr; computation; computation = next) {
            next = computation->next;
            if (computation->leader == &this_thread) continue;
            unlink(computation);
            computation->state.store(State::failed, std::memory_order_seq_cst);
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

    std::mutex lock_;
    Computation* first_ = nullptr;
};

// Never destroyed: daemon threads outlive static destructors.
Running& running() noexcept {
    static Running& instance = *new Running;
    return instance;
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
    new (&computation->state) std::atomic<State>(State::accessing);
    computation->value = nullptr;
    computation->leader = nullptr;
    computation->previous = computation->next = nullptr;
    PyObject_GC_Track(computation);
    return computation;
}

// A computation of the calling thread. It ends when its scope is left, in whatever way: up to
// Python 3.13, a daemon thread is unwound from within the factory when the interpreter ends.
class Leader {
public:
    Leader() : computation_(make_computation()) {
        // Before others can find it: whoever is left by a fork has to know of it.
        if (computation_) running().add(computation_);
    }
    ~Leader() {
        if (computation_) end();
    }
    Leader(const Leader&) = delete;
    Leader& operator=(const Leader&) = delete;

    // Null with MemoryError.
    PyObject* object() const noexcept { return as_object(computation_); }

    void enter(State state) noexcept {
        computation_->state.store(state, std::memory_order_seq_cst);
    }

    // With a value it is done, without one it has failed. May run Python code, and keeps the
    // exception that is set.
    void end_with(HashMap& pending, const Key& key, PyObject* value) {
        computation_->value = Py_XNewRef(value);
        end();
        const nanobind::error_scope scope;
        constexpr UpdateSpec remove{IfAbsent::leave, IfPresent::remove, Values::expected, false};
        drop_found(update_key<remove>(pending, key, nullptr, object()));
        PyErr_Clear();
        Py_DECREF(std::exchange(computation_, nullptr));
    }
    // If nobody has found it.
    void drop() {
        end();
        Py_CLEAR(computation_);
    }

private:
    void end() noexcept {
        running().remove(computation_);
        computation_->state.store(computation_->value ? State::done : State::failed,
                                  std::memory_order_seq_cst);
        WaitQueue::notify_all(&computation_->state);
    }

    Computation* computation_;  // owned
};

// The value that is in the dict after `factory(key)` was called, unless it was there before.
PyObject* lead(HashMap& map, const Key& key, PyObject* factory, Leader& leader) {
    // It may have got there between the look at the dict and that at `pending`.
    PyObject* found = nullptr;
    switch (look_up<true>(map, key, found)) {
        case Found::present: return found;
        case Found::error: return nullptr;
        case Found::absent: break;
    }
    leader.enter(State::running);
    PyObject* value = checked_result(PyObject_CallOneArg(factory, key.object), false);
    if (!value) return nullptr;
    leader.enter(State::accessing);
    const UpdateResult result =
        update_key<UpdateSpec{IfAbsent::insert, IfPresent::keep}>(map, key, value);
    if (result.outcome == Outcome::inserted) return value;
    Py_DECREF(value);
    return result.found;  // others have stored one meanwhile; or an error
}

// False with an exception.
bool wait_for(const Computation* computation, const Key& key, const Deadline& deadline) {
    class Waiting {
    public:
        explicit Waiting(const Computation* computation) noexcept
            : waits(running().begin_to_wait(computation)) {}
        ~Waiting() {
            if (waits) running().wait_for_no_more(before_);
        }
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;

    private:
        const Computation* before_ = this_thread.waiting_for;  // if this is a signal handler

    public:
        const bool waits;
    };
    const Waiting waiting(computation);
    if (!waiting.waits) {
        PyErr_Format(PyExc_RuntimeError, "to compute the value of %R, its own value is asked for",
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

}  // namespace

namespace {

// Waits: for the value. Late: it may be of before, and is not to be taken.
enum class Entered { leads, waits, late, error };

// Enters `mine` into `pending`, unless somebody's is there that has not ended: that is `other`.
Entered enter(HashMap& pending, const Key& key, PyObject* mine, nanobind::object& other) {
    for (;;) {
        const UpdateResult entered =
            update_key<UpdateSpec{IfAbsent::insert, IfPresent::keep}>(pending, key, mine);
        if (entered.outcome == Outcome::error) return Entered::error;
        if (entered.outcome == Outcome::inserted) return Entered::leads;
        other = nanobind::steal(entered.found);
        switch (as_computation(other.ptr())->now()) {
            case State::running: return Entered::waits;
            case State::accessing: return Entered::late;
            default: break;
        }
        // It is on its way out, or could not be taken out.
        switch (store_over(pending, key, other.ptr(), mine)) {
            case Stored::yes: return Entered::leads;
            case Stored::error: return Entered::error;
            case Stored::again: break;
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
        const Entered entered = enter(pending, key, leader.object(), other);
        if (entered == Entered::leads) {
            PyObject* value = lead(map, key, factory, leader);
            leader.end_with(pending, key, value);
            return value;
        }
        const Computation* computation = as_computation(other.ptr());
        const bool waited = entered != Entered::error && wait_for(computation, key, deadline);
        // If it has failed, one of those who waited tries next.
        if (waited && (entered == Entered::late || !computation->value)) continue;
        leader.drop();
        return waited ? Py_NewRef(computation->value) : nullptr;
    }
}

Py_ssize_t remove_if(HashMap& map, PyObject* predicate) {
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
        for (Stored stored = Stored::again; ok && stored == Stored::again;) {
            PyObject* value = nullptr;
            const Found found = look_up<true>(map, key, value);
            ok = found != Found::error;
            if (found != Found::present) break;
            PyObject* arguments[] = {item.key, value};
            PyObject* answer = PyObject_Vectorcall(predicate, arguments, 2, nullptr);
            const int truth = answer ? PyObject_IsTrue(answer) : -1;
            Py_XDECREF(answer);
            // Only the value that was asked about is removed.
            stored = truth > 0 ? store_over(map, key, value, not_found) : Stored::yes;
            ok = truth >= 0 && stored != Stored::error;
            if (truth > 0 && stored == Stored::yes) ++removed;
            Py_DECREF(value);
        }
        Scan::release(item);
        ok = ok && pace.rest_for_signals();
    }
    for (const Scan::Item& left : scan.take_all()) Scan::release(left);
    return ok ? removed : -1;
}

void forget_other_computations_after_fork() {
    running();  // is not to be made in a child
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
