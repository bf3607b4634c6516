// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "hash_map.hpp"
#include "table.hpp"

// Iteration, in the order of the mixed hashes, which is the order of every table of every size: so
// no resize repeats or skips a key.
namespace cereggii::atomicdict {

// Where an iterator is. Not to be used by two threads at a time. It holds no reference to a key or
// value between two calls, but to those whose hash is that of the item it returned last.
class Scan {
public:
    // The hashes from `first` to `last`.
    Scan(std::uint64_t first, std::uint64_t last) noexcept : position_(first), last_(last) {}

    // Part `part` of `parts` of them all, which do not overlap.
    static Scan partition(std::uint64_t part, std::uint64_t parts) noexcept;

    struct Item {
        PyObject* key = nullptr;    // owned
        PyObject* value = nullptr;  // owned, if it is wanted
    };
    static void release(const Item& item) {
        Py_DECREF(item.key);
        Py_XDECREF(item.value);
    }

    enum class Result { item, end, error };

    // The next item that is in the map, or MemoryError. An item may have a value that was not asked
    // for. May run finalizers, which may use the same iterator.
    Result next(HashMap& map, bool with_value, Item& item);

    // What it holds, for the collector, and to be released by the caller.
    int traverse(visitproc visit, void* arg) const;
    std::vector<Item> take_all() noexcept { return std::exchange(group_, {}); }

private:
    struct Entry {
        std::uint64_t hash;
        Word word;  // that names a node with this hash, at this index of a table
        std::size_t index;
        bool only_in_root;  // it is the root, and no other node with this hash was seen
    };

    bool collect(HashMap& map);
    void scan_table(Table* table, bool is_root, std::uint64_t low, std::uint64_t high);
    void sort();
    bool take_from_root(HashMap& map, const Entry& entry, bool with_value, Item& item,
                        Result& result);
    bool take_group(HashMap& map, std::uint64_t hash);

    std::uint64_t position_;  // the first hash not yet collected
    std::uint64_t last_;
    bool at_end_ = false;         // all are collected
    std::uint64_t serial_ = 0;    // of the root when the entries were collected
    std::size_t done_ = 0;        // entries
    std::vector<Entry> entries_;  // by hash
    std::vector<Item> group_;     // of one hash, still to be returned
};

}  // namespace cereggii::atomicdict
