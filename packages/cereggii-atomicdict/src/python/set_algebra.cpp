// SPDX-License-Identifier: Apache-2.0
#include "python/set_algebra.hpp"

#include <array>
#include <memory>
#include <new>

#include "map/items.hpp"
#include "map/lookup.hpp"
#include "python/abstract_classes.hpp"
#include "python/iterables.hpp"

namespace cereggii::atomicdict {

namespace {

Key key_of(const Items::Item& item) noexcept { return {item.key_object(), item.hash, item.key}; }

// Whether the map has the key. 1 or 0; -1 with an exception.
int contains(HashMap& set, const Key& key) {
    PyObject* unused = nullptr;
    const Found found = look_up<false>(set, key, unused);
    return found == Found::error ? -1 : found == Found::present;
}

bool is_same(const HashMap& set, PyObject* other) { return find_map<AtomicSet>(other) == &set; }

// What is done with an element of another object. False: stop, with or without an exception.
using UseElement = bool (*)(HashMap& set, const Key& key);

bool add_one(HashMap& set, const Key& key) { return add_element(set, key) != ElementResult::error; }
bool discard_one(HashMap& set, const Key& key) {
    return discard_element(set, key) != ElementResult::error;
}
// Each iteration after the first has lost to other threads, which have inserted the element and
// removed it again.
bool toggle_one(HashMap& set, const Key& key) {
    for (;;) {
        for (const auto& change : {discard_element, add_element}) {
            const ElementResult result = change(set, key);
            if (result != ElementResult::unchanged) return result == ElementResult::changed;
        }
    }
}
bool stop_if_absent(HashMap& set, const Key& key) { return contains(set, key) > 0; }
bool stop_if_present(HashMap& set, const Key& key) { return contains(set, key) == 0; }

// Calls use(set, key) for each item, until it returns false. False then, or with an exception.
bool for_each_key(const Items& items, HashMap& set, UseElement use) {
    Pace pace;
    return items.for_each([&](const Items::Item& item, const auto&) {
        return use(set, key_of(item)) && pace.rest_for_signals();
    });
}

// The same for each element of an object: see set_algebra.hpp.
bool for_each_element(PyObject* other, HashMap& set, UseElement use) {
    const auto use_object = [&](PyObject* object) {
        Key key;
        return check_element(object, key) && use(set, key);
    };
    if (HashMap* theirs = find_map<AtomicSet>(other)) {
        Items items;
        return take_items(*theirs, items) && for_each_key(items, set, use);
    }
    if (PyAnySet_Check(other))
        return SetElements::for_each(other, [&](const SetElements::Item& item) {
            return may_be_element(item.key) && use(set, key_with_hash(item.key, item.hash));
        });
    if (PyDict_CheckExact(other))
        return DictItems::for_each(
            other, [&](const DictItems::Item& item) { return use_object(item.key); });
    return for_each(other, [&](PyObject* object, Py_ssize_t) { return use_object(object); });
}

// A set that can tell whether elements are in it.
class Operand {
public:
    // False with an exception.
    bool read(PyObject* object) {
        HashMap* const theirs = find_map<AtomicSet>(object);
        if (theirs) return read_map(*theirs);
        const int can_be_asked = PyDict_CheckExact(object) ? 1 : is_any_set(object);
        if (can_be_asked < 0) return false;
        if (can_be_asked) {
            asked_ = object;
            return true;
        }
        return for_each_element(object, copy_.map(), &add_one);
    }
    bool read_map(HashMap& map) {
        Items items;
        if (!take_items(map, items, TakenBy::table)) return false;
        size_ = static_cast<Py_ssize_t>(items.size());
        return update_from_items(copy_.map(), items);
    }

