// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "cereggii/atomics/python/binding.hpp"
#include "map/prefetch.hpp"
#include "python/aggregates.hpp"
#include "python/compute.hpp"

namespace cereggii::atomicdict {

// A small table that belongs to the calling thread. In it, the inputs with one key are combined
// before the dict sees them: for a frequent key, the threads pay for one compare-and-swap per many
// inputs.
//
// A key has two places in the table:
//
//     places     0   1 | 2   3 | 4   5 | …       the places of a key are a pair: its home, which
//                      |       |                 the hash chooses, and the other one of the pair
//
// If a third key needs a place of a pair, the place whose key was found less often recently is
// chosen. If its key was not found at all recently, it leaves the table; otherwise the new key
// does not enter it. What leaves or does not enter goes into the dict. So frequent keys stay, rare
// keys pass through, and the memory is bounded, however many inputs there are. After the lossy
// counting of Manku and Motwani ("Approximate frequency counts over data streams", 2002), with the
// two ways of a cache.
//
// Aggregates that leave the table wait until there are `fetched_together` of them. Then the memory
// of the dict that they need is fetched together. An input is in one place at a time, so each is
// counted once.
template <class Operation>
class AggregationTable {
public:
    AggregationTable(HashMap& map, const Operation& operation) noexcept
        : map_(map), operation_(operation) {}
    // The table is empty by now, since finish() has been called in every case. May run finalizers,
    // and so is not noexcept: see ~Guard.
    ~AggregationTable() noexcept(false) { Py_XDECREF(not_reduced_); }
    AggregationTable(const AggregationTable&) = delete;
    AggregationTable& operator=(const AggregationTable&) = delete;

    // Makes a table for about this many inputs; 0: unknown. False with MemoryError.
    bool allocate(Py_ssize_t inputs) {
        constexpr std::size_t smallest = 16, largest = 4096;
        const auto wanted = inputs <= 0 ? largest : 2 * static_cast<std::size_t>(inputs);
        size_ = std::bit_ceil(std::clamp(wanted, smallest, largest));
        entries_.reset(new (std::nothrow) Entry[size_]);
        if (!entries_) PyErr_NoMemory();
        return entries_ != nullptr;
    }

    // Takes one input. False with an exception. Even then the input is not lost: it is in the
    // table, or noted for `not_reduced`.
    bool take(PyObject* key, PyObject* added) {
        if (may_be_value(added) && add(key, added)) return make_room();
        note(key, {added});
        return false;
    }
    // The same with the input 1.
    bool take_one(PyObject* key) {
        if (add(key, 1, nullptr)) return make_room();
        note(key, {nullptr, 1});
        return false;
    }

    // Puts everything into the dict. False with an exception: the one that was set before, or that
    // of the first aggregate which could not be put into the dict.
    bool finish() {
        for (std::size_t i = 0; i < size_; ++i) {
            if (!entries_[i].key) continue;
            leaving_[leaving_count_++] = std::exchange(entries_[i], Entry{});
            if (leaving_count_ == leaving_.size()) drain_all();
        }
        drain_all();
        if (!PyErr_Occurred()) return true;
        nanobind::python_error error;
        PyObject* raised = error.value().ptr();
        if (not_reduced_) {
            PyObject_SetAttrString(raised, "not_reduced", not_reduced_);
        } else if (PyObject_HasAttrString(raised, "not_reduced")) {
            // The attribute is left from another call, which this exception has gone through.
            PyObject_DelAttrString(raised, "not_reduced");
        }
        PyErr_Clear();  // the exception takes no attributes
        error.restore();
        return false;
    }

private:
    struct Entry {
        PyObject* key = nullptr;    // The key, owned. Null: the place is empty.
        std::uint64_t hash = 0;     // The mixed hash of the key.
        std::uintptr_t stored = 0;  // The key as a node of the map has it.
        Aggregate aggregate;        // The aggregate of the key's inputs so far.
        std::uint32_t found = 0;    // How often an input has found the key here recently.
    };

    // The entry is empty before anything is released, because finalizers may do anything.
    static void release(Entry& entry) {
        const Entry taken = std::exchange(entry, Entry{});
        Py_XDECREF(taken.aggregate.object);
        Py_XDECREF(taken.key);
    }

