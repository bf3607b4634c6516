// SPDX-License-Identifier: Apache-2.0
#include "python/reduce.hpp"

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
#include "map/fetch_ahead.hpp"
#include "map/items.hpp"
#include "python/inputs.hpp"
#include "python/iterables.hpp"
#include "python/mapping_methods.hpp"

// An Aggregation is a small table of the calling thread's own, in which inputs with one key meet
// before the dict sees them: a frequent key costs the threads one compare-and-swap for many inputs.
// Two places for each key; who comes third either takes the place of the one that is found less
// often, which goes into the dict, or goes there itself. So frequent keys stay, rare ones pass
// through, and the memory is bounded however long the iterable is. After the lossy counting of
// Manku and Motwani ("Approximate frequency counts over data streams", 2002), with a cache's two
// ways.
//
// What leaves the table waits until there is a number of them, for which the dict's memory is
// fetched together. An input is in one place at a time, so each is counted once.
namespace cereggii::atomicdict {

namespace {

// ── what is aggregated ─────────────────────────────────────────────────────────────────────────

// The aggregate of a key: an object, or the int that it stands for.
struct Aggregate {
    PyObject* object = nullptr;  // owned; null: `number`
    std::int64_t number = 0;
};

// Whether it is an exact int of 64 bits.
[[gnu::always_inline]] inline bool as_number(PyObject* object, std::int64_t& number) {
    if (!PyLong_CheckExact(object)) return false;
    return !atomics::exceeds_int64(object, &number);
}

// Owned; null with MemoryError.
PyObject* as_object(const Aggregate& aggregate) {
    return aggregate.object ? Py_NewRef(aggregate.object) : PyLong_FromLongLong(aggregate.number);
}

// Each says what the first input of a key becomes, and what two aggregates do, the one in the dict
// or of the inputs before being the first. As functions of two objects they are what is documented
// as the Python function; ints of 64 bits are combined natively where that is the same.

struct Sum {
    static bool combine(std::int64_t current, std::int64_t added, std::int64_t& result) {
        return !__builtin_add_overflow(current, added, &result);
    }
    PyObject* start(PyObject*, PyObject* added) const { return Py_NewRef(added); }
    PyObject* combine(PyObject*, PyObject* current, PyObject* added) const {
        return PyNumber_Add(current, added);
    }
};

// max(added, current) and min(added, current).
template <int op>
struct Extreme {
    static bool combine(std::int64_t current, std::int64_t added, std::int64_t& result) {
        result = (op == Py_GT ? current > added : current < added) ? current : added;
        return true;
    }
    PyObject* start(PyObject*, PyObject* added) const { return Py_NewRef(added); }
    PyObject* combine(PyObject*, PyObject* current, PyObject* added) const {
        const int better = PyObject_RichCompareBool(current, added, op);
        return better < 0 ? nullptr : Py_NewRef(better ? current : added);
    }
};

// `current and bool(added)`, or with `or`.
template <bool is_or>
struct Truth {
    PyObject* start(PyObject*, PyObject* added) const {
        const int truth = PyObject_IsTrue(added);
        return truth < 0 ? nullptr : new_reference(truth);
    }
    PyObject* combine(PyObject* key, PyObject* current, PyObject* added) const {
        const int truth = PyObject_IsTrue(current);
        if (truth < 0) return nullptr;
        return (truth != 0) == is_or ? Py_NewRef(current) : start(key, added);
    }
};

// to_list(current) + to_list(added), where what is no list is one of one item. The lists in the
// table are its own, and grow; those in the dict are never changed.
struct ToList {
    PyObject* start(PyObject*, PyObject* added) const {
        PyObject* list = PyList_New(0);
        if (list && !append(list, added)) Py_CLEAR(list);
        return list;
    }
    PyObject* combine(PyObject* key, PyObject* current, PyObject* added) const {
        PyObject* list = start(key, current);
        if (list && !append(list, added)) Py_CLEAR(list);
        return list;
    }
    static bool append(PyObject* list, PyObject* added) {
        if (!PyList_CheckExact(added)) return PyList_Append(list, added) == 0;
        const Py_ssize_t end = PyList_GET_SIZE(list);
        return PyList_SetSlice(list, end, end, added) == 0;
    }
};

struct Call {
    PyObject* fn;
    PyObject* start(PyObject* key, PyObject* added) const { return call(key, not_found, added); }
    PyObject* combine(PyObject* key, PyObject* current, PyObject* added) const {
        return call(key, current, added);
    }
    PyObject* call(PyObject* key, PyObject* current, PyObject* added) const {
        PyObject* arguments[] = {key, current, added};
        return checked_result(PyObject_Vectorcall(fn, arguments, 3, nullptr), false);
    }
};

template <class Operation>
concept Native = requires(std::int64_t& n) { Operation::combine(n, n, n); };

// ── the table ──────────────────────────────────────────────────────────────────────────────────

template <class Operation>
class Aggregation {
public:
    Aggregation(HashMap& map, const Operation& operation) noexcept
        : map_(map), operation_(operation) {}
    // Nothing is in it any more: finish() is called in any case.
    ~Aggregation() = default;
    Aggregation(const Aggregation&) = delete;
    Aggregation& operator=(const Aggregation&) = delete;

