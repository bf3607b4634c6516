// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

#include "cereggii/atomics/compiler.hpp"
#include "map/key.hpp"
#include "map/order.hpp"
#include "map/table.hpp"
#include "map/tuning.hpp"

// Prefetching: asking for memory before it is needed. Slots, nodes, keys and values of a large map
// are anywhere in memory, so an operation waits for one after the other. Nothing here changes what
// an operation does. A prefetch of any address is allowed, so all of it works on what may be out of
// date; but whatever is *read* to find an address must still be there, which is why nearly all of
// it is called while pinned.
namespace cereggii::atomicdict {

CEREGGII_ALWAYS_INLINE void prefetch([[maybe_unused]] const void* address) noexcept {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(address);
    // GCC takes a function that does nothing else for one without effect, and drops its calls.
    asm volatile("");
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
    _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#elif defined(_MSC_VER) && (defined(_M_ARM64) || defined(_M_ARM64EC))
    __prefetch(address);
#endif
}

// Fetches the home slot of a hash, and its group's filter, in a table that is supposed to be at
// this address, and to have this shift. Neither has to be true, nor does there have to be a table:
// only addresses are computed, so the caller need not be pinned.
CEREGGII_ALWAYS_INLINE void prefetch_supposed_home(const Table* table, std::uint32_t shift,
                                                   std::uint64_t hash) noexcept {
    const auto slots = reinterpret_cast<std::uintptr_t>(table) + sizeof(Table);
    prefetch(reinterpret_cast<const void*>(slots + Table::home(hash, shift) * sizeof(Slot)));
    const auto filter = slots + (sizeof(Slot) << (64 - shift));
    prefetch(reinterpret_cast<const void*>(filter + (hash >> shift >> group_bits) *
                                                        sizeof(Table::FilterBits)));
}

// Fetches the key and the value of a node. Only while pinned, or while no thread can change the
// map.
inline void prefetch_objects(const Node* node) noexcept {
    prefetch(key_object(node->key));
    prefetch(Node::object(node->value.load(std::memory_order_relaxed)));
}

// ── lookups of several keys ────────────────────────────────────────────────────────────────────

// How many keys are fetched ahead at a time.
inline constexpr std::size_t fetched_together = tuning::lookups_together;

// Prepares the lookups of several keys, of at most `fetched_together`. A lookup in a large map
// waits for memory three times: for the slot, for the node, and for the objects. Here each step is
// taken for all keys before the next one, so that they wait at the same time. Only while pinned.
inline void fetch_ahead(Table* root, std::span<const std::uint64_t> hashes) noexcept {
    std::array<const Node*, fetched_together> nodes;
    for (const std::uint64_t hash : hashes) prefetch(&root->slot(root->home(hash)));
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        nodes[i] = nullptr;
        const Slot fingerprint = root->fingerprint_of(hashes[i]);
        std::size_t index = root->home(hashes[i]);
        for (int left = tuning::slots_searched_ahead; left > 0;
             --left, index = (index + 1) & root->mask) {
            const Slot seen = root->slot(index).load(std::memory_order_seq_cst);
            if (same_fingerprint(seen, fingerprint)) prefetch(nodes[i] = node_of(seen));
            if (same_fingerprint(seen, fingerprint) || ends_path(seen)) break;
        }
    }
    for (const Node* node : std::span(nodes).first(hashes.size())) {
        if (!node) continue;
        // An int that is its own hash is compared by its hash, without a look at it.
        if (!(node->key & own_hash_bit)) prefetch(key_object(node->key));
        prefetch(Node::object(node->value.load(std::memory_order_relaxed)));
    }
}

// ── all keys of a table that does not change ───────────────────────────────────────────────────

// Fetches what a pass over the groups of a table, by position (order.hpp), needs next: a group some
// positions ahead, the nodes of a nearer one, and the objects of one that is nearer still.
class GroupPrefetch {
public:
    explicit GroupPrefetch(Table& table) noexcept : table_(table) {}

    // The pass is at this position.
    void at(std::uint64_t position) noexcept {
        const int bits = table_.group_number_bits();
        const std::uint64_t groups = std::uint64_t{1} << bits;
        std::size_t& farthest = coming_[(position + ahead - 1) % ahead];
        farthest = reversed((position + ahead - 1) & (groups - 1), bits);
        prefetch(&table_.slot(farthest << group_bits));
        for_each_node_at(position + tuning::group_nodes_ahead,
                         [](const Node* node) { prefetch(node); });
        for_each_node_at(position + tuning::group_objects_ahead,
                         [](const Node* node) { prefetch_objects(node); });
    }

private:
    static constexpr std::size_t ahead = tuning::groups_ahead;