    // 1 or 0; -1 with an exception. A key's __eq__ cannot change the table: no other code has it.
    static int is_key(const Entry& entry, const Key& key) {
        if (entry.hash != key.hash) return 0;
        switch (compare_natively(entry.stored, key)) {
            case Equality::equal: return 1;
            case Equality::different: return 0;
            case Equality::unknown: break;
        }
        return PyObject_RichCompareBool(entry.key, key.object, Py_EQ);
    }

    // Makes an entry of one input: of `added`, or of `number` if `added` is null. False with an
    // exception.
    bool start(Entry& entry, const Key& key, std::int64_t number, PyObject* added) const {
        if (!added) {
            entry.aggregate.number = number;
        } else {
            entry.aggregate.object = operation_.start(key.object, added);
            if (!entry.aggregate.object || !may_be_value(entry.aggregate.object)) {
                Py_CLEAR(entry.aggregate.object);
                return false;
            }
        }
        entry.key = Py_NewRef(key.object);
        entry.hash = key.hash;
        entry.stored = key.stored;
        return true;
    }

    // Combines an entry with one input, given as for start().
    bool combine_into(Entry& entry, std::int64_t number, PyObject* added) const {
        Aggregate& aggregate = entry.aggregate;
        if constexpr (CombinesNativeInts<Operation>) {
            if (!aggregate.object && !added) {
                std::int64_t result = 0;
                if (Operation::combine(aggregate.number, number, result)) [[likely]] {
                    aggregate.number = result;
                    return true;
                }
            }
        } else if constexpr (std::is_same_v<Operation, ListOperation>) {
            return ListOperation::append(aggregate.object, added);
        }
        const auto current = nanobind::steal(aggregate.as_object());
        const auto given =
            added ? nanobind::borrow(added) : nanobind::steal(PyLong_FromLongLong(number));
        if (!current.is_valid() || !given.is_valid()) return false;
        return replace(entry, operation_.combine(entry.key, current.ptr(), given.ptr()));
    }

    // Takes over the reference to `combined`; null: an exception is set. False with an exception.
    static bool replace(Entry& entry, PyObject* combined) {
        if (!combined) return false;
        if (!may_be_value(combined)) {
            Py_DECREF(combined);
            return false;
        }
        Aggregate& aggregate = entry.aggregate;
        PyObject* before = std::exchange(aggregate.object, nullptr);
        if (CombinesNativeInts<Operation> && to_native_int(combined, aggregate.number))
            Py_DECREF(combined);
        else
            aggregate.object = combined;
        Py_XDECREF(before);
        return true;
    }

    // Puts an aggregate into the dict. False with an exception; then it is not in the dict.
    bool flush(const Entry& entry) const {
        const Key key{entry.key, entry.hash, entry.stored};
        PyObject* aggregate = entry.aggregate.as_object();
        if (!aggregate) return false;
        // Most keys are either new or stay present: one probe tells which, and inserts a new one.
        const UpdateResult result =
            update_key<UpdateSpec{IfAbsent::insert, IfPresent::keep}>(map_, key, aggregate);
        bool ok = result.outcome == Outcome::inserted;
        if (result.outcome == Outcome::kept) ok = combine_with(key, result.found, aggregate, entry);
        Py_XDECREF(result.found);
        Py_DECREF(aggregate);
        return ok;
    }

    // Combines the value that was found in the dict with the aggregate of an entry, and stores the
    // result. False with an exception.
    bool combine_with(const Key& key, PyObject* found, PyObject* aggregate,
                      const Entry& entry) const {
        const auto make = [&](PyObject* current) -> PyObject* {
            if (!current) return Py_NewRef(aggregate);
            if constexpr (CombinesNativeInts<Operation>) {
                std::int64_t number = 0, result = 0;
                if (!entry.aggregate.object && to_native_int(current, number) &&
                    Operation::combine(number, entry.aggregate.number, result)) [[likely]]
                    return PyLong_FromLongLong(result);
            }
            PyObject* combined = operation_.combine(key.object, current, aggregate);
            return combined && !may_be_value(combined) ? (Py_DECREF(combined), nullptr) : combined;
        };
        PyObject* combined = make(found);
        if (!combined) return false;
        const StoreResult result = store_over(map_, key, found, combined);
        Py_DECREF(combined);
        if (result != StoreResult::mismatched) return result == StoreResult::stored;
        // Lost to a concurrent update or deletion: read the value again, until it is not changed.
        combined = compute(map_, key, make);
        Py_XDECREF(combined);
        return combined != nullptr;
    }

