// SPDX-License-Identifier: Apache-2.0
#include "scan.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "cereggii/atomics/relax.hpp"
#include "lookup.hpp"
#include "session.hpp"

namespace cereggii::atomicdict {

namespace {

constexpr std::size_t words_per_step = 256;
static_assert(words_per_step % (neighbour_mask + 1) == 0);

// Keys and values are fetched so many items before they are returned: for about as long as memory
// takes to answer, and no more at a time than a processor asks for at a time.
constexpr std::size_t items_ahead = 15;

// One thread at a time takes a step, natively. Who waits for it is detached meanwhile.
class Turn {
public:
    explicit Turn(std::atomic<bool>& taken) : taken_(&taken) {
        while (taken_->exchange(true, std::memory_order_acquire)) [[unlikely]]
            yield_detached();
    }
    ~Turn() { end(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    void end() noexcept {
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

// The node's hash, if the word at `slot` still names it; a retired node has a link in its place.
bool hash_of(const std::atomic<Word>& slot, Word word, std::uint64_t& hash) noexcept {
    // Acquire: pairs with the release of a link, which is written when no word names the node.
    hash = node_of(word)->hash.load(std::memory_order_acquire);
    const Word now = slot.load(std::memory_order_seq_cst);
    return (now & node_mask) == (word & node_mask);
}

// The nodes with this hash, each once.
void find_nodes(HashMap& map, std::uint64_t hash, std::vector<Node*>& nodes) {
    for (Table* table = map.root.load(std::memory_order_seq_cst); table;
         table = table->next.load(std::memory_order_seq_cst)) {
        const Word tag = table->tag_of(hash);
        Place place;
        for (place.start(table, hash); place.left > 0; place.advance()) {
            const Word word = place.slot().load(std::memory_order_seq_cst);
            if (ends_path(word)) break;
            std::uint64_t found = 0;
            if (same_tag(word, tag) && hash_of(place.slot(), word, found) && found == hash)
                nodes.push_back(node_of(word));
        }
    }
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
}

}  // namespace

Scan::Range Scan::Range::partition(std::uint64_t part, std::uint64_t parts) noexcept {
    // Each has (2^64 - 1) / parts hashes, rounded down, and the first ones have one more.
    const auto start = [parts](std::uint64_t of) {
        const std::uint64_t quotient = UINT64_MAX / parts, remainder = UINT64_MAX % parts;
        return of * quotient + std::min(of, remainder);
    };
    const bool is_last = part + 1 == parts;
    return {start(part), is_last ? UINT64_MAX : start(part + 1) - 1};
}

Scan::Result Scan::next(HashMap& map, bool with_value, Item& item) {
    for (;;) {
        Unused unused;
        Session session(map);
        if (!session.ready()) return Result::error;
        Turn turn(has_turn_);
        bool contended = false;
        const Step result = step(map, session, with_value, item, unused, contended);
        const std::size_t done = done_before_ + done_;
        const bool gives_way = contended && done - stood_back_at_ >= items_between;
        if (gives_way) stood_back_at_ = done;
        turn.end();  // from here on, finalizers may run
        if (gives_way) [[unlikely]] {
            session.leave();
            stand_back();
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

void Scan::put_back(const Item& item) {
    try {
        Turn turn(has_turn_);
        group_.push_back(item);
    } catch (const std::bad_alloc&) {
        // There is room for one, as a rule: see collect().
        release(item);
    }
}

Scan::Step Scan::step(HashMap& map, Session& session, bool with_value, Item& item, Unused& unused,
                      bool& contended) {
    bool taking = false;
    try {
        for (;;) {
            if (!group_.empty()) {
                item = group_.back();
                group_.pop_back();
                return Step::item;
            }
            session.enter_reading();
            taking = done_ < entries_.size();
            if (!taking) {
                if (at_end_) return Step::end;
                collect(map, with_value, session);
                session.leave();
                continue;
            }
            const Entry& entry = entries_[done_++];
            const Take take = take_from_root(map, entry, with_value, item, unused, contended);
            if (take == Take::item) [[likely]]
                return Step::item;
            if (take == Take::again ||
                (take == Take::elsewhere && !take_group(map, entry.hash, unused))) {
                --done_;
                return Step::again;
            }
            session.leave();
        }
    } catch (const std::bad_alloc&) {
        session.leave();
        // As before, for another try.
        if (taking)
            --done_;
        else
            entries_.clear();
        return Step::no_memory;
    }
}

// So that threads are not in step, each starts at a distance from all others: the multiples of the
// golden ratio, modulo 1, are spread evenly, however many there are.
void Scan::start_apart(std::uint32_t thread) noexcept {
    start_ = Start::first;
    constexpr std::uint32_t golden_ratio = 0x9E3779B9u;  // its fraction times 2^32
    const std::uint64_t fraction = thread * golden_ratio;
    const std::uint64_t offset = fraction * ((range_.last - range_.first) >> 32);
    if (offset == 0) return;
    rest_ = {range_.first, range_.first + offset - 1};
    range_.first += offset;
}

// The next hashes: as many as are at home at some words of the largest table of the chain. (A root
// may be much smaller than what is behind it.)
Scan::Range Scan::next_range(Table* root) const noexcept {
    Table* largest = root;
    for (Table* table = root; table; table = table->next.load(std::memory_order_seq_cst))
        if (table->mask > largest->mask) largest = table;
    const std::size_t last_word = largest->line(range_.first) + words_per_step - 1;
    if (last_word >= largest->mask) return range_;
    const std::uint64_t high = ((std::uint64_t{last_word} + 1) << largest->shift) - 1;
    return {range_.first, std::min(high, range_.last)};
}

// Collects what has a hash of the next range, in the root and in the tables behind it. Only inside.
[[gnu::noinline]] void Scan::collect(HashMap& map, bool with_value, const Session& session) {
    if (start_ == Start::apart) start_apart(session.thread());
    done_before_ += std::exchange(done_, 0);
    entries_.clear();
    if (with_value) group_.reserve(1);  // for what is put back
    Table* root = map.root.load(std::memory_order_seq_cst);
    if (!root) {
        at_end_ = true;
        return;
    }
    if (std::exchange(serial_, root->serial) != root->serial) fetched_ = 0;
    const Range range = next_range(root);
    // `next` is read after each scan: what is moved on meanwhile is seen in the one or in the
    // other.
    for (Table* table = root; table; table = table->next.load(std::memory_order_seq_cst))
        scan_table(table, table == root, range);
    if (!entries_.empty()) sort();
    for (std::size_t i = 0; i < std::min(items_ahead, entries_.size()); ++i) {
        prefetch(entries_[i].key);
        prefetch(entries_[i].value);
    }
    if (range.last < range_.last) {
        range_.first = range.last + 1;
        fetched_ = (root->line(range.last) | neighbour_mask) + 1;
        to_fetch_ = std::min(fetched_ + words_per_step, root->capacity());
        if (entries_.empty()) fetched_ = to_fetch_;  // where there are none there are few
    } else {
        fetched_ = to_fetch_ = 0;
        if (rest_)
            range_ = *std::exchange(rest_, std::nullopt);
        else
            at_end_ = true;
    }
    words_per_item_ = words_per_step / std::max<std::size_t>(entries_.size(), 1) + 1;
}

void Scan::scan_table(Table* table, bool is_root, Range range) {
    const std::size_t first = table->line(range.first);
    const std::size_t last = table->line(range.last) | neighbour_mask;
    // What was not fetched while other entries were returned.
    for (std::size_t i = is_root ? std::max(first, fetched_) : first; i <= last; ++i)
        if (const Word word = table->word(i).load(std::memory_order_relaxed); names_node(word))
            prefetch(node_of(word));
    // On past the range's end until a word where every path has ended, around the end of the table.
    for (std::size_t i = first; i <= first + table->mask; ++i) {
        const std::size_t index = i & table->mask;
        const std::atomic<Word>& slot = table->word(index);
        const Word word = slot.load(std::memory_order_seq_cst);
        std::uint64_t hash = 0;
        if (names_node(word)) {
            if (!hash_of(slot, word, hash) || hash < range.first || range.last < hash) continue;
            const Node* node = node_of(word);
            entries_.push_back({hash, word, is_root ? index : elsewhere, key_object(node->key),
                                Node::object(node->value.load(std::memory_order_relaxed))});
        } else if (i > last && ends_path(word)) {
            break;
        }
    }
}

// Nodes, keys and values are anywhere in memory. While some wait for the processor others are on
// their way to it: the key and value of an item that is returned soon, and nodes of the next range.
inline void Scan::fetch_ahead(Table* root) noexcept {
    if (const std::size_t soon = done_ - 1 + items_ahead; soon < entries_.size()) {
        prefetch(entries_[soon].key);
        prefetch(entries_[soon].value);
    }
    for (const std::size_t end = std::min(fetched_ + words_per_item_, to_fetch_); fetched_ < end;
         ++fetched_) {
        const Word word = root->word(fetched_).load(std::memory_order_relaxed);
        if (names_node(word)) prefetch(node_of(word));
    }
}

// By hash, each once. Nearly sorted as it comes from one table, in which few are far from home.
void Scan::sort() {
    const auto begin = entries_.begin();
    if (entries_.size() > words_per_step || entries_.back().index == elsewhere) {
        std::sort(begin, entries_.end(),
                  [](const Entry& a, const Entry& b) { return a.hash < b.hash; });
    } else {
        for (std::size_t i = 1; i < entries_.size(); ++i) {
            if (entries_[i - 1].hash <= entries_[i].hash) [[likely]]
                continue;
            const Entry entry = entries_[i];
            std::size_t at = i;
            for (; at > 0 && entry.hash < entries_[at - 1].hash; --at)
                entries_[at] = entries_[at - 1];
            entries_[at] = entry;
        }
    }
    const auto same_hash = [](const Entry& a, const Entry& b) { return a.hash == b.hash; };
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

// Looks where the node was. Elsewhere: the table has been left, or the node has. Only inside.
[[gnu::always_inline]] inline Scan::Take Scan::take_from_root(HashMap& map, const Entry& entry,
                                                              bool with_value, Item& item,
                                                              Unused& unused, bool& contended) {
    Table* root = map.root.load(std::memory_order_seq_cst);
    if (!root || root->serial != serial_ || entry.index == elsewhere) return Take::elsewhere;
    fetch_ahead(root);
    const Word now = root->word(entry.index).load(std::memory_order_seq_cst);
    if ((now & node_mask) != (entry.word & node_mask)) return Take::elsewhere;
    const Node* node = node_of(entry.word);
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
// replaced in between. Only inside.
[[gnu::noinline]] bool Scan::take_group(HashMap& map, std::uint64_t hash, Unused& unused) {
    std::vector<Node*> nodes;
    find_nodes(map, hash, nodes);
    group_.reserve(nodes.size());
    // Only now: a key that was deleted and inserted again meanwhile has two, of which one is dead.
    for (const Node* node : nodes) {
        Item item;
        const Taken taken = take_value(node, item.value);
        if (taken == Taken::dead) continue;
        if (taken == Taken::another) {
            unused.value = item.value;
            unused.items.swap(group_);
            return false;
        }
        item.key = Py_NewRef(key_object(node->key));
        group_.push_back(item);
    }
    return true;
}

int Scan::traverse(visitproc visit, void* arg) const {
    for (const Item& item : group_) {
        Py_VISIT(item.key);
        Py_VISIT(item.value);
    }
    return 0;
}

}  // namespace cereggii::atomicdict