    template <class Use>
    void for_each_node_at(std::uint64_t position, const Use& use) noexcept {
        const std::size_t first = coming_[position % ahead] << group_bits;
        for (std::size_t i = first; i <= (first | group_mask); ++i)
            // Relaxed: the slots do not change, and the node was complete before.
            if (const Slot seen = table_.slot(i).load(std::memory_order_relaxed); names_node(seen))
                use(node_of(seen));
    }

    Table& table_;
    // The groups at the positions to come, by position modulo `ahead`.
    std::array<std::size_t, ahead> coming_{};
};

// ── iteration ──────────────────────────────────────────────────────────────────────────────────

// Fetches the next two bundles of an iterator while the items of one are returned: with each item
// some nodes of the next bundle, and with each group of it a group of the bundle after that. (A
// processor that is asked for all of them at once waits for them.) Slots are numbered as they come
// in a bundle. Only while pinned, and in one table, whose cells are the iterator's.
class BundlePrefetch {
public:
    // Forgets the plan: what was fetched may not be what comes next.
    void reset() noexcept { fetched_ = to_fetch_ = 0; }

    // So many items are to be returned before the bundle that begins at `next_bundle`, which comes
    // before the one at `after_next`.
    void plan(Table& table, std::size_t items, std::size_t next_bundle,
              std::size_t after_next) noexcept {
        to_fetch_ = slots_per_bundle;
        slots_per_item_ = to_fetch_ / items + 1;
        fetch_index_ = next_bundle_ = next_bundle;
        after_next_ = after_next;
        fetch_group(table, after_next_, 0);
    }

    // One item is about to be returned.
    CEREGGII_ALWAYS_INLINE void step(Table& table) noexcept {
        for (const std::size_t end = std::min(fetched_ + slots_per_item_, to_fetch_);
             fetched_ < end;) {
            fetch_node(table, fetch_index_++);
            if (++fetched_ % group_size == 0) fetch_next_group(table);
        }
    }

    // The bundle that begins at this index is about to be collected: fetches what step() has not.
    void fetch_rest(Table& table, std::size_t bundle) noexcept {
        if (to_fetch_ == 0)
            for (std::size_t group = 0; group < groups_per_bundle; ++group)
                fetch_group(table, bundle, group);
        for (std::size_t group = fetched_ / group_size; group < groups_per_bundle; ++group) {
            const std::size_t index = index_of_group(table, bundle, group);
            for (std::size_t i = 0; i < group_size; ++i) fetch_node(table, index + i);
        }
    }

private:
    // The first slot of a group of a bundle. The cells of a bundle are capacity / bundle_size slots
    // apart.
    static std::size_t index_of_group(const Table& table, std::size_t bundle,
                                      std::size_t group) noexcept {
        return bundle + group / groups_per_cell * (table.capacity() / bundle_size) +
               group % groups_per_cell * group_size;
    }

    // The last group of a cell is fetched with one more, in which the cell's paths may end.
    static void fetch_group(Table& table, std::size_t bundle, std::size_t group) noexcept {
        const std::size_t index = index_of_group(table, bundle, group);
        prefetch(&table.slot(index));
        if ((group + 1) % groups_per_cell == 0)
            prefetch(&table.slot((index + group_size) & table.mask));
    }

    static void fetch_node(Table& table, std::size_t index) noexcept {
        // Relaxed: the node itself is not read.
        const Slot seen = table.slot(index).load(std::memory_order_relaxed);
        if (names_node(seen)) prefetch(node_of(seen));
    }

    CEREGGII_NEVER_INLINE void fetch_next_group(Table& table) noexcept {
        const std::size_t group = fetched_ / group_size;
        if (group == groups_per_bundle) return;
        fetch_index_ = index_of_group(table, next_bundle_, group);
        fetch_group(table, after_next_, group);
    }

    // How many slots of the next bundle have been looked at, to fetch their nodes.
    std::size_t fetched_ = 0;
    // How many of them are to be looked at in all. 0: there is no plan.
    std::size_t to_fetch_ = 0;
    // How many of them are looked at for each item.
    std::size_t slots_per_item_ = 0;
    // The index of the next one of them.
    std::size_t fetch_index_ = 0;
    // The index of the first slot of the next bundle, and of the one after it.
    std::size_t next_bundle_ = 0;
    std::size_t after_next_ = 0;
};

}  // namespace cereggii::atomicdict
