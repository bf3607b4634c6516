// SPDX-License-Identifier: Apache-2.0
#include "map/scan.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "cereggii/atomics/compiler.hpp"
#include "map/guard.hpp"
#include "map/lookup.hpp"
#include "map/migration.hpp"
#include "map/probe.hpp"
#include "map/tuning.hpp"

namespace cereggii::atomicdict {

namespace {

// So that threads are not in step, each starts at a distance from all others: the multiples of the
// golden ratio, modulo 1, are spread evenly, however many there are. A fraction times 2^32.
std::uint32_t start_of(std::uint32_t thread) noexcept {
    constexpr std::uint32_t golden_ratio = 0x9E3779B9u;
    return thread * golden_ratio;
}

// The hash of the node that `seen` names. False: the slot does not name the node any more. Then the
// node may be retired, and what was read may be a link.
bool hash_of(const std::atomic<Slot>& slot, Slot seen, std::uint64_t& hash) noexcept {
    // Acquire: pairs with the release in RetiredItems::set_link(). A link is written after the last
    // slot that names the node has changed, so a thread that reads a link sees that change below.
    hash = node_of(seen)->hash.load(std::memory_order_acquire);
    const Slot now = slot.load(std::memory_order_seq_cst);
    return (now & node_mask) == (seen & node_mask);
}

// Appends the nodes with this hash that some table names, each once. Only while pinned.
void find_nodes(HashMap& map, std::uint64_t hash, std::vector<Node*>& nodes) {
    for (Table* table = map.root.load(std::memory_order_seq_cst); table;
         table = table->next.load(std::memory_order_seq_cst)) {
        const Slot fingerprint = table->fingerprint_of(hash);
        Probe probe;
        for (probe.start(table, hash); probe.left > 0; probe.advance()) {
            const Slot seen = probe.slot().load(std::memory_order_seq_cst);
            if (ends_path(seen)) break;
            std::uint64_t found = 0;
            if (same_fingerprint(seen, fingerprint) && hash_of(probe.slot(), seen, found) &&
                found == hash)
                nodes.push_back(node_of(seen));
        }
    }
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
}

}  // namespace

Scan::Result Scan::next(HashMap& map, bool with_value, Item& item) {
    for (;;) {
        Unused unused;
        Guard guard(map);
        if (!guard.ready()) return Result::error;
        SpinLock lock(is_stepping_);
        bool contended = false;
        const Step result = step(map, guard, with_value, item, unused, contended);
        bool gives_way = false;
        if (contended) [[unlikely]]
            gives_way = pace_.is_to_stand_back(done_before_ + done_);
        ResizeRequest request;
        bool is_pause_due = false;
        if (pace_.has_collected()) [[unlikely]] {
            request = std::exchange(request_, ResizeRequest());
            is_pause_due = pace_.is_pause_due();
        }
        lock.unlock();  // from here on, finalizers may run
        if (gives_way) [[unlikely]] {
            guard.unpin();
            stand_back();
        }
        if (request.is_due()) [[unlikely]] {
            guard.unpin();
            maybe_resize(map, request, MigrationWork::all_without_waiting);
        }
        // A native loop that calls next(), as list() does, lets no thread stop the world itself.
        if (is_pause_due) [[unlikely]] {
            guard.unpin();
            pause();
        }
        if (result == Step::item) [[likely]]
            return Result::item;
        if (result == Step::end) return Result::end;
        if (result == Step::no_memory) {
            PyErr_NoMemory();
            return Result::error;
        }
    }
}

Scan::Step Scan::step(HashMap& map, Guard& guard, bool with_value, Item& item, Unused& unused,
                      bool& contended) {
    bool taking = false;
    int in_vain = 0;
    try {
        for (;;) {
            if (!same_hash_.empty()) {
                item = same_hash_.back();
                same_hash_.pop_back();
                return Step::item;
            }
            guard.pin_reading();
            taking = done_ < entries_.size();
            if (!taking) {
                if (at_end_) return Step::end;
                collect(map, guard);
                guard.unpin();
                // Where nothing is found for long, the other threads get the lock in between.
                if (entries_.empty() && !at_end_ && ++in_vain % tuning::collects_per_step == 0)
                    return Step::restart;
                continue;
            }
            const Entry& entry = entries_[done_++];
            const Take take = take_from_root(map, entry, with_value, item, unused, contended);
            if (take == Take::item) [[likely]]
                return Step::item;
            // Lost to an update of the value: take the same entry again.
            if (take == Take::restart ||
                (take == Take::elsewhere &&
                 !take_all_with(map, order_in_bundle(entry.order, cursor_.bits_in_bundle()),
                                unused))) {
                --done_;
                return Step::restart;
            }
            // The key was deleted, or what has its hash is in same_hash_.
            guard.unpin();
        }
    } catch (const std::bad_alloc&) {
        guard.unpin();
        // As it was before, for another try.
        if (taking)
            --done_;
        else
            entries_.clear();
        return Step::no_memory;
    }
}

Scan Scan::copy() {
    const SpinLock lock(is_stepping_);
    Scan copied(*this);
    copied.request_ = ResizeRequest();
    for (const Item& item : copied.same_hash_) {
        Py_INCREF(item.key);
        Py_XINCREF(item.value);
    }
    return copied;
}

std::size_t Scan::left_of(std::size_t length) {
    const SpinLock lock(is_stepping_);
    const std::size_t held = same_hash_.size();
    if (at_end_ && done_ == entries_.size()) return held;
    const std::size_t all = cursor_.part().expected_of(length) + held;
    return all - std::min(all, done_before_ + done_ + beyond_);
}

std::size_t Scan::memory() {
    const SpinLock lock(is_stepping_);
    return entries_.capacity() * sizeof(Entry) + same_hash_.capacity() * sizeof(Item);
}

// ── collecting ─────────────────────────────────────────────────────────────────────────────────

// Notes the hashes of the next cells that are in the root or in a table behind it. Only while
// pinned.
//
// Why no key is missed that is in the map throughout: when the root is loaded here, some table of
// the chain names its node. That slot goes on naming it, as NODE, MOVING or MOVED, and the table
// can be reached from this root, since links never change. So the loop along the chain reaches it.
CEREGGII_NEVER_INLINE void Scan::collect(HashMap& map, const Guard& guard) {
    pace_.note_collected();
    done_before_ += std::exchange(done_, 0);
    entries_.clear();
    Table* root = map.root.load(std::memory_order_seq_cst);
    if (!root) {
        at_end_ = true;
        return;
    }
    const Table* largest = root;
    for (Table* table = root; table; table = table->next.load(std::memory_order_seq_cst))
        if (table->mask > largest->mask) largest = table;
    if (!cursor_.has_begun())
        cursor_.begin(*largest, start_ == Start::first ? 0 : start_of(guard.thread()));
    if (std::exchange(generation_, root->generation) != root->generation) bundles_ahead_.reset();
    // A key that is in the map throughout is in the root if the root has no next table, and a group
    // of the root was marked before the key was put there.
    const Table* only = nullptr;
    if (!root->next.load(std::memory_order_seq_cst)) {
        if (!root->has_homes.load(std::memory_order_seq_cst)) {
            at_end_ = true;
            return;
        }
        if (level_of(*root) == cursor_.level() && cursor_.level() > 0) only = root;
    }
    if (!root->next.load(std::memory_order_seq_cst) &&
        root->group_number_bits() < cursor_.level() &&
        root->capacity() <= tuning::slots_collected_at_once &&
        root->capacity() < cursor_.where().bundles_left * bundle_size) {
        collect_rest(root);
        return;
    }
    if (only && cursor_.is_at_bundle()) {
        const std::size_t skipped = cursor_.skip_empty_bundles(*only);
        looks_ += skipped;
        if (skipped > 0) bundles_ahead_.reset();
        if (cursor_.is_at_end()) {
            at_end_ = true;
            return;
        }
    }
    if (level_of(*root) == cursor_.level() && cursor_.level() > bundle_bits &&
        cursor_.is_at_bundle())
        bundles_ahead_.fetch_rest(*root, cursor_.bundle_index());
    const ScanCursor::Where before = cursor_.where();
    const std::size_t looks = looks_;
    const ScanCursor::Cells next = cursor_.next_cells(*largest, only);
    try {
        // `next` of a table is read after its slots: what is moved on meanwhile is seen in the one
        // table or in the other.
        for (Table* table = root; table; table = table->next.load(std::memory_order_seq_cst)) {
            if (table->mask > largest->mask) {
                // A larger table was appended meanwhile: collect fewer cells at a time.
                cursor_.go_back_to(before);
                entries_.clear();
                bundles_ahead_.reset();
                return;
            }
            for (std::size_t i = 0; i < next.count; ++i)
                scan_cell(table, table == root, next.cells[i]);
        }
    } catch (const std::bad_alloc&) {
        cursor_.go_back_to(before);  // for another try
        throw;
    }
    at_end_ = cursor_.is_at_end();
    if (!entries_.empty()) sort();
    if (only) note_looks(*root, looks_ - looks, entries_.size(), request_);
    for (std::size_t i = 0; i < std::min(tuning::scan_items_ahead, entries_.size()); ++i) {
        prefetch(entries_[i].key);
        prefetch(entries_[i].value);
    }
    plan_prefetch(root);
}

void Scan::plan_prefetch(Table* root) noexcept {
    bundles_ahead_.reset();
    // Where there are no entries there are few in the next bundle.
    if (at_end_ || !cursor_.is_at_bundle() || cursor_.level() <= bundle_bits ||
        level_of(*root) != cursor_.level() || entries_.empty())
        return;
    bundles_ahead_.plan(*root, entries_.size(), cursor_.bundle_index(),
                        cursor_.next_bundle_index());
}

// Notes all hashes that are left, from the map's only table, which is much smaller than those that
// the scan began with. A key that is in the map throughout is in it. Only while pinned.
void Scan::collect_rest(Table* root) {
    for (std::size_t i = 0; i < root->capacity(); ++i) {
        const std::atomic<Slot>& slot = root->slot(i);
        const Slot seen = slot.load(std::memory_order_seq_cst);
        ++looks_;
        std::uint64_t hash = 0;
        if (!names_node(seen) || !hash_of(slot, seen, hash) || !cursor_.is_left(hash)) continue;
        entries_.push_back(
            {order_in_bundle(hash, cursor_.bits_in_bundle()), seen, elsewhere, nullptr, nullptr});
    }
    at_end_ = true;
    cursor_.go_to_end();
    if (!entries_.empty()) sort();
}

// Notes the hashes of a cell that are in this table. Only while pinned.
void Scan::scan_cell(Table* table, bool is_root, const ScanCursor::Cell& cell) {
    const HashRange& hashes = cell.hashes;
    const std::uint64_t width = hashes.last - hashes.first;
    // All hashes of a cell have the same bits where order_in_bundle() changes any.
    const std::uint64_t to_order =
        hashes.first ^ order_in_bundle(hashes.first, cursor_.bits_in_bundle());
    const std::size_t group_number_mask = table->capacity() / group_size - 1;
    const std::size_t first = table->group_begin(hashes.first);
    const std::size_t last = table->group_begin(hashes.last) | group_mask;
    const std::size_t groups_after_first = (last - first) / group_size;
    // Past the cell's end it goes on until a slot that ends each path, around the end of the table.
    std::size_t i = first;
    for (; i <= first + table->mask; ++i) {
        const std::size_t index = i & table->mask;
        const std::atomic<Slot>& slot = table->slot(index);
        const Slot seen = slot.load(std::memory_order_seq_cst);
        if (!names_node(seen)) {
            if (i > last && ends_path(seen)) break;
            continue;
        }
        // As a rule the slot tells the home group of its key, so the node need not be read.
        if (const Slot distance = probe_distance(seen); distance != saturated) {
            const std::size_t home = ((i - first) / group_size - distance) & group_number_mask;
            if (home > groups_after_first) continue;
        }
        std::uint64_t hash = 0;
        if (!hash_of(slot, seen, hash) || hash - hashes.first > width) continue;
        if (cell.is_cut && !cursor_.part().has(hash)) continue;
        const Node* node = node_of(seen);
        entries_.push_back({hash ^ to_order, seen, is_root ? index : elsewhere,
                            key_object(node->key),
                            Node::object(node->value.load(std::memory_order_relaxed))});
    }
    looks_ += std::min(i - first + 1, table->capacity());
}

// Puts the entries in order, and leaves one for each hash. Entries of one table are nearly in
// order, since few keys are far from home.
void Scan::sort() {
    const auto begin = entries_.begin();
    if (entries_.size() > slots_per_bundle || entries_.back().index == elsewhere) {
        std::sort(begin, entries_.end(),
                  [](const Entry& a, const Entry& b) { return a.order < b.order; });
    } else {
        for (std::size_t i = 1; i < entries_.size(); ++i) {
            if (entries_[i - 1].order <= entries_[i].order) [[likely]]
                continue;
            const Entry entry = entries_[i];
            std::size_t at = i;
            for (; at > 0 && entry.order < entries_[at - 1].order; --at)
                entries_[at] = entries_[at - 1];
            entries_[at] = entry;
        }
    }
    const auto same_hash = [](const Entry& a, const Entry& b) { return a.order == b.order; };
    auto kept = std::adjacent_find(begin, entries_.end(), same_hash);
    if (kept == entries_.end()) return;
    for (auto entry = kept + 1; entry != entries_.end(); ++entry) {
        if (same_hash(*kept, *entry))
            kept->index = elsewhere;
        else
            *++kept = *entry;
    }
    entries_.erase(kept + 1, entries_.end());
}

// ── taking ─────────────────────────────────────────────────────────────────────────────────────

// Fetches a key and a value that are returned a little later, and what the next bundles need.
CEREGGII_ALWAYS_INLINE void Scan::prefetch_later_items(Table* root) noexcept {
    if (const std::size_t soon = done_ - 1 + tuning::scan_items_ahead; soon < entries_.size()) {
        prefetch(entries_[soon].key);
        prefetch(entries_[soon].value);
    }
    bundles_ahead_.step(*root);
}

// Takes the item of an entry, if its node is where it was. Only while pinned.
CEREGGII_ALWAYS_INLINE Scan::Take Scan::take_from_root(HashMap& map, const Entry& entry,
                                                       bool with_value, Item& item, Unused& unused,
                                                       bool& contended) {
    Table* root = map.root.load(std::memory_order_seq_cst);
    if (!root || root->generation != generation_ || entry.index == elsewhere)
        return Take::elsewhere;  // the root was replaced, or the entry was not in it
    prefetch_later_items(root);
    const Slot now = root->slot(entry.index).load(std::memory_order_seq_cst);
    if ((now & node_mask) != (entry.seen & node_mask))
        return Take::elsewhere;  // TOMB: the key was deleted, and may have been inserted again
    const Node* node = node_of(entry.seen);
    PyObject* value = nullptr;
    if (with_value) {
        const Taken taken = take_value(node, value, &contended);
        if (taken == Taken::dead) return Take::dead;
        if (taken == Taken::another) {
            unused.value = value;
            return Take::restart;
        }
    } else if (!Node::has_value(node->value.load(std::memory_order_seq_cst))) {
        return Take::dead;
    }
    PyObject* key = key_object(node->key);
    Py_INCREF(key);
    item = {key, value};
    return Take::item;
}

// Takes all items with this hash, in whichever tables they are by now. False: lost to an update of
// a value, so another try is due. Only while pinned.
CEREGGII_NEVER_INLINE bool Scan::take_all_with(HashMap& map, std::uint64_t hash, Unused& unused) {
    std::vector<Node*> nodes;
    find_nodes(map, hash, nodes);
    same_hash_.reserve(nodes.size());
    // The values are read after all nodes were found: a key that was deleted and inserted again
    // meanwhile has two nodes, one of which is dead by now.
    for (const Node* node : nodes) {
        Item item;
        const Taken taken = take_value(node, item.value);
        if (taken == Taken::dead) continue;
        if (taken == Taken::another) {
            unused.value = item.value;
            unused.items.swap(same_hash_);
            return false;
        }
        item.key = Py_NewRef(key_object(node->key));
        same_hash_.push_back(item);
    }
    if (!same_hash_.empty()) beyond_ += same_hash_.size() - 1;
    return true;
}

int Scan::traverse(visitproc visit, void* arg) const {
    for (const Item& item : same_hash_) {
        Py_VISIT(item.key);
        Py_VISIT(item.value);
    }
    return 0;
}

}  // namespace cereggii::atomicdict
