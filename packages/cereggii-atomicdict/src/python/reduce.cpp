// SPDX-License-Identifier: Apache-2.0
#include "python/reduce.hpp"

#include "python/aggregates.hpp"
#include "python/aggregation_table.hpp"
#include "python/inputs.hpp"
#include "python/iterables.hpp"
#include "python/mapping_methods.hpp"

namespace cereggii::atomicdict {

namespace {

// Calls `take_all(table)`, which reads the inputs into the table. Then puts everything that is in
// the table into the dict, even if reading has failed.
template <class Operation, class TakeAll>
bool aggregate(HashMap& map, const Operation& operation, PyObject* inputs,
               const TakeAll& take_all) {
    AggregationTable<Operation> table(map, operation);
    const Py_ssize_t hint = PyObject_LengthHint(inputs, 0);
    if (hint < 0 || !table.allocate(hint)) return false;
    const bool taken = take_all(table);
    return table.finish() && taken;
}

template <class Operation>
bool aggregate_pairs(HashMap& map, const Operation& operation, PyObject* pairs) {
    return aggregate(map, operation, pairs, [pairs](auto& table) {
        return for_each_item(
            pairs, [&table](PyObject* key, PyObject* value) { return table.take(key, value); });
    });
}

}  // namespace

bool reduce_by_call(HashMap& map, PyObject* pairs, PyObject* fn) {
    return aggregate_pairs(map, CallOperation{fn}, pairs);
}

bool reduce_by(HashMap& map, PyObject* pairs, Reduction reduction) {
    switch (reduction) {
        case Reduction::sum: return aggregate_pairs(map, SumOperation{}, pairs);
        case Reduction::all_true: return aggregate_pairs(map, TruthOperation<false>{}, pairs);
        case Reduction::any_true: return aggregate_pairs(map, TruthOperation<true>{}, pairs);
        case Reduction::maximum: return aggregate_pairs(map, ExtremeOperation<Py_GT>{}, pairs);
        case Reduction::minimum: return aggregate_pairs(map, ExtremeOperation<Py_LT>{}, pairs);
        case Reduction::list: return aggregate_pairs(map, ListOperation{}, pairs);
    }
    return false;
}

bool reduce_count(HashMap& map, PyObject* keys_or_mapping) {
    if (find_map<AtomicDict>(keys_or_mapping))
        return aggregate_pairs(map, SumOperation{}, keys_or_mapping);
    // A mapping is copied to a dict that no other thread has.
    if (const auto counts = nanobind::steal(as_dict(keys_or_mapping)); counts.is_valid())
        return aggregate(map, SumOperation{}, counts.ptr(), [&counts](auto& table) {
            return DictItems::for_each(counts.ptr(), [&table](const DictItems::Item& item) {
                return table.take(item.key, item.value);
            });
        });
    if (PyErr_Occurred()) return false;
    return aggregate(map, SumOperation{}, keys_or_mapping, [keys_or_mapping](auto& table) {
        return for_each(keys_or_mapping,
                        [&table](PyObject* key, Py_ssize_t) { return table.take_one(key); });
    });
}

}  // namespace cereggii::atomicdict
