// SPDX-License-Identifier: Apache-2.0
#include "map/scan.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "cereggii/atomics/relax.hpp"
#include "map/guard.hpp"
#include "map/lookup.hpp"
#include "map/migration.hpp"

namespace cereggii::atomicdict {

namespace {

constexpr std::uint64_t group_size = group_mask + 1;
constexpr std::size_t slots_per_cell = group_size << cell_group_bits;
constexpr std::size_t groups_per_cell = std::size_t{1} << cell_group_bits;
constexpr std::size_t groups_per_bundle = bundle_size * groups_per_cell;
constexpr std::size_t words_per_bundle = bundle_size * slots_per_cell;

// The level of an iterator's cells in this table.
int level_of(const Table& table) noexcept {
    return std::max(0, table.group_number_bits() - cell_group_bits);
}

// Bundles without a key that are passed over under one pin.
constexpr int bundles_per_pin = 1 << 14;

// Bundles in which no key was found, one after the other, before others come in between.
constexpr int collects_per_step = 16;

// A table of so few slots is collected at once if there are many more cells than groups in it.
constexpr std::size_t few_slots = std::size_t{1} << 14;

// Keys and values are fetched so many items before they are returned: for about as long as memory
// takes to answer, and no more at a time than a processor asks for at a time.
constexpr std::size_t items_ahead = 15;

// One thread at a time takes a step, natively. Who waits for it is detached meanwhile.
class SpinLock {
public:
    explicit SpinLock(std::atomic<bool>& taken) : taken_(&taken) {
        while (taken_->exchange(true, std::memory_order_acquire)) [[unlikely]]
            yield_detached();
    }
    ~SpinLock() { unlock(); }
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

    void unlock() noexcept {
        if (taken_) std::exchange(taken_, nullptr)->store(false, std::memory_order_release);
    }

private:
    std::atomic<bool>* taken_;
};

// Threads that go through a map in step meet at the reference counts of every key and value, and
// then take several times as long. Who meets another at a value's lets it go ahead, by about a
// hundred items; but not again before so many: where all values are one object, or the map is
// small, nothing is gained by that.
constexpr std::size_t items_between = 256;
[[gnu::cold, gnu::noinline]] void stand_back() noexcept {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + std::chrono::microseconds(5);
    do {
        for (int i = 0; i < 16; ++i) atomics::relax();
    } while (Clock::now() < end);
}

// The node's hash, if the slot at `slot` still names it; a retired node has a link in its place.
bool hash_of(const std::atomic<Slot>& slot, Slot seen, std::uint64_t& hash) noexcept {
    // Acquire: pairs with the release of a link, which is written when no slot names the node.
    hash = node_of(seen)->hash.load(std::memory_order_acquire);
    const Slot now = slot.load(std::memory_order_seq_cst);
    return (now & node_mask) == (seen & node_mask);
}

// The nodes with this hash, each once.
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
        if (contended) [[unlikely]] {
            const std::size_t done = done_before_ + done_;
            gives_way = done - stood_back_at_ >= items_between;
            if (gives_way) stood_back_at_ = done;
        }
        ResizeRequest request;
        bool is_pause_due = false;
        if (std::exchange(has_collected_, false)) [[unlikely]] {
            request = std::exchange(request_, ResizeRequest());
            is_pause_due = pace_.is_due();
        }
        lock.unlock();  // from here on, finalizers may run
        if (gives_way) [[unlikely]] {
            guard.unpin();
            stand_back();
        }
        if (request.is_due()) [[unlikely]] {
            guard.unpin();
            maybe_resize(map, request, Share::all_without_waiting);
        }
        // Whoever calls next() natively, as list() does, lets nobody stop the world.
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
                // Where nothing is found for long, others are to come in between.
                if (entries_.empty() && !at_end_ && ++in_vain % collects_per_step == 0)
                    return Step::again;
                continue;
            }
            const Entry& entry = entries_[done_++];
            const Take take = take_from_root(map, entry, with_value, item, unused, contended);
            if (take == Take::item) [[likely]]
                return Step::item;
            if (take == Take::again ||
                (take == Take::elsewhere &&
                 !take_bundle(map, order_in_bundle(entry.order, bits_in_bundle()), unused))) {
                --done_;
                return Step::again;
            }
            guard.unpin();
        }
    } catch (const std::bad_alloc&) {
        guard.unpin();
        // As before, for another try.
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
    const std::size_t all = part_.share_of(length) + held;
    return all - std::min(all, done_before_ + done_ + beyond_);
}

