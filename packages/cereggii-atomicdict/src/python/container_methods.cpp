// SPDX-License-Identifier: Apache-2.0
#include "python/container_methods.hpp"

#include <span>

#include "map/tuning.hpp"
#include "map/update.hpp"

namespace cereggii::atomicdict {

bool prepare_for(HashMap& map, std::size_t keys) {
    if (keys <= tuning::keys_without_preparation) return true;
    const Py_ssize_t length = approximate_length(map);
    if (length < 0) return false;
    return static_cast<std::size_t>(length) >= keys || prepare(map, keys);
}

bool update_from_items(HashMap& map, Items& items) {
    if (!prepare_for(map, items.size())) return false;
    constexpr UpdateSpec set{IfAbsent::insert, IfPresent::replace, Values::any, false, true};
    Pace pace;
    return items.give_away([&](const Items::Item& item, std::span<const Items::Item> rest) {
        if (rest.size() > tuning::homes_ahead) map.prefetch_home(rest[tuning::homes_ahead].hash);
        // The hash is known, so that of the key is not called.
        const Key key{item.key_object(), item.hash, item.key};
        const UpdateResult result = KeyUpdate<set>(map, key, item.value).run();
        drop_found(result);
        return result.outcome != Outcome::error && pace.rest_for_signals();
    });
}

bool update_from_map(HashMap& map, HashMap& other) {
    if (&other == &map) return true;
    Items items;
    // In an empty map, prepare_for() makes room for all of them.
    const bool is_empty = !map.root.load(std::memory_order_relaxed);
    return take_items(other, items, is_empty ? TakenBy::table : TakenBy::position) &&
           update_from_items(map, items);
}

PyObject* set_bad_count(const char* method, Py_ssize_t most, Py_ssize_t given) {
    PyErr_Format(PyExc_TypeError, "%s expected at most %zd argument%s, got %zd", method, most,
                 most == 1 ? "" : "s", given);
    return nullptr;
}

}  // namespace cereggii::atomicdict
