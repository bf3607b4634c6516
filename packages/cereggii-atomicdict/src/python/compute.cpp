// SPDX-License-Identifier: Apache-2.0
#include "python/compute.hpp"

#include "map/scan.hpp"
#include "python/computation.hpp"

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
// computation.hpp says how threads wait, and how a wait of a thread for itself is found.
namespace cereggii::atomicdict {

namespace {

// Ends the computation and removes it from `pending`. If `value` is null, it has failed. May run
// Python code. Keeps the exception that is set.
void end_pending(HashMap& pending, const Key& key, Leader& leader, PyObject* value) {
    leader.end_with(value);
    const nanobind::error_scope scope;
    constexpr UpdateSpec remove{IfAbsent::leave, IfPresent::remove, Values::expected, false};
    drop_found(update_key<remove>(pending, key, nullptr, leader.object()));
    PyErr_Clear();
    leader.drop();
}

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
            end_pending(pending, key, leader, value);
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

}  // namespace cereggii::atomicdict