    // For about this many inputs; 0: who knows. False with MemoryError.
    bool allocate(Py_ssize_t inputs) {
        constexpr std::size_t smallest = 16, largest = 4096;
        const auto wanted = inputs <= 0 ? largest : 2 * static_cast<std::size_t>(inputs);
        size_ = std::bit_ceil(std::clamp(wanted, smallest, largest));
        entries_.reset(new (std::nothrow) Entry[size_]);
        if (!entries_) PyErr_NoMemory();
        return entries_ != nullptr;
    }

    // Takes one input. False with an exception; it is in the table then, or noted.
    bool take(PyObject* key, PyObject* added) {
        if (may_be_value(added) && add(key, added)) return make_room();
        note(key, {added});
        return false;
    }
    bool take_one(PyObject* key) {
        if (add(key, 1, nullptr)) return make_room();
        note(key, {nullptr, 1});
        return false;
    }

    // Puts everything into the dict. False with an exception, if that is set already, or if
    // something could not be.
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
        if (not_reduced_.is_valid()) {
            PyObject_SetAttrString(raised, "not_reduced", not_reduced_.ptr());
        } else if (PyObject_HasAttrString(raised, "not_reduced")) {
            // Of another call, by which the exception has come.
            PyObject_DelAttrString(raised, "not_reduced");
        }
        PyErr_Clear();  // it takes no attributes
        error.restore();
        return false;
    }

private:
    struct Entry {
        PyObject* key = nullptr;  // owned; null: unused
        std::uint64_t hash = 0;
        std::uintptr_t stored = 0;
        Aggregate aggregate;
        std::uint32_t found = 0;  // how often, of late
    };

    // Taken out first: finalizers may do anything.
    static void release(Entry& entry) {
        const Entry taken = std::exchange(entry, Entry{});
        Py_XDECREF(taken.aggregate.object);
        Py_XDECREF(taken.key);
    }

    // -1 with an exception. Nobody else has the table, whatever the keys' __eq__ does.
    static int is_key(const Entry& entry, const Key& key) {
        if (entry.hash != key.hash) return 0;
        switch (compare_natively(entry.stored, key)) {
            case Equality::equal: return 1;
            case Equality::different: return 0;
            case Equality::unknown: break;
        }
        return PyObject_RichCompareBool(entry.key, key.object, Py_EQ);
    }

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

    bool combine_into(Entry& entry, std::int64_t number, PyObject* added) const {
        Aggregate& aggregate = entry.aggregate;
        if constexpr (Native<Operation>) {
            if (!aggregate.object && !added) {
                std::int64_t result = 0;
                if (Operation::combine(aggregate.number, number, result)) [[likely]] {
                    aggregate.number = result;
                    return true;
                }
            }
        } else if constexpr (std::is_same_v<Operation, ToList>) {
            return ToList::append(aggregate.object, added);
        }
        const auto current = nanobind::steal(as_object(aggregate));
        const auto given =
            added ? nanobind::borrow(added) : nanobind::steal(PyLong_FromLongLong(number));
        if (!current.is_valid() || !given.is_valid()) return false;
        return replace(entry, operation_.combine(entry.key, current.ptr(), given.ptr()));
    }

    // Takes `combined`; null: an exception.
    static bool replace(Entry& entry, PyObject* combined) {
        if (!combined) return false;
        if (!may_be_value(combined)) {
            Py_DECREF(combined);
            return false;
        }
        Aggregate& aggregate = entry.aggregate;
        PyObject* before = std::exchange(aggregate.object, nullptr);
        if (Native<Operation> && as_number(combined, aggregate.number))
            Py_DECREF(combined);
        else
            aggregate.object = combined;
        Py_XDECREF(before);
        return true;
    }

    // Into the dict. False with an exception, and then it is not in the dict.
    bool flush(const Entry& entry) const {
        const Key key{entry.key, entry.hash, entry.stored};
        PyObject* mine = as_object(entry.aggregate);
        if (!mine) return false;
        // Most are new, or there: one walk tells which, and inserts.
        const UpdateResult result =
            update_key<UpdateSpec{IfAbsent::insert, IfPresent::keep}>(map_, key, mine);
        bool ok = result.outcome == Outcome::inserted;
        if (result.outcome == Outcome::kept) ok = combine_with(key, result.found, mine, entry);
        Py_XDECREF(result.found);
        Py_DECREF(mine);
        return ok;
    }

    bool combine_with(const Key& key, PyObject* found, PyObject* mine, const Entry& entry) const {
        const auto make = [&](PyObject* current) -> PyObject* {
            if (!current) return Py_NewRef(mine);
            if constexpr (Native<Operation>) {
                std::int64_t number = 0, result = 0;
                if (!entry.aggregate.object && as_number(current, number) &&
                    Operation::combine(number, entry.aggregate.number, result)) [[likely]]
                    return PyLong_FromLongLong(result);
            }
            PyObject* combined = operation_.combine(key.object, current, mine);
            return combined && !may_be_value(combined) ? (Py_DECREF(combined), nullptr) : combined;
        };
        PyObject* combined = make(found);
        if (!combined) return false;
        const Stored stored = store_over(map_, key, found, combined);
        Py_DECREF(combined);
        if (stored != Stored::again) return stored == Stored::yes;
        combined = compute(map_, key, make);
        Py_XDECREF(combined);
        return combined != nullptr;
    }

