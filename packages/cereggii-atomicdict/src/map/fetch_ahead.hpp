// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "map/guard.hpp"
#include "map/probe.hpp"

namespace cereggii::atomicdict {

// How many keys are fetched ahead at a time.
inline constexpr std::size_t fetched_together = 64;

// A lookup in a large map waits for memory three times: for the slot, for the node, and for the
// objects. Of several keys that are about to be looked up each step is taken together, so that they
// wait at the same time. Only while pinned.
inline void fetch_ahead(Table* root, std::span<const std::uint64_t> hashes) noexcept {
    std::array<const Node*, fetched_together> nodes;
    for (const std::uint64_t hash : hashes) prefetch(&root->slot(root->home(hash)));
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        nodes[i] = nullptr;
        const Slot fingerprint = root->fingerprint_of(hashes[i]);
        std::size_t index = root->home(hashes[i]);
        // The key is in the first few slots, as a rule.
        for (int left = 8; left > 0; --left, index = (index + 1) & root->mask) {
            const Slot seen = root->slot(index).load(std::memory_order_seq_cst);
            if (same_fingerprint(seen, fingerprint)) prefetch(nodes[i] = node_of(seen));
            if (same_fingerprint(seen, fingerprint) || ends_path(seen)) break;
        }
    }
    for (const Node* node : std::span(nodes).first(hashes.size())) {
        if (!node) continue;
        if (!(node->key & own_hash_bit)) prefetch(key_object(node->key));
        prefetch(Node::object(node->value.load(std::memory_order_relaxed)));
    }
}

}  // namespace cereggii::atomicdict