    // 1 or 0; -1 with an exception.
    int has(const Items::Item& item) {
        return asked_ ? PySequence_Contains(asked_, item.key_object())
                      : contains(copy_.map(), key_of(item));
    }
    HashMap& map() noexcept { return copy_.map(); }
    // Only for sets. -1 with an exception.
    Py_ssize_t size() const { return asked_ ? PyObject_Size(asked_) : size_; }
    // Calls use(set, key) for each element, until it returns false. False then, or with an
    // exception.
    bool for_each(HashMap& set, UseElement use) {
        if (asked_) return for_each_element(asked_, set, use);
        Items items;
        return take_items(copy_.map(), items) && for_each_key(items, set, use);
    }

private:
    PyObject* asked_ = nullptr;  // The object, borrowed, if it is asked. Otherwise null.
    ScratchMap copy_;            // Its elements, if it is not asked.
    Py_ssize_t size_ = 0;        // How many they are, if they are those of another AtomicSet.
};

// Several operands.
class Operands {
public:
    // Those of `others` that are not the set itself. False with an exception.
    bool read(const HashMap& set, std::span<PyObject* const> others) {
        operands_.reset(new (std::nothrow) Operand[others.size()]);
        if (!operands_) {
            PyErr_NoMemory();
            return false;
        }
        for (PyObject* other : others)
            if (!is_same(set, other) && !operands_[count_++].read(other)) return false;
        return true;
    }
    // Whether all of them have the element. 1 or 0; -1 with an exception.
    int all_have(const Items::Item& item) {
        int has = 1;
        for (std::size_t i = 0; has > 0 && i < count_; ++i) has = operands_[i].has(item);
        return has;
    }

private:
    std::unique_ptr<Operand[]> operands_;
    std::size_t count_ = 0;
};

// Whether all items are in the operand. 1 or 0; -1 with an exception.
int all_in(const Items& items, Operand& operand) {
    int has = 1;
    Pace pace;
    items.for_each([&](const Items::Item& item, const auto&) {
        has = operand.has(item);
        if (has > 0 && !pace.rest_for_signals()) has = -1;
        return has > 0;
    });
    return has;
}

// After a loop that `stop_if_…` may have ended: 1 if it went to its end, 0 if it did not, -1 with
// an exception.
int went_to_end(bool ok) { return ok ? 1 : PyErr_Occurred() ? -1 : 0; }

HashMap& map_of(PyObject* set) { return payload<AtomicSet>(set)->map; }

// Drops a new set if something has failed.
PyObject* if_ok(bool ok, PyObject* made) {
    if (!ok) Py_CLEAR(made);
    return made;
}

}  // namespace

PyObject* frozen_stand_in(PyObject* object) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) return nullptr;
    HashMap* const set = find_map<AtomicSet>(object);
    if (!set && !PySet_Check(object)) return nullptr;
    PyErr_Clear();
    return set ? frozenset_of(*set) : PyFrozenSet_New(object);
}

// ── changing a set by other objects ────────────────────────────────────────────────────────────

bool add_elements(HashMap& set, PyObject* other) {
    if (HashMap* theirs = find_map<AtomicSet>(other)) return update_from_map(set, *theirs);
    if (PyAnySet_Check(other) || PyDict_CheckExact(other)) {
        const Py_ssize_t size = PyObject_Size(other);
        if (size < 0 || !prepare_for(set, static_cast<std::size_t>(size))) return false;
    }
    return for_each_element(other, set, &add_one);
}

bool discard_elements(HashMap& set, PyObject* other) {
    return is_same(set, other) ? clear(set) : for_each_element(other, set, &discard_one);
}

bool toggle_elements(HashMap& set, PyObject* other) {
    if (is_same(set, other)) return clear(set);
    const int is_set = PyDict_CheckExact(other) ? 1 : is_any_set(other);
    if (is_set != 0) return is_set > 0 && for_each_element(other, set, &toggle_one);
    ScratchMap once;  // each element once
    Items items;
    return add_elements(once.map(), other) && take_items(once.map(), items) &&
           for_each_key(items, set, &toggle_one);
}

bool keep_elements(HashMap& set, std::span<PyObject* const> others) {
    Operands operands;
    Items items;
    if (!operands.read(set, others) || !take_items(set, items)) return false;
    Pace pace;
    return items.for_each([&](const Items::Item& item, const auto&) {
        const int keep = operands.all_have(item);
        return keep >= 0 && (keep || discard_one(set, key_of(item))) && pace.rest_for_signals();
    });
}

// ── new sets ───────────────────────────────────────────────────────────────────────────────────

