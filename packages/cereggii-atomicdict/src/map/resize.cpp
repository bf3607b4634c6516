// SPDX-License-Identifier: Apache-2.0
#include "map/resize.hpp"

#include <algorithm>
#include <climits>

#include "map/guard.hpp"
#include "map/migration.hpp"
#include "map/pauses.hpp"
#include "map/zeroed_memory.hpp"

// A table is published by one compare-and-swap: of the map's root, or of `next` of the last table.
// A thread that loses uses the winner's table and frees its own. Memory is allocated while not
// pinned, so the last table is looked for twice: to know its size, and to append to it. It is named
// by its generation in between.
namespace cereggii::atomicdict {

bool append_table(HashMap& map, std::uint64_t generation, AppendReason reason,
                  std::size_t capacity) {
    Guard guard(map);
    // The last table of the chain, if it is the one with this generation.
    const auto find = [&](Table*& root) -> Table* {
        Table* last = root = map.root.load(std::memory_order_seq_cst);
        if (!last) return nullptr;
        while (Table* next = last->next.load(std::memory_order_seq_cst)) last = next;
        return last->generation == generation ? last : nullptr;
    };
    Table* root = nullptr;
    guard.pin_reading();
    const Table* last = find(root);
    if (last) {
        capacity = std::max({capacity, Table::roomy_capacity_for(last->count->live() + 1),
                             map.min_capacity.load(std::memory_order_relaxed)});
        // See tuning::small_table_slots.
        if (last->is_crowded() && capacity <= Table::small) capacity *= 2;
        if (last != root) {
            // The root is still being emptied, maybe by a thread that is asleep. No third table is
            // appended to shrink, and each one that is required is larger than the one before it,
            // so the chain does not get long.
            if (reason == AppendReason::advised && !last->is_crowded())
                last = nullptr;
            else
                capacity = std::max(capacity, last->capacity() * 2);
        }
    }
    guard.unpin();
    if (!last) return true;
    Table* fresh = Table::allocate(capacity);
    if (!fresh) return false;
    guard.pin_reading();
    Table* probe = find(root);
    bool published = false;
    if (probe) {
        fresh->count_in(probe->count);
        Table* none = nullptr;
        published = probe->next.compare_exchange_strong(none, fresh, std::memory_order_seq_cst);
    }
    guard.unpin();
    // Lost to another thread, whose table does as well; or the map was cleared meanwhile.
    if (!published) Table::deallocate(fresh);
    return true;
}

bool make_root(HashMap& map, std::size_t capacity) {
    capacity = std::max(capacity, map.min_capacity.load(std::memory_order_relaxed));
    LiveCount* count = LiveCount::allocate();
    Table* fresh = count ? Table::allocate(capacity) : nullptr;
    if (!fresh) {
        LiveCount::deallocate(count);
        return false;
    }
    fresh->count_in(count);
    Guard guard(map);
    guard.pin_reading();
    Table* none = nullptr;
    const bool published = map.root.compare_exchange_strong(none, fresh, std::memory_order_seq_cst);
    if (published) map.note_root();
    guard.unpin();
    if (!published) {  // lost to another thread, whose table does as well
        Table::deallocate(fresh);
        LiveCount::deallocate(count);
    }
    return true;
}

namespace {

// Raises the minimum to this capacity. False if it was smaller: a table that was made meanwhile may
// be smaller, too.
bool raise_min_capacity(std::atomic<std::size_t>& min_capacity, std::size_t capacity) noexcept {
    std::size_t current = min_capacity.load(std::memory_order_seq_cst);
    while (current < capacity)
        // Lost to another thread: look whether its minimum is enough.
        if (min_capacity.compare_exchange_weak(current, capacity, std::memory_order_seq_cst))
            return false;
    return true;
}

enum class MinCapacity { raised, unchanged };

// Touches the huge pages of the next table, one under each pin. The system fills a page of fresh
// memory with zeros when it is touched first. A migrator that puts the keys of one chunk all over a
// large table would wait for many pages under one pin.
void touch_pages(HashMap& map) {
#if defined(MADV_HUGEPAGE)
    Guard guard(map);
    Pace pace(1);
    for (std::size_t at = 0;; at += huge_page / sizeof(Slot)) {
        guard.pin_reading();
        Table* root = map.root.load(std::memory_order_seq_cst);
        Table* next = root ? root->next.load(std::memory_order_seq_cst) : nullptr;
        const bool goes_on = next && at < next->capacity();
        // A write that changes nothing. Relaxed: it publishes nothing.
        if (goes_on) next->slot(at).fetch_or(0, std::memory_order_relaxed);
        guard.unpin();
        if (!goes_on) return;
        pace.rest();
    }
#else
    static_cast<void>(map);
#endif
}

bool make_room(HashMap& map, std::size_t keys, MinCapacity min_capacity) {
    const std::size_t capacity = Table::capacity_for(keys);
    {
        Guard guard(map);
        if (!guard.ready()) return false;
        if (capacity == 0) {
            PyErr_NoMemory();
            return false;
        }
        for (;;) {
            guard.pin_reading();
            Table* last = map.root.load(std::memory_order_seq_cst);
            while (last && last->next.load(std::memory_order_seq_cst))
                last = last->next.load(std::memory_order_seq_cst);
            const std::uint64_t generation = last ? last->generation : 0;
            const bool enough = last && last->capacity() >= capacity;
            guard.unpin();
            // The minimum is raised when there is a table of this size, not before: until then
            // others ask for no more memory than they need. After that the chain is looked at once
            // more, since a table that was appended before may be smaller.
            if (enough && (min_capacity == MinCapacity::unchanged ||
                           raise_min_capacity(map.min_capacity, capacity)))
                break;
            if (!enough &&
                !(generation != 0 ? append_table(map, generation, AppendReason::required, capacity)
                                  : make_root(map, capacity))) {
                PyErr_NoMemory();
                return false;
            }
        }
    }
    touch_pages(map);
    empty_root(map, INT_MAX);
    return true;
}

}  // namespace

bool reserve(HashMap& map, std::size_t keys) { return make_room(map, keys, MinCapacity::raised); }

bool prepare(HashMap& map, std::size_t keys) {
    return make_room(map, keys, MinCapacity::unchanged);
}

}  // namespace cereggii::atomicdict