    // Counts one input. False with an exception; then the input is not counted.
    bool add(PyObject* key_object, PyObject* added) {
        if constexpr (CombinesNativeInts<Operation>)
            if (std::int64_t number = 0; to_native_int(added, number))
                return add(key_object, number, nullptr);
        return add(key_object, 0, added);
    }
    // Counts `number` if `added` is null.
    bool add(PyObject* key_object, std::int64_t number, PyObject* added) {
        Key key;
        if (!check_key(key_object, key)) return false;
        const std::uint64_t spread = (key.hash >> 32 & ~group_mask) | (key.hash & group_mask);
        const std::size_t home = static_cast<std::size_t>(spread) & (size_ - 1);
        Entry& first = entries_[home];
        Entry& second = entries_[home ^ 1];
        for (Entry* entry : {&first, &second}) {
            if (!entry->key) continue;
            const int same = is_key(*entry, key);
            if (same < 0) return false;
            if (!same) continue;
            if (!combine_into(*entry, number, added)) return false;
            ++entry->found;
            return true;
        }
        Entry& place = !first.key || (second.key && first.found <= second.found) ? first : second;
        Entry entry;
        if (!start(entry, key, number, added)) return false;
        if (place.key) {
            // If the key that is there was found recently, the new key does not enter the table.
            if (place.found > 0)
                place.found /= 2;
            else
                std::swap(entry, place);
            leaving_[leaving_count_++] = entry;
        } else {
            place = entry;
        }
        return true;
    }

    bool make_room() { return leaving_count_ < leaving_.size() || drain(); }

    // Puts the leaving aggregates into the dict, until one fails. False with its exception. They
    // go in the order in which they left the table: several may have the same key, and the inputs
    // of a key keep their order.
    bool drain() {
        fetch();
        auto next = leaving_.begin();
        const auto end = next + leaving_count_;
        bool ok = true;
        while (ok && next != end) {
            Entry entry = *next++;
            ok = flush(entry);
            if (!ok) note(entry.key, entry.aggregate);
            release(entry);
        }
        const auto rest = std::move(next, end, leaving_.begin());
        leaving_count_ = static_cast<std::size_t>(rest - leaving_.begin());
        return ok;
    }

    // Puts all of them into the dict that can be put there. Keeps the first exception, even if it
    // was set before.
    void drain_all() {
        while (leaving_count_ > 0) {
            if (PyErr_Occurred()) {
                const nanobind::error_scope first;
                if (!drain()) PyErr_Clear();
            } else {
                drain();
            }
        }
    }

    // Begins to fetch what the leaving aggregates need of the dict.
    void fetch() const {
        std::array<std::uint64_t, fetched_together> hashes;
        for (std::size_t i = 0; i < leaving_count_; ++i) hashes[i] = leaving_[i].hash;
        Guard guard(map_);
        if (!guard.ready()) {
            PyErr_Clear();  // it works without fetching, too
            return;
        }
        guard.pin_reading();
        if (Table* root = map_.root.load(std::memory_order_seq_cst))
            fetch_ahead(root, std::span(hashes).first(leaving_count_));
    }

    // Notes what is not in the dict, for the attribute `not_reduced` of the exception that is set.
    void note(PyObject* key, const Aggregate& aggregate) {
        const nanobind::error_scope scope;
        const auto value = nanobind::steal(aggregate.as_object());
        if (!not_reduced_) not_reduced_ = PyList_New(0);
        const auto pair =
            nanobind::steal(value.is_valid() ? PyTuple_Pack(2, key, value.ptr()) : nullptr);
        if (not_reduced_ && pair.is_valid()) PyList_Append(not_reduced_, pair.ptr());
        PyErr_Clear();
    }

    HashMap& map_;                                 // The map of the dict.
    const Operation operation_;                    // How aggregates are combined.
    std::unique_ptr<Entry[]> entries_;             // The places.
    std::size_t size_ = 0;                         // The number of places, a power of two.
    std::array<Entry, fetched_together> leaving_;  // Aggregates on their way into the dict.
    std::size_t leaving_count_ = 0;                // The number of these aggregates.
    PyObject* not_reduced_ = nullptr;              // The list of what was noted, owned; or null.
};

}  // namespace cereggii::atomicdict