PyObject* frozenset_of(HashMap& set) {
    Items items;
    if (!take_items(set, items)) return nullptr;
    // PySet_Add fills a frozenset only while it has no other reference. So the collector must not
    // show it before it is complete. From 3.15 on PySet_Add itself has the collector track it: there
    // a set is filled, and then copied, which runs no Python code.
    constexpr bool fills_set = PY_VERSION_HEX >= 0x030F0000;
    PyObject* made = fills_set ? PySet_New(nullptr) : PyFrozenSet_New(nullptr);
    if (!made) return nullptr;
    if (!fills_set) PyObject_GC_UnTrack(made);
    Pace pace;
    const bool ok = items.for_each([&](const Items::Item& item, const auto& rest) {
        constexpr std::size_t ahead = tuning::snapshot_keys_ahead;
        if (rest.size() > ahead) prefetch(rest[ahead].key_object());
        return PySet_Add(made, item.key_object()) == 0 && pace.rest_for_signals();
    });
    if (!fills_set) {
        PyObject_GC_Track(made);
        return if_ok(ok, made);
    }
    PyObject* copy = ok ? PyFrozenSet_New(made) : nullptr;
    Py_DECREF(made);
    return copy;
}

PyObject* union_of(HashMap& set, std::span<PyObject* const> others) {
    PyObject* made = copy_of<AtomicSet>(set);
    bool ok = made != nullptr;
    for (PyObject* other : others)
        ok = ok && (is_same(set, other) || add_elements(map_of(made), other));
    return if_ok(ok, made);
}

PyObject* intersection_of(HashMap& set, std::span<PyObject* const> others) {
    Operands operands;
    Items items;
    if (!operands.read(set, others) || !take_items(set, items)) return nullptr;
    PyObject* made = make_instance<AtomicSet>(Types<AtomicSet>::atomic);
    Pace pace;
    const bool ok = made && items.for_each([&](const Items::Item& item, const auto&) {
        const int keep = operands.all_have(item);
        return keep >= 0 && (!keep || add_one(map_of(made), key_of(item))) &&
               pace.rest_for_signals();
    });
    return if_ok(ok, made);
}

PyObject* difference_of(HashMap& set, std::span<PyObject* const> others) {
    PyObject* made = copy_of<AtomicSet>(set);
    bool ok = made != nullptr;
    for (PyObject* other : others) {
        if (!ok) break;
        HashMap& result = map_of(made);
        if (is_same(set, other)) {
            ok = clear(result);
        } else if (PyAnySet_Check(other) && PySet_GET_SIZE(other) > approximate_length(result)) {
            // Large: it is asked for each element of the result.
            Operand operand;
            Items items;
            Pace pace;
            ok = operand.read(other) && take_items(result, items) &&
                 items.for_each([&](const Items::Item& item, const auto&) {
                     const int has = operand.has(item);
                     return has >= 0 && (!has || discard_one(result, key_of(item))) &&
                            pace.rest_for_signals();
                 });
        } else {
            ok = discard_elements(result, other);
        }
    }
    return if_ok(ok, made);
}

PyObject* symmetric_difference_of(HashMap& set, PyObject* other) {
    if (is_same(set, other)) return make_instance<AtomicSet>(Types<AtomicSet>::atomic);
    PyObject* made = copy_of<AtomicSet>(set);
    return if_ok(made && toggle_elements(map_of(made), other), made);
}

namespace {

PyObject* combine_into_atomic(SetOperator op, HashMap& set, PyObject* right) {
    const std::span others(&right, 1);
    switch (op) {
        case SetOperator::unite: return union_of(set, others);
        case SetOperator::intersect: return intersection_of(set, others);
        case SetOperator::subtract: return difference_of(set, others);
        case SetOperator::exclude: return symmetric_difference_of(set, right);
    }
    return nullptr;
}

PyObject* combine_builtin(SetOperator op, PyObject* left, PyObject* right) {
    switch (op) {
        case SetOperator::unite: return PyNumber_Or(left, right);
        case SetOperator::intersect: return PyNumber_And(left, right);
        case SetOperator::subtract: return PyNumber_Subtract(left, right);
        case SetOperator::exclude: return PyNumber_Xor(left, right);
    }
    return nullptr;
}

bool is_ours(PyObject* object) {
    return PyObject_TypeCheck(object, Types<AtomicSet>::atomic) ||
           PyObject_TypeCheck(object, Types<AtomicSet>::handle);
}

// The map of an AtomicSet or a handle. Null with RuntimeError if it is not constructed.
HashMap* checked_map(PyObject* ours) {
    HashMap* map = find_map<AtomicSet>(ours);
    if (!map) set_not_constructed(ours);
    return map;
}

}  // namespace

