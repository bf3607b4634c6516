// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>

#include "map/guard.hpp"
#include "map/hashing.hpp"
#include "map/table.hpp"

// Walking the path of a key through the chain of tables. All loads are sequentially consistent.
namespace cereggii::atomicdict {

// How far a walk has come: at a word, in a table of the chain.
struct Place {
    Table* table;
    Word tag;  // of the key, in this table
    std::size_t index;
    std::size_t left;  // words of this table still to be looked at
    Word word;         // as it was loaded last

    void start(Table* in, std::uint64_t hash) noexcept {
        start(in, in->tag_of(hash), in->home(hash));
    }
    void start(Table* in, Word with_tag, std::size_t home) noexcept {
        table = in;
        tag = with_tag;
        index = home;
        left = in->capacity();
    }
    void advance() noexcept {
        index = (index + 1) & table->mask;
        --left;
    }
    std::atomic<Word>& slot() const noexcept { return table->word(index); }
    Node* node() const noexcept { return node_of(word); }
    // What the word is to become if it is to name a node with this key.
    Word naming(const Node* node) const noexcept {
        const std::size_t steps = table->capacity() - left;
        const std::size_t lines =
            ((tag >> neighbour_at & neighbour_mask) + steps) >> neighbour_bits;
        return tag | std::min<Word>(lines, far_away) << away_at |
               reinterpret_cast<std::uintptr_t>(node);
    }
};

enum class Step {
    match,  // the word names a node with this key, dead or alive
    ask,    // it names one with this hash, and only Python knows whether the keys are equal
    end,    // an EMPTY word: the key is in no table; here it may be inserted
    full,   // the last table has no EMPTY word on the path: the key is in no table
};

// Goes on from `place`. Only while pinned.
[[gnu::always_inline]] inline Step walk(Place& place, const Key& key) noexcept {
    for (;;) {
        while (place.left > 0) {
            const Word word = place.word = place.slot().load(std::memory_order_seq_cst);
            if (same_tag(word, place.tag)) {
                // NODE, MOVING or MOVED: as long as a word names a node, its value is there.
                const Node* node = node_of(word);
                if (node->key == key.stored) return Step::match;
                // Relaxed: the node was complete before a word named it. (Of one that has been
                // retired since, this is a link; the node is dead whatever comes of it.)
                if (node->hash.load(std::memory_order_relaxed) == key.hash) {
                    const Equality equality = compare_natively(node->key, key);
                    if (equality == Equality::equal) return Step::match;
                    if (equality == Equality::unknown) return Step::ask;
                }
            } else if (ends_path(word)) {
                // Nobody has gone past an EMPTY word, or it would be FROZEN.
                if (word == word_empty) return Step::end;
                break;
            }
            place.advance();
        }
        // A full table ends no path: only after its last word does the absence of a next mean that.
        Table* next = place.table->next.load(std::memory_order_seq_cst);
        if (!next) return Step::full;
        place.start(next, key.hash);
    }
}

enum class Answer {
    equal,      // pinned, at the same word, which still names the node
    different,  // pinned, at the same word: go on behind it
    restart,    // pinned, and the word is in no table of the chain any more: start again
    error,      // not pinned, with the exception of the user's __eq__
};

// Runs the user's __eq__: 1, 0, or -1 with an exception.
[[gnu::noinline]] inline int compare_in_python(PyObject* owned, PyObject* key) {
    const int same = PyObject_RichCompareBool(owned, key, Py_EQ);
    Py_DECREF(owned);
    return same;
}

// The table of the chain with this serial, if it is still in it. Pinned.
[[gnu::noinline]] inline Table* find_table(HashMap& map, std::uint64_t serial) noexcept {
    Table* table = map.root.load(std::memory_order_seq_cst);
    while (table && table->serial != serial) table = table->next.load(std::memory_order_seq_cst);
    return table;
}

// Asks the keys' own __eq__, outside of the pin, since it can run anything for any time. Afterwards
// the table is looked up by its serial: its address may be another table's by now.
template <bool writing>
[[gnu::always_inline]] inline Answer ask_keys(HashMap& map, Guard& guard, Place& place,
                                              const Key& key) {
    const std::uint64_t serial = place.table->serial;
    PyObject* other = Py_NewRef(key_object(place.node()->key));
    guard.unpin();
    const int same = compare_in_python(other, key.object);
    if (same < 0) return Answer::error;
    if constexpr (writing)
        guard.pin_writing();
    else
        guard.pin_reading();
    place.table = find_table(map, serial);
    if (!place.table) return Answer::restart;
    const Word now = place.slot().load(std::memory_order_seq_cst);
    // A word names one node in its life. TOMB: the node has been deleted since.
    if ((now & node_mask) != (place.word & node_mask)) return Answer::different;
    place.word = now;
    return same ? Answer::equal : Answer::different;
}

}  // namespace cereggii::atomicdict