std::size_t Scan::memory() {
    const SpinLock lock(is_stepping_);
    return entries_.capacity() * sizeof(Entry) + same_hash_.capacity() * sizeof(Item);
}

// ── where it is ────────────────────────────────────────────────────────────────────────────────

// So that threads are not in step, each starts at a distance from all others: the multiples of the
// golden ratio, modulo 1, are spread evenly, however many there are.
void Scan::begin(const Table* largest, std::uint32_t thread) noexcept {
    level_ = level_of(*largest);
    rounds_ = level_ <= Part::level ? 1 : std::uint64_t{1} << (level_ - Part::level);
    const std::uint64_t all =
        level_ <= bundle_bits ? 1 : (std::uint64_t{1} << level_) / bundle_size;
    const std::uint64_t in_round = all / rounds_;
    // Of the bundles of a round, those with positions of this part, around the end.
    first_bundle_ = part_.first_position() / bundle_size % in_round;
    const std::uint64_t last =
        first_bundle_ + part_.last_position() / bundle_size - part_.first_position() / bundle_size;
    bundles_ = std::min(last - first_bundle_ + 1, in_round) * rounds_;
    where_.bundles_left = bundles_;
    if (start_ == Start::first) return;
    constexpr std::uint32_t golden_ratio = 0x9E3779B9u;  // its fraction times 2^32
    const std::uint64_t fraction = thread * golden_ratio;
    where_.bundle = fraction * bundles_ >> 32;
}

// Of the first cell of a bundle. Where there are more cells than parts are made of, a part has the
// same bundles in each of several rounds.
std::uint64_t Scan::position_of(std::uint64_t bundle) const noexcept {
    if (level_ <= bundle_bits) return 0;
    const int round_bits = std::min(level_, Part::level);
    const std::uint64_t in_round = bundles_ / rounds_;
    const std::uint64_t place = first_bundle_ + bundle % in_round;
    const std::uint64_t mask = (std::uint64_t{1} << round_bits) - 1;
    return (bundle / in_round) << round_bits | (place * bundle_size & mask);
}

void Scan::end_bundle() noexcept {
    where_.bundle = after(where_.bundle);
    where_.cell = 0;
    where_.resume_at = 0;
    --where_.bundles_left;
}

// `table` is the only one, and of the scan's level.
void Scan::skip_empty_bundles(const Table* table) noexcept {
    for (int i = 0; i < bundles_per_pin && where_.bundles_left > 0 && is_at_bundle();
         ++i, ++looks_) {
        if (table->may_be_homes(position_of(where_.bundle))) return;
        end_bundle();
    }
}

// The next cells: about as many as are some slots of the largest table. (A root may be much smaller
// than what is behind it; and tables may have grown since the scan began.) `only`: the map's only
// table, if it is of the scan's level; then cells that are nobody's home are left out.
Scan::Cells Scan::next_cells(const Table* largest, const Table* only) noexcept {
    Cells next;
    const int finer = std::max(0, largest->group_number_bits() - level_);
    const std::uint64_t first = position_of(where_.bundle);
    const std::uint64_t size = std::uint64_t{1} << bits_in_bundle();
    const std::uint64_t in_cell = level_ == 0 ? UINT64_MAX : UINT64_MAX >> level_;
    std::uint64_t groups_left = bundle_size << cell_group_bits;
    while (where_.cell < size && groups_left > 0) {
        const std::uint64_t position = first + where_.cell;
        bool is_cut = !part_.is_everything();
        if (is_cut && level_ >= Part::level) {
            const std::uint64_t in_round = position & ((std::uint64_t{1} << Part::level) - 1);
            if (in_round < part_.first_position() || part_.last_position() < in_round) {
                ++where_.cell;
                where_.resume_at = 0;
                continue;
            }
            is_cut = !part_.has_all_of(in_round);
        }
        if (only && !only->may_be_home(position)) {
            ++where_.cell;
            where_.resume_at = 0;
            continue;
        }
        HashRange hashes = cell_at(position, level_);
        hashes.first += where_.resume_at;
        const std::uint64_t groups_of_cell = std::uint64_t{1} << finer;
        if (groups_of_cell > groups_left) {
            // As many of its hashes as are at home in so many groups.
            const std::uint64_t most = (in_cell >> finer) * groups_left + (groups_left - 1);
            const std::uint64_t left = hashes.last - hashes.first;
            if (left > most) {
                hashes.last = hashes.first + most;
                next.cells[next.count++] = {hashes, is_cut};
                where_.resume_at += most + 1;
                return next;
            }
        }
        next.cells[next.count++] = {hashes, is_cut};
        where_.resume_at = 0;
        ++where_.cell;
        groups_left -= std::min(groups_left, groups_of_cell);
    }
    if (where_.cell == size) end_bundle();
    return next;
}

