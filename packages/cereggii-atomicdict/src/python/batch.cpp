// SPDX-License-Identifier: Apache-2.0
#include "python/batch.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/instances.hpp"
#include "map/pauses.hpp"
#include "map/prefetch.hpp"
#include "map/tuning.hpp"
#include "python/iterables.hpp"

namespace cereggii::atomicdict {

namespace {

struct BatchLookup {
    Key key;                    // The key to look up.
    PyObject* value = nullptr;  // The value or NOT_FOUND, owned; null until it is known.
    // The key is to be looked up on its own, because that takes Python code, or because another
    // thread changed the value in the meantime.
    bool alone = false;
};

// Looks up one key without Python code. Only while pinned.
void find(Table* root, BatchLookup& lookup) noexcept {
    if (!root) {
        lookup.value = Py_NewRef(not_found);
        return;
    }
    Probe probe;
    for (probe.start(root, lookup.key.hash);; probe.advance()) {
        const ProbeResult probed = find_key(probe, lookup.key);
        if (probed == ProbeResult::end || probed == ProbeResult::full) {
            lookup.value = Py_NewRef(not_found);
            return;
        }
        lookup.alone = probed == ProbeResult::needs_eq;
        if (lookup.alone) return;
        switch (take_value(probe.node(), lookup.value)) {
            case Taken::value: return;
            // Lost to a concurrent update or deletion: look the key up again, on its own.
            case Taken::another: lookup.alone = true; return;
            // The key is further on in the path, or absent.
            case Taken::dead: break;
        }
    }
}

// Looks up all keys of a chunk: first as many as possible under one pin, then the others one by
// one. False with an exception.
bool find_all(HashMap& map, std::vector<BatchLookup>& chunk) {
    {
        Guard guard(map);
        if (!guard.ready()) return false;
        guard.pin_reading();
        Table* root = map.root.load(std::memory_order_seq_cst);
        for (std::size_t begin = 0; begin < chunk.size(); begin += fetched_together) {
            const auto together =
                std::span(chunk).subspan(begin, std::min(fetched_together, chunk.size() - begin));
            if (root) {
                std::array<std::uint64_t, fetched_together> hashes;
                std::ranges::transform(together, hashes.begin(),
                                       [](const BatchLookup& lookup) { return lookup.key.hash; });
                fetch_ahead(root, std::span(hashes).first(together.size()));
            }
            for (BatchLookup& lookup : together) find(root, lookup);
        }
    }
    for (BatchLookup& lookup : chunk) {
        if (!lookup.alone) continue;
        Py_CLEAR(lookup.value);
        const Found found = look_up<true>(map, lookup.key, lookup.value);
        if (found == Found::error) return false;
        if (found == Found::absent) lookup.value = Py_NewRef(not_found);
    }
    return true;
}

// Looks up the keys of some items of `batch`, and stores their values in `batch`. `chunk` is only
// memory to work in. False with an exception.
bool fill_in_chunk(HashMap& map, PyObject* batch, std::span<const DictItems::Item> items,
                   std::vector<BatchLookup>& chunk) {
    chunk.assign(items.size(), BatchLookup{});
    bool ok = true;
    for (std::size_t i = 0; ok && i < items.size(); ++i) ok = make_key(items[i].key, chunk[i].key);
    ok = ok && find_all(map, chunk);
    for (BatchLookup& lookup : chunk) {
        ok = ok && PyDict_SetItem(batch, lookup.key.object, lookup.value) == 0;
        Py_CLEAR(lookup.value);
    }
    return ok;
}

}  // namespace

bool fill_in(HashMap& map, PyObject* batch, std::size_t chunk_size) {
    // A chunk is bounded, so that a pin is short: while a thread is pinned, what other threads have
    // deleted cannot be freed.
    const std::size_t step = std::min(chunk_size, tuning::lookups_per_pin);
    for (PyObject& sentinel : sentinels) {
        const int found = PyDict_Contains(batch, &sentinel);
        if (found != 0) return found > 0 && may_be_key(&sentinel);
    }
    try {
        DictItems items(batch);
        std::vector<BatchLookup> chunk;
        Pace pace(tuning::chunks_between_looks);
        for (;;) {
            const DictItems::Result result = items.next();
            if (result != DictItems::Result::block) return result == DictItems::Result::end;
            for (auto rest = items.block(); !rest.empty(); rest = rest.subspan(chunk.size()))
                if (!fill_in_chunk(map, batch, rest.first(std::min(step, rest.size())), chunk) ||
                    !pace.rest_for_signals())
                    return false;
        }
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

}  // namespace cereggii::atomicdict