    // Counts one input. False with an exception, and then it is not counted.
    bool add(PyObject* key_object, PyObject* added) {
        if constexpr (Native<Operation>)
            if (std::int64_t number = 0; as_number(added, number))
                return add(key_object, number, nullptr);
        return add(key_object, 0, added);
    }
    // Counts `number`, if `added` is null.
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
            // Past the table, if what is there has been found more often.
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

    // Puts those that are leaving into the dict, until one fails. False with its exception. Who
    // came first goes first: some may be of one key, and its inputs keep their order.
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

    // All that can be, keeping the first exception, also one from before.
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

    void fetch() const {
        std::array<std::uint64_t, fetched_together> hashes;
        for (std::size_t i = 0; i < leaving_count_; ++i) hashes[i] = leaving_[i].hash;
        Guard guard(map_);
        if (!guard.ready()) {
            PyErr_Clear();  // without
            return;
        }
        guard.pin_reading();
        if (Table* root = map_.root.load(std::memory_order_seq_cst))
            fetch_ahead(root, std::span(hashes).first(leaving_count_));
    }

    // For the exception that is set.
    void note(PyObject* key, const Aggregate& aggregate) {
        const nanobind::error_scope scope;
        const auto value = nanobind::steal(as_object(aggregate));
        if (!not_reduced_.is_valid()) not_reduced_ = nanobind::steal(PyList_New(0));
        const auto pair =
            nanobind::steal(value.is_valid() ? PyTuple_Pack(2, key, value.ptr()) : nullptr);
        if (not_reduced_.is_valid() && pair.is_valid())
            PyList_Append(not_reduced_.ptr(), pair.ptr());
        PyErr_Clear();
    }

    HashMap& map_;
    const Operation operation_;
    std::unique_ptr<Entry[]> entries_;
    std::size_t size_ = 0;
    std::array<Entry, fetched_together> leaving_;
    std::size_t leaving_count_ = 0;
    nanobind::object not_reduced_;
};

// Calls `take(aggregation)`, which goes through the inputs, and puts into the dict whatever came of
// it, also when it fails.
template <class Operation, class Take>
bool aggregate(HashMap& map, const Operation& operation, PyObject* inputs, const Take& take) {
    Aggregation<Operation> aggregation(map, operation);
    const Py_ssize_t hint = PyObject_LengthHint(inputs, 0);
    if (hint < 0 || !aggregation.allocate(hint)) return false;
    const bool taken = take(aggregation);
    return aggregation.finish() && taken;
}

template <class Operation>
bool aggregate_pairs(HashMap& map, const Operation& operation, PyObject* pairs) {
    return aggregate(map, operation, pairs, [pairs](auto& aggregation) {
        return for_each_item(pairs, [&aggregation](PyObject* key, PyObject* value) {
            return aggregation.take(key, value);
        });
    });
}

}  // namespace

bool reduce_by_call(HashMap& map, PyObject* pairs, PyObject* fn) {
    return aggregate_pairs(map, Call{fn}, pairs);
}

bool reduce_by(HashMap& map, PyObject* pairs, Reduction reduction) {
    switch (reduction) {
        case Reduction::sum: return aggregate_pairs(map, Sum{}, pairs);
        case Reduction::all_true: return aggregate_pairs(map, Truth<false>{}, pairs);
        case Reduction::any_true: return aggregate_pairs(map, Truth<true>{}, pairs);
        case Reduction::maximum: return aggregate_pairs(map, Extreme<Py_GT>{}, pairs);
        case Reduction::minimum: return aggregate_pairs(map, Extreme<Py_LT>{}, pairs);
        case Reduction::list: return aggregate_pairs(map, ToList{}, pairs);
    }
    return false;
}

bool reduce_count(HashMap& map, PyObject* keys_or_mapping) {
    if (find_map(keys_or_mapping)) return aggregate_pairs(map, Sum{}, keys_or_mapping);
    // A copy, which nobody else has.
    if (const auto counts = nanobind::steal(as_dict(keys_or_mapping)); counts.is_valid())
        return aggregate(map, Sum{}, counts.ptr(), [&counts](auto& aggregation) {
            return DictItems::for_each(counts.ptr(),
                                       [&aggregation](PyObject* key, PyObject* count) {
                                           return aggregation.take(key, count);
                                       });
        });
    if (PyErr_Occurred()) return false;
    return aggregate(map, Sum{}, keys_or_mapping, [keys_or_mapping](auto& aggregation) {
        return for_each(keys_or_mapping, [&aggregation](PyObject* key, Py_ssize_t) {
            return aggregation.take_one(key);
        });
    });
}

}  // namespace cereggii::atomicdict