// ── collecting ─────────────────────────────────────────────────────────────────────────────────

// Collects what has a hash of the next cells, in the root and in the tables behind it. Only while
// pinned.
[[gnu::noinline]] void Scan::collect(HashMap& map, const Guard& guard) {
    has_collected_ = true;
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
    if (level_ < 0) begin(largest, guard.thread());
    if (std::exchange(generation_, root->generation) != root->generation) fetched_ = to_fetch_ = 0;
    // A key that is in the map throughout is in the root if that has no next table, and a group of
    // the root was marked before the key was put there.
    const Table* only = nullptr;
    if (!root->next.load(std::memory_order_seq_cst)) {
        if (!root->has_homes.load(std::memory_order_seq_cst)) {
            at_end_ = true;
            return;
        }
        if (level_of(*root) == level_ && level_ > 0) only = root;
    }
    if (!root->next.load(std::memory_order_seq_cst) && root->group_number_bits() < level_ &&
        root->capacity() <= few_slots && root->capacity() < where_.bundles_left * bundle_size) {
        collect_rest(root);
        return;
    }
    if (only && is_at_bundle()) {
        const std::uint64_t bundle = where_.bundle;
        skip_empty_bundles(only);
        if (bundle != where_.bundle) fetched_ = to_fetch_ = 0;
        if (where_.bundles_left == 0) {
            at_end_ = true;
            return;
        }
    }
    if (level_of(*root) == level_ && is_at_bundle()) fetch_rest_of_bundle(root);
    const Where before = where_;
    const std::size_t looks = looks_;
    const Cells next = next_cells(largest, only);
    try {
        // `next` is read after each scan: what is moved on meanwhile is seen in the one or in the
        // other.
        for (Table* table = root; table; table = table->next.load(std::memory_order_seq_cst)) {
            if (table->mask > largest->mask) {
                // A larger one has come meanwhile: fewer cells at a time.
                where_ = before;
                entries_.clear();
                fetched_ = to_fetch_ = 0;
                return;
            }
            for (std::size_t i = 0; i < next.count; ++i)
                scan_cell(table, table == root, next.cells[i]);
        }
    } catch (const std::bad_alloc&) {
        where_ = before;  // for another try
        throw;
    }
    at_end_ = where_.bundles_left == 0;
    if (!entries_.empty()) sort();
    if (only) note_looks(*root, looks_ - looks, entries_.size(), request_);
    for (std::size_t i = 0; i < std::min(items_ahead, entries_.size()); ++i) {
        prefetch(entries_[i].key);
        prefetch(entries_[i].value);
    }
    plan_fetching(root);
}

// All that is left, from the map's only table, which is much smaller than others have been. A key
// that is in the map throughout is in it.
void Scan::collect_rest(Table* root) {
    for (std::size_t i = 0; i < root->capacity(); ++i) {
        const std::atomic<Slot>& slot = root->slot(i);
        const Slot seen = slot.load(std::memory_order_seq_cst);
        ++looks_;
        std::uint64_t hash = 0;
        if (!names_node(seen) || !hash_of(slot, seen, hash) || !is_left(hash)) continue;
        entries_.push_back(
            {order_in_bundle(hash, bits_in_bundle()), seen, elsewhere, nullptr, nullptr});
    }
    at_end_ = true;
    where_.bundles_left = 0;
    if (!entries_.empty()) sort();
}