PyObject* combine(SetOperator op, PyObject* left, PyObject* right) {
    const int are_sets = is_ours(left) ? is_any_set(right) : is_any_set(left);
    if (are_sets < 0) return nullptr;
    if (!are_sets) Py_RETURN_NOTIMPLEMENTED;
    if (is_ours(left)) {
        HashMap* const set = checked_map(left);
        return set ? combine_into_atomic(op, *set, right) : nullptr;
    }
    HashMap* const set = checked_map(right);
    if (!set) return nullptr;
    if (PyAnySet_Check(left)) {
        // As of two builtin sets, the type of the left one is that of the result.
        PyObject* frozen = frozenset_of(*set);
        PyObject* result = frozen ? combine_builtin(op, left, frozen) : nullptr;
        Py_XDECREF(frozen);
        return result;
    }
    ScratchMap theirs;
    return add_elements(theirs.map(), left) ? combine_into_atomic(op, theirs.map(), right)
                                            : nullptr;
}

// ── comparisons ────────────────────────────────────────────────────────────────────────────────

int is_any_set(PyObject* object) {
    return is_ours(object) || PyAnySet_Check(object) ? 1 : is_instance_of_abc<"Set">(object);
}

int is_subset(HashMap& set, PyObject* other) {
    if (is_same(set, other)) return 1;
    Operand operand;
    Items items;
    return operand.read(other) && take_items(set, items) ? all_in(items, operand) : -1;
}

int is_superset(HashMap& set, PyObject* other) {
    if (is_same(set, other)) return 1;
    Operand ours;
    if (!ours.read_map(set)) return -1;
    return went_to_end(for_each_element(other, ours.map(), &stop_if_absent));
}

int is_disjoint(HashMap& set, PyObject* other) {
    Operand ours;
    if (!ours.read_map(set)) return -1;
    if (is_same(set, other)) return ours.size() == 0;
    return went_to_end(for_each_element(other, ours.map(), &stop_if_present));
}

namespace {

// Whether sets of these sizes can compare so.
bool sizes_allow(int op, Py_ssize_t left, Py_ssize_t right) noexcept {
    switch (op) {
        case Py_LT: return left < right;
        case Py_LE: return left <= right;
        case Py_GT: return left > right;
        case Py_GE: return left >= right;
        default: return left == right;
    }
}

// Whether `set op other`, where op is not !=. 1 or 0; -1 with an exception.
int compares(HashMap& set, PyObject* other, int op) {
    if (is_same(set, other)) return op == Py_EQ || op == Py_LE || op == Py_GE;
    Operand theirs;
    if (!theirs.read(other)) return -1;
    if (op == Py_GT || op == Py_GE) {
        Operand ours;
        const Py_ssize_t size = ours.read_map(set) ? theirs.size() : -1;
        if (size < 0) return -1;
        return sizes_allow(op, ours.size(), size)
                   ? went_to_end(theirs.for_each(ours.map(), &stop_if_absent))
                   : 0;
    }
    Items ours;
    const Py_ssize_t size = take_items(set, ours) ? theirs.size() : -1;
    if (size < 0) return -1;
    return sizes_allow(op, static_cast<Py_ssize_t>(ours.size()), size) ? all_in(ours, theirs) : 0;
}

}  // namespace

PyObject* compare_sets(HashMap& set, PyObject* other, int op) {
    const int is_set = is_any_set(other);
    if (is_set < 0) return nullptr;
    if (!is_set) Py_RETURN_NOTIMPLEMENTED;
    const int result = compares(set, other, op == Py_NE ? Py_EQ : op);
    return result < 0 ? nullptr : new_reference((result != 0) == (op != Py_NE));
}

}  // namespace cereggii::atomicdict
