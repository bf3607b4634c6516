// SPDX-License-Identifier: Apache-2.0
#include "scan.hpp"

#include <algorithm>
#include <new>

#include "lookup.hpp"
#include "session.hpp"

namespace cereggii::atomicdict {

namespace {

constexpr std::size_t words_per_step = 32;
static_assert(words_per_step % (neighbour_mask + 1) == 0);

// The node's hash, if the word at `slot` still names it; a retired node has a link in its place.
bool hash_of(const std::atomic<Word>& slot, Word word, std::uint64_t& hash) noexcept {
    // Acquire: pairs with the release of a link, which is written when no word names the node.
    hash = node_of(word)->hash.load(std::memory_order_acquire);
    const Word now = slot.load(std::memory_order_seq_cst);
    return (now & node_mask) == (word & node_mask);
}

// The nodes with this hash, each once.
void find_nodes(HashMap& map, std::uint64_t hash, std::vector<Node*>& nodes) {
    const Word tag = tag_of(hash);
    for (Table* table = map.root.load(std::memory_order_seq_cst); table;
         table = table->next.load(std::memory_order_seq_cst)) {
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

Scan Scan::partition(std::uint64_t part, std::uint64_t parts) noexcept {
    // The first hash of a part is ceil(part * 2^64 / parts), in 64 bits.
    const auto start = [parts](std::uint64_t of) {
        const std::uint64_t quotient = UINT64_MAX / parts, remainder = UINT64_MAX % parts;
        return of * quotient + std::min(of, remainder);
    };
    const bool is_last = part + 1 == parts;
    return Scan(start(part), is_last ? UINT64_MAX : start(part + 1) - 1);
}

Scan::Result Scan::next(HashMap& map, bool with_value, Item& item) {
    bool taking = false;
    try {
        for (;;) {
            if (!group_.empty()) {
                item = group_.back();
                group_.pop_back();
                return Result::item;
            }
            taking = done_ < entries_.size();
            if (taking) {
                const Entry entry = entries_[done_++];
                Result result = Result::end;
                if (take_from_root(map, entry, with_value, item, result)) {
                    if (result == Result::end) continue;  // gone meanwhile
                    return result;
                }
                if (!take_group(map, entry.hash)) return Result::error;
                continue;
            }
            if (at_end_) return Result::end;
            if (!collect(map)) return Result::error;
        }
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
        // As before, for another try.
        if (taking)
            --done_;
        else
            entries_.clear();
        return Result::error;
    }
}

// Collects the hashes of a range of words of the root, and of the same range of hashes in the
// tables behind it.
bool Scan::collect(HashMap& map) {
    entries_.clear();
    done_ = 0;
    Session session(map);
    if (!session.ready()) return false;
    session.enter_reading();
    Table* root = map.root.load(std::memory_order_seq_cst);
    if (!root) {
        at_end_ = true;
        return true;
    }
    serial_ = root->serial;
    const std::size_t last_word = std::min(root->line(position_) + words_per_step - 1, root->mask);
    std::uint64_t high = UINT64_MAX;
    if (last_word < root->mask) high = ((std::uint64_t{last_word} + 1) << root->shift) - 1;
    high = std::min(high, last_);
    // `next` is read after each scan: what is moved on meanwhile is seen in the one or in the
    // other.
    for (Table* table = root; table; table = table->next.load(std::memory_order_seq_cst))
        scan_table(table, table == root, position_, high);
    sort();
    at_end_ = high == last_;
    position_ = high + 1;
    return true;
}

void Scan::scan_table(Table* table, bool is_root, std::uint64_t low, std::uint64_t high) {
    const std::size_t first = table->line(low), last = table->line(high) | neighbour_mask;
    // Nodes, keys and values are anywhere in memory. Those of a range are fetched at the same time,
    // the nodes while the range before is returned.
    const std::size_t ahead = std::min(last + words_per_step, table->mask);
    for (std::size_t i = low == 0 ? first : last + 1; i <= ahead; ++i)
        if (const Word word = table->word(i).load(std::memory_order_relaxed); names_node(word))
            prefetch(node_of(word));
    // On past the range's end until a word where every path has ended, around the end of the table.
    for (std::size_t i = first; i <= first + table->mask; ++i) {
        const std::size_t index = i & table->mask;
        const std::atomic<Word>& slot = table->word(index);
        const Word word = slot.load(std::memory_order_seq_cst);
        std::uint64_t hash = 0;
        if (names_node(word)) {
            if (!hash_of(slot, word, hash) || hash < low || high < hash) continue;
            entries_.push_back({hash, word, index, is_root});
            prefetch(key_object(node_of(word)->key));
            prefetch(Node::object(node_of(word)->value.load(std::memory_order_relaxed)));
        } else if (i > last && ends_path(word)) {
            break;
        }
    }
}

// By hash, each once. Nearly sorted as it comes.
void Scan::sort() {
    const auto begin = entries_.begin();
    if (entries_.size() > 4 * words_per_step) {
        std::sort(begin, entries_.end(),
                  [](const Entry& a, const Entry& b) { return a.hash < b.hash; });
    } else {
        for (std::size_t i = 1; i < entries_.size(); ++i) {
            const Entry entry = entries_[i];
            std::size_t at = i;
            for (; at > 0 && entry.hash < entries_[at - 1].hash; --at)
                entries_[at] = entries_[at - 1];
            entries_[at] = entry;
        }
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (kept > 0 && entries_[kept - 1].hash == entries_[i].hash)
            entries_[kept - 1].only_in_root = false;
        else
            entries_[kept++] = entries_[i];
    }
    entries_.resize(kept);
}

// Looks where the node was. False: the table has been left, or the node has.
bool Scan::take_from_root(HashMap& map, const Entry& entry, bool with_value, Item& item,
                          Result& result) {
    if (!entry.only_in_root) return false;
    Session session(map);
    if (!session.ready()) {
        result = Result::error;
        return true;
    }
    for (;;) {
        session.enter_reading();
        Table* root = map.root.load(std::memory_order_seq_cst);
        if (!root || root->serial != serial_) return false;
        const Word now = root->word(entry.index).load(std::memory_order_seq_cst);
        if ((now & node_mask) != (entry.word & node_mask)) return false;
        const Node* node = node_of(entry.word);
        Taken taken = Taken::value;
        if (with_value)
            taken = take_value(node, item.value);
        else if (Node::is_dead(node->value.load(std::memory_order_seq_cst)))
            taken = Taken::dead;
        if (taken == Taken::dead) return true;
        if (taken == Taken::value) {
            item.key = Py_NewRef(key_object(node->key));
            result = Result::item;
            return true;
        }
        session.leave();
        Py_DECREF(std::exchange(item.value, nullptr));
    }
}

// All that have this hash, wherever they are by now.
bool Scan::take_group(HashMap& map, std::uint64_t hash) {
    std::vector<Node*> nodes;
    std::vector<Item> group;
    Session session(map);
    if (!session.ready()) return false;
    for (bool complete = false; !complete;) {
        session.enter_reading();
        find_nodes(map, hash, nodes);
        group.reserve(nodes.size());
        Item item;
        complete = true;
        // Only now: a key that was deleted and inserted again meanwhile has two, of which one is
        // dead.
        for (const Node* node : nodes) {
            const Taken taken = take_value(node, item.value);
            complete = taken != Taken::another;
            if (!complete) break;
            if (taken == Taken::dead) continue;
            item.key = Py_NewRef(key_object(node->key));
            group.push_back(item);
        }
        session.leave();
        if (complete) group_.swap(group);
        // All is taken anew, if a value was replaced in between.
        for (const Item& unused : group) release(unused);
        if (!complete) Py_DECREF(item.value);
        nodes.clear();
        group.clear();
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