// Whether a hash belongs to what the scan goes through, and is still to come.
bool Scan::is_left(std::uint64_t hash) const noexcept {
    if (!part_.is_everything() && !part_.has(hash)) return false;
    const std::uint64_t position = level_ == 0 ? 0 : reversed(hash >> (64 - level_), level_);
    std::uint64_t bundle = 0;
    if (level_ > bundle_bits) {
        const int round_bits = std::min(level_, Part::level);
        const std::uint64_t bundles = std::uint64_t{1} << (round_bits - bundle_bits);
        const std::uint64_t place =
            (position & ((std::uint64_t{1} << round_bits) - 1)) / bundle_size;
        const std::uint64_t in_round = bundles_ / rounds_;
        bundle = (position >> round_bits) * in_round + ((place - first_bundle_) & (bundles - 1));
    }
    const std::uint64_t ahead =
        bundle >= where_.bundle ? bundle - where_.bundle : bundle + bundles_ - where_.bundle;
    if (ahead != 0 || is_at_bundle()) return ahead < where_.bundles_left;
    const std::uint64_t cell = position & ((std::uint64_t{1} << bits_in_bundle()) - 1);
    if (cell != where_.cell) return cell > where_.cell;
    return hash - cell_at(position, level_).first >= where_.resume_at;
}

void Scan::scan_cell(Table* table, bool is_root, const Cell& cell) {
    const HashRange& hashes = cell.hashes;
    const std::uint64_t width = hashes.last - hashes.first;
    // The hashes of a cell have the bits in common that tell its place in the bundle.
    const std::uint64_t to_order = hashes.first ^ order_in_bundle(hashes.first, bits_in_bundle());
    const std::size_t group_number_mask = table->capacity() / group_size - 1;
    const std::size_t first = table->group_begin(hashes.first);
    const std::size_t last = table->group_begin(hashes.last) | group_mask;
    const std::size_t groups_after_first = (last - first) / group_size;
    // On past the cell's end until a slot where every path has ended, around the end of the table.
    std::size_t i = first;
    for (; i <= first + table->mask; ++i) {
        const std::size_t index = i & table->mask;
        const std::atomic<Slot>& slot = table->slot(index);
        const Slot seen = slot.load(std::memory_order_seq_cst);
        if (!names_node(seen)) {
            if (i > last && ends_path(seen)) break;
            continue;
        }
        // As a rule the slot tells the group of its key, so the node need not be fetched.
        if (const Slot away = probe_distance(seen); away != saturated) {
            const std::size_t home = ((i - first) / group_size - away) & group_number_mask;
            if (home > groups_after_first) continue;
        }
        std::uint64_t hash = 0;
        if (!hash_of(slot, seen, hash) || hash - hashes.first > width) continue;
        if (cell.is_cut && !part_.has(hash)) continue;
        const Node* node = node_of(seen);
        entries_.push_back({hash ^ to_order, seen, is_root ? index : elsewhere,
                            key_object(node->key),
                            Node::object(node->value.load(std::memory_order_relaxed))});
    }
    looks_ += std::min(i - first + 1, table->capacity());
}

