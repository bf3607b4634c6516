// SPDX-License-Identifier: Apache-2.0
#include "map/popitem.hpp"

#include "map/exact.hpp"
#include "map/guard.hpp"
#include "map/migration.hpp"
#include "map/order.hpp"
#include "map/pauses.hpp"
#include "map/probe.hpp"
#include "map/traversal.hpp"
#include "map/tuning.hpp"

// popitem() goes through the homes of keys, in the order of positions, from where the last call has
// stopped (HashMap::popitem_cursor). It takes the first node that is alive, by the same
// compare-and-swap as a deletion.
//
// A pass that finds nothing does not prove that the map is empty: keys may have been inserted
// behind it while others before it were deleted. So the exact length decides, and another pass
// begins if there are keys.
namespace cereggii::atomicdict {

namespace {

// Takes a node out of the map, whichever tables name it. False: it is dead already. Only while
// pinned.
bool pop_node(HashMap& map, Guard& guard, const Probe& probe, const Table* root,
              ResizeRequest& request, Popped& item) {
    Node* node = probe.node();
    // Acquire: pairs with the release in RetiredItems::set_link(). If this is a link, the load of
    // the value below comes after the node died, and finds it dead.
    const std::uint64_t hash = node->hash.load(std::memory_order_acquire);
    std::uintptr_t value = node->value.load(std::memory_order_seq_cst);
    while (!Node::is_dead(value)) {
        if (!node->value.compare_exchange_strong(value, Node::dead, std::memory_order_seq_cst))
            continue;  // lost to an update or a deletion: look at the value again
        item = {Py_NewRef(key_object(node->key)), Node::object(value)};
        // The node was alive until now, so the hash is not a link.
        unlink_and_retire(map, guard, probe, hash, root, request);
        return true;
    }
    return false;
}

enum class Pop {
    item,
    none_found,  // a pass through all groups is complete
    unfinished,  // there are more groups, but not under this pin
};

// Takes the first item that it finds. `looked_at` is the number of groups in which this call of
// popitem() has found nothing so far. Only while pinned.
Pop pop_any(HashMap& map, Guard& guard, ResizeRequest& request, std::uint64_t& looked_at,
            Popped& item) {
    Table* root = map.root.load(std::memory_order_seq_cst);
    // The count is seldom wrong, and then the exact length tells.
    if (!root || root->count->live() <= 0) return Pop::none_found;
    request.migrating = root->next.load(std::memory_order_seq_cst) != nullptr;
    const std::uint64_t begin = map.popitem_cursor.load(std::memory_order_relaxed);
    std::uint64_t position = begin;
    bool popped = false;
    for (Table* table = root; table && !popped;
         table = table->next.load(std::memory_order_seq_cst)) {
        std::uint64_t groups = 0;
        for_each_home(*table, position, [&](std::size_t group) {
            for_each_on_paths(*table, group, [&](std::size_t index, Slot seen) {
                // Only keys that are at home here, so that they come out spread. (If the node is
                // dead already, home_group() may be wrong, and pop_node() finds it dead.)
                if (table->home_group(index, seen) != group) return true;
                Probe probe;
                probe.table = table;
                probe.index = index;
                probe.seen = seen;
                popped = pop_node(map, guard, probe, root, request, item);
                return !popped;
            });
            ++groups;
            return !popped && (request.migrating || groups < tuning::popitem_groups_per_pin);
        });
        if (request.migrating) continue;
        note_looks(*table, groups << group_bits, 1, request);
        looked_at += groups;
    }
    // Written only if it changes, since other threads read it. Relaxed: only a hint.
    if (position != begin) map.popitem_cursor.store(position, std::memory_order_relaxed);
    if (popped) return Pop::item;
    return request.migrating || looked_at >= root->capacity() >> group_bits ? Pop::none_found
                                                                            : Pop::unfinished;
}

}  // namespace

PopResult pop_item(HashMap& map, Popped& item) {
    std::uint64_t looked_at = 0;
    for (;;) {
        Pop pop = Pop::none_found;
        {
            Guard guard(map);
            if (!guard.ready()) return PopResult::error;
            ResizeRequest request;
            guard.pin_writing();
            pop = pop_any(map, guard, request, looked_at, item);
            guard.unpin();
            if (pop == Pop::item && request.is_due()) maybe_resize(map, request);
        }
        if (pop == Pop::item) return PopResult::item;
        if (pop == Pop::unfinished) {
            pause();
            continue;
        }
        looked_at = 0;
        // Keys may have been missed: another thread has inserted them behind this pass.
        const Py_ssize_t length = exact_length(map);
        if (length <= 0) return length < 0 ? PopResult::error : PopResult::empty;
    }
}

}  // namespace cereggii::atomicdict
