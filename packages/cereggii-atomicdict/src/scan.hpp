// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "hash_map.hpp"
#include "table.hpp"

// Iteration, in the order of the mixed hashes, which is the order of every table of every size: so
// no resize repeats or skips a key.
namespace cereggii::atomicdict {

class Session;

// Where an iterator is. Threads may share it: each item goes to one of them. It holds no reference
// to a key or value between two calls, but to those whose hash is that of the item it returned
// last, and to what was put back.
class Scan {
public:
    // Of hashes: all.
    struct Range {
        std::uint64_t first = 0, last = UINT64_MAX;

        // Part `part` of `parts` of them all, which do not overlap.
        static Range partition(std::uint64_t part, std::uint64_t parts) noexcept;
    };

    enum class Start {
        first,  // at the first hash
        apart,  // each thread somewhere else, from where it goes around once
    };

    Scan(Range range, Start start) noexcept : range_(range), start_(start) {}

    struct Item {
        PyObject* key = nullptr;    // owned
        PyObject* value = nullptr;  // owned, if it is wanted
    };
    static void release(const Item& item) {
        Py_XDECREF(item.key);
        Py_XDECREF(item.value);
    }

    enum class Result { item, end, error };

    // The next item that is in the map, or MemoryError. An item may have a value that was not asked
    // for. May run finalizers, which may use the same iterator.
    Result next(HashMap& map, bool with_value, Item& item);

    // The caller could not use the item, which is the next one again.
    void put_back(const Item& item);

    // What it holds, for the collector, and to be released by the caller.
    int traverse(visitproc visit, void* arg) const;
    std::vector<Item> take_all() noexcept { return std::exchange(group_, {}); }

private:
    // What was found: a node with this hash, named by this word, at this index of a table; and the
    // addresses of what it named then, which are only good for being fetched ahead.
    struct Entry {
        std::uint64_t hash;
        Word word;
        std::size_t index;  // elsewhere: it is not the root, or more than one node has this hash
        const void* key;
        const void* value;
    };
    static constexpr std::size_t elsewhere = SIZE_MAX;

    // What was taken in vain. Released when the turn is over, since that may run finalizers.
    struct Unused {
        PyObject* value = nullptr;
        std::vector<Item> items;
        Unused() = default;
        Unused(const Unused&) = delete;
        Unused& operator=(const Unused&) = delete;
        ~Unused() noexcept(false) {
            Py_XDECREF(value);
            for (const Item& item : items) release(item);
        }
    };

    // `again`: something was taken in vain.
    enum class Step { item, end, again, no_memory };
    Step step(HashMap& map, Session& session, bool with_value, Item& item, Unused& unused,
              bool& contended);
    enum class Take { item, nothing, again, elsewhere };
    Take take_from_root(HashMap& map, const Entry& entry, bool with_value, Item& item,
                        Unused& unused, bool& contended);
    bool take_group(HashMap& map, std::uint64_t hash, Unused& unused);

    void start_apart(std::uint32_t thread) noexcept;
    void collect(HashMap& map, bool with_value, const Session& session);
    Range next_range(Table* root) const noexcept;
    void scan_table(Table* table, bool is_root, Range range);
    void sort();
    void fetch_ahead(Table* root) noexcept;

    std::atomic<bool> has_turn_{false};  // a thread is in step(), or looks at what is below
    bool at_end_ = false;                // all are collected
    Range range_;                        // is not yet collected
    std::optional<Range> rest_;          // nor is this, which comes after `range_`
    Start start_;                        // first: also if it has started apart
    std::uint64_t serial_ = 0;           // of the root when the entries were collected
    std::vector<Entry> entries_;         // by hash
    std::size_t done_ = 0;               // of these entries
    std::size_t done_before_ = 0;        // of earlier ones
    std::size_t stood_back_at_ = 0;      // after so many
    std::vector<Item> group_;            // of one hash, or put back: still to be returned

    // Of the root, the words whose nodes are fetched while the entries are returned: up to
    // `to_fetch_`, and so far, since the scan is in this root, up to `fetched_`.
    std::size_t fetched_ = 0;
    std::size_t to_fetch_ = 0;
    std::size_t words_per_item_ = 0;
};

}  // namespace cereggii::atomicdict