// In order, each once. Nearly sorted as it comes from one table, in which few are far from home.
void Scan::sort() {
    const auto begin = entries_.begin();
    if (entries_.size() > words_per_bundle || entries_.back().index == elsewhere) {
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

// ── fetching ───────────────────────────────────────────────────────────────────────────────────
//
// Groups, nodes, keys and values are anywhere in memory. While some wait for the processor others
// are on their way to it: the key and value of an item that is returned soon, nodes of the next
// bundle, and groups of the bundle after that.

// The first slot of the first cell of a bundle, in a table of the scan's level.
std::size_t Scan::index_of_bundle(std::uint64_t bundle) const noexcept {
    return reversed(position_of(bundle) / bundle_size, level_ - bundle_bits) * slots_per_cell;
}

// The first slot of a group of a bundle. The cells of a bundle are capacity / bundle_size slots
// apart.
inline std::size_t index_of_group(const Table& table, std::size_t bundle_index,
                                  std::size_t group) noexcept {
    return bundle_index + group / groups_per_cell * (table.capacity() / bundle_size) +
           group % groups_per_cell * group_size;
}

// Fetches a group. After the last group of a cell comes one more, in which the cell's paths may
// end.
inline void fetch_group(Table& table, std::size_t bundle_index, std::size_t group) noexcept {
    const std::size_t index = index_of_group(table, bundle_index, group);
    prefetch(&table.slot(index));
    if ((group + 1) % groups_per_cell == 0)
        prefetch(&table.slot((index + group_size) & table.mask));
}

inline void fetch_node(Table& table, std::size_t index) noexcept {
    const Slot seen = table.slot(index).load(std::memory_order_relaxed);
    if (names_node(seen)) prefetch(node_of(seen));
}

// Before a bundle is collected: what was not fetched while others were returned.
void Scan::fetch_rest_of_bundle(Table* root) noexcept {
    if (level_ <= bundle_bits) return;
    const std::size_t bundle_index = index_of_bundle(where_.bundle);
    if (to_fetch_ == 0)
        for (std::size_t group = 0; group < groups_per_bundle; ++group)
            fetch_group(*root, bundle_index, group);
    for (std::size_t group = fetched_ / group_size; group < groups_per_bundle; ++group) {
        const std::size_t index = index_of_group(*root, bundle_index, group);
        for (std::size_t i = 0; i < group_size; ++i) fetch_node(*root, index + i);
    }
}

void Scan::plan_fetching(Table* root) noexcept {
    fetched_ = to_fetch_ = 0;
    // Where there are no entries there are few in the next bundle.
    if (at_end_ || !is_at_bundle() || level_ <= bundle_bits || level_of(*root) != level_ ||
        entries_.empty())
        return;
    to_fetch_ = words_per_bundle;
    words_per_item_ = to_fetch_ / entries_.size() + 1;
    fetch_index_ = next_bundle_index_ = index_of_bundle(where_.bundle);
    index_after_next_ = index_of_bundle(after(where_.bundle));
    fetch_group(*root, index_after_next_, 0);
}

[[gnu::noinline]] void Scan::fetch_next_group(Table* root) noexcept {
    const std::size_t group = fetched_ / group_size;
    if (group == groups_per_bundle) return;
    fetch_index_ = index_of_group(*root, next_bundle_index_, group);
    fetch_group(*root, index_after_next_, group);
}

inline void Scan::fetch_ahead(Table* root) noexcept {
    if (const std::size_t soon = done_ - 1 + items_ahead; soon < entries_.size()) {
        prefetch(entries_[soon].key);
        prefetch(entries_[soon].value);
    }
    for (const std::size_t end = std::min(fetched_ + words_per_item_, to_fetch_); fetched_ < end;) {
        fetch_node(*root, fetch_index_++);
        if (++fetched_ % group_size == 0) fetch_next_group(root);
    }
}

// ── taking ─────────────────────────────────────────────────────────────────────────────────────

// Looks where the node was. Elsewhere: the table has been left, or the node has. Only while pinned.
[[gnu::always_inline]] inline Scan::Take Scan::take_from_root(HashMap& map, const Entry& entry,
                                                              bool with_value, Item& item,
                                                              Unused& unused, bool& contended) {
    Table* root = map.root.load(std::memory_order_seq_cst);
    if (!root || root->generation != generation_ || entry.index == elsewhere)
        return Take::elsewhere;
    fetch_ahead(root);
    const Slot now = root->slot(entry.index).load(std::memory_order_seq_cst);
    if ((now & node_mask) != (entry.seen & node_mask)) return Take::elsewhere;
    const Node* node = node_of(entry.seen);
    PyObject* value = nullptr;
    if (with_value) {
        const Taken taken = take_value(node, value, &contended);
        if (taken == Taken::dead) return Take::nothing;
        if (taken == Taken::another) {
            unused.value = value;
            return Take::again;
        }
    } else if (Node::is_dead(node->value.load(std::memory_order_seq_cst))) {
        return Take::nothing;
    }
    PyObject* key = key_object(node->key);
    Py_INCREF(key);
    item = {key, value};
    return Take::item;
}

// All that have this hash, wherever they are by now. False: another try is due, since a value was
// replaced in between. Only while pinned.
[[gnu::noinline]] bool Scan::take_bundle(HashMap& map, std::uint64_t hash, Unused& unused) {
    std::vector<Node*> nodes;
    find_nodes(map, hash, nodes);
    same_hash_.reserve(nodes.size());
    // Only now: a key that was deleted and inserted again meanwhile has two, of which one is dead.
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
