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
#include "map/fetch_ahead.hpp"
#include "map/pauses.hpp"
#include "python/iterables.hpp"

namespace cereggii::atomicdict {

namespace {

struct Lookup {
    Key key;
    PyObject* value = nullptr;  // owned, once it is found
    bool alone = false;  // to be looked up on its own: it takes Python code, or has met a change
};

// Pinned.
void find(Table* root, Lookup& lookup) noexcept {
    if (!root) {
        lookup.value = Py_NewRef(not_found);
        return;
    }
    Probe probe;
    for (probe.start(root, lookup.key.hash);; probe.advance()) {
        const ProbeResult probed = probe.find(lookup.key);
        if (probed == ProbeResult::end || probed == ProbeResult::full) {
            lookup.value = Py_NewRef(not_found);
            return;
        }
        lookup.alone = probed == ProbeResult::needs_eq;
        if (lookup.alone) return;
        switch (take_value(probe.node(), lookup.value)) {
            case Taken::value: return;
            case Taken::another: lookup.alone = true; return;
            case Taken::dead: break;
        }
    }
}

// False with an exception.
bool find_all(HashMap& map, std::vector<Lookup>& chunk) {
    {
        Guard guard(map);
        if (!guard.ready()) return false;
        guard.pin_reading();
        Table* root = map.root.load(std::memory_order_seq_cst);
        for (std::size_t begin = 0; begin < chunk.size(); begin += fetched_together) {
            const auto group =
                std::span(chunk).subspan(begin, std::min(fetched_together, chunk.size() - begin));
            if (root) {
                std::array<std::uint64_t, fetched_together> hashes;
                std::ranges::transform(group, hashes.begin(),
                                       [](const Lookup& lookup) { return lookup.key.hash; });
                fetch_ahead(root, std::span(hashes).first(group.size()));
            }
            for (Lookup& lookup : group) find(root, lookup);
        }
    }
    for (Lookup& lookup : chunk) {
        if (!lookup.alone) continue;
        Py_CLEAR(lookup.value);
        const Found found = look_up<true>(map, lookup.key, lookup.value);
        if (found == Found::error) return false;
        if (found == Found::absent) lookup.value = Py_NewRef(not_found);
    }
    return true;
}

}  // namespace

namespace {

bool fill_in_chunk(HashMap& map, PyObject* batch, std::span<const DictItems::Item> items,
                   std::vector<Lookup>& chunk) {
    chunk.assign(items.size(), Lookup{});
    bool ok = true;
    for (std::size_t i = 0; ok && i < items.size(); ++i) ok = make_key(items[i].key, chunk[i].key);
    ok = ok && find_all(map, chunk);
    for (Lookup& lookup : chunk) {
        ok = ok && PyDict_SetItem(batch, lookup.key.object, lookup.value) == 0;
        Py_CLEAR(lookup.value);
    }
    return ok;
}

}  // namespace

bool fill_in(HashMap& map, PyObject* batch, std::size_t chunk_size) {
    // A pin is short: others wait for it to free what they have deleted.
    constexpr std::size_t most = 1024;
    const std::size_t step = std::min(chunk_size, most);
    for (PyObject& sentinel : sentinels) {
        const int found = PyDict_Contains(batch, &sentinel);
        if (found != 0) return found > 0 && may_be_key(&sentinel);
    }
    try {
        DictItems items(batch);
        std::vector<Lookup> chunk;
        Pace pace(4);
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
