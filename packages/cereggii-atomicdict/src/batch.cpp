// SPDX-License-Identifier: Apache-2.0
#include "batch.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "cereggii/atomics/python/binding.hpp"
#include "fetch_ahead.hpp"

namespace cereggii::atomicdict {

namespace {

struct Lookup {
    Key key;
    PyObject* value = nullptr;  // owned, once it is found
    bool alone = false;  // to be looked up on its own: it takes Python code, or has met a change
};

// Inside.
void find(Table* root, Lookup& lookup) noexcept {
    if (!root) {
        lookup.value = Py_NewRef(not_found);
        return;
    }
    Place place;
    for (place.start(root, lookup.key.hash);; place.advance()) {
        const Step step = walk(place, lookup.key);
        if (step == Step::end || step == Step::full) {
            lookup.value = Py_NewRef(not_found);
            return;
        }
        lookup.alone = step == Step::ask;
        if (lookup.alone) return;
        switch (take_value(place.node(), lookup.value)) {
            case Taken::value: return;
            case Taken::another: lookup.alone = true; return;
            case Taken::dead: break;
        }
    }
}

// False with an exception.
bool find_all(HashMap& map, std::vector<Lookup>& chunk) {
    {
        Session session(map);
        if (!session.ready()) return false;
        session.enter_reading();
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

bool fill_in(HashMap& map, PyObject* batch, std::size_t chunk_size) {
    // The keys at first, which stay alive: what is looked up runs Python code, which may change the
    // dict.
    const auto keys = nanobind::steal(PyDict_Keys(batch));
    if (!keys.is_valid()) return false;
    const Py_ssize_t count = PyList_GET_SIZE(keys.ptr());
    for (Py_ssize_t i = 0; i < count; ++i)
        if (!may_be_key(PyList_GET_ITEM(keys.ptr(), i))) return false;
    // A pin is short: others wait for it to free what they have deleted.
    constexpr std::size_t most = 1024;
    const auto step = static_cast<Py_ssize_t>(std::min(chunk_size, most));
    std::vector<Lookup> chunk;
    bool good = true;
    try {
        for (Py_ssize_t begin = 0; good && begin < count; begin += step) {
            chunk.assign(static_cast<std::size_t>(std::min(step, count - begin)), Lookup{});
            Py_ssize_t next = begin;
            for (Lookup& lookup : chunk) {
                good = good && make_key(PyList_GET_ITEM(keys.ptr(), next), lookup.key);
                ++next;
            }
            good = good && find_all(map, chunk);
            for (Lookup& lookup : chunk) {
                good = good && PyDict_SetItem(batch, lookup.key.object, lookup.value) == 0;
                Py_CLEAR(lookup.value);
            }
        }
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
        return false;
    }
    return good;
}

}  // namespace cereggii::atomicdict
