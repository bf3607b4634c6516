// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "map/hash_map.hpp"
#include "map/migration.hpp"
#include "map/order.hpp"
#include "map/pauses.hpp"
#include "map/table.hpp"

// Iteration, in an order of the hashes that no resize changes: see order.hpp.
namespace cereggii::atomicdict {

class Guard;

// Where an iterator is. Threads may share it: each item goes to one of them. It holds no reference
// to a key or value between two calls, but to those whose hash is that of the item it returned
// last, and to what was put back.
class Scan {
public:
    enum class Start {
        first,  // at the first position
        apart,  // each thread somewhere else, from where it goes around once
    };

    Scan(Part part, Start start) noexcept : part_(part), start_(start) {}
    Scan& operator=(const Scan&) = delete;

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

    // Another one that has still to return what this one has. std::bad_alloc.
    Scan copy();

    // How many items it has still to return, of a map of this length that nobody changes; of a part
    // of it, about.
    std::size_t left_of(std::size_t length);

    // How much memory it has besides itself.
    std::size_t memory();

    // How many slots, and bits for many of them, it has looked at so far.
    std::size_t looks() const noexcept { return looks_; }

    // What it holds, for the collector, and to be released by the caller.
    int traverse(visitproc visit, void* arg) const;
    std::vector<Item> take_all() noexcept { return std::exchange(same_hash_, {}); }

private:
    Scan(const Scan&) = default;

    // What was found: a node with this hash, named by this slot, at this index of a table; and the
    // addresses of what it named then, which are only good for being fetched ahead.
    struct Entry {
        std::uint64_t order;  // of its hash, in the bundle
        Slot seen;
        std::size_t index;  // elsewhere: it is not the root, or more than one node has this hash
        const void* key;
        const void* value;
    };
    static constexpr std::size_t elsewhere = SIZE_MAX;

    // What was taken in vain. Released when the lock is, since that may run finalizers.
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
    Step step(HashMap& map, Guard& guard, bool with_value, Item& item, Unused& unused,
              bool& contended);
    enum class Take { item, nothing, again, elsewhere };
    Take take_from_root(HashMap& map, const Entry& entry, bool with_value, Item& item,
                        Unused& unused, bool& contended);
    bool take_bundle(HashMap& map, std::uint64_t hash, Unused& unused);

    // A cell, or as much of it as is collected at a time.
    struct Cell {
        HashRange hashes;
        bool is_cut;  // some of its keys may belong to another part
    };
    struct Cells {
        std::array<Cell, bundle_size> cells;
        std::size_t count = 0;
    };

    void begin(const Table* largest, std::uint32_t thread) noexcept;
    int bits_in_bundle() const noexcept { return std::min(level_, bundle_bits); }
    std::uint64_t position_of(std::uint64_t bundle) const noexcept;
    std::uint64_t after(std::uint64_t bundle) const noexcept {
        return bundle + 1 == bundles_ ? 0 : bundle + 1;
    }
    void end_bundle() noexcept;
    bool is_at_bundle() const noexcept { return where_.cell == 0 && where_.resume_at == 0; }
    void skip_empty_bundles(const Table* table) noexcept;
    Cells next_cells(const Table* largest, const Table* only) noexcept;
    void collect(HashMap& map, const Guard& guard);
    void collect_rest(Table* root);
    bool is_left(std::uint64_t hash) const noexcept;
    void scan_cell(Table* table, bool is_root, const Cell& cell);
    void sort();
    std::size_t index_of_bundle(std::uint64_t bundle) const noexcept;
    void fetch_next_group(Table* root) noexcept;
    void fetch_rest_of_bundle(Table* root) noexcept;
    void plan_fetching(Table* root) noexcept;
    void fetch_ahead(Table* root) noexcept;

    // Whether a thread is in step(), or looks at what is below. A copy is not locked.
    struct IsTaken : std::atomic<bool> {
        IsTaken() noexcept : std::atomic<bool>(false) {}
        IsTaken(const IsTaken&) noexcept : std::atomic<bool>(false) {}
    };
    IsTaken is_stepping_;
    bool at_end_ = false;  // all are collected
    Part part_;
    Start start_;

    // At a cell of a bundle, whose first hashes may be collected already.
    struct Where {
        std::uint64_t bundles_left = 0;  // that are not collected, this one included
        std::uint64_t bundle = 0;
        std::uint64_t cell = 0;       // by position
        std::uint64_t resume_at = 0;  // that many hashes further on
    };
    int level_ = -1;                  // -1: it has not begun
    std::uint64_t bundles_ = 0;       // in all
    std::uint64_t rounds_ = 1;        // which have as many of these bundles each
    std::uint64_t first_bundle_ = 0;  // of a round
    Where where_;

    std::size_t looks_ = 0;
    ResizeRequest request_;
    bool has_collected_ = false;     // since the last look at the pace
    Pace pace_{8};                   // in bundles
    std::uint64_t generation_ = 0;   // of the root when the entries were collected
    std::vector<Entry> entries_;     // in order
    std::size_t done_ = 0;           // of these entries
    std::size_t done_before_ = 0;    // of earlier ones
    std::size_t beyond_ = 0;         // items that were taken beyond one for each entry
    std::size_t stood_back_at_ = 0;  // after so many
    std::vector<Item> same_hash_;    // of one hash, or put back: still to be returned

    // Of the next bundle, the slots whose nodes are fetched while entries are returned: so far, of
    // so many. With each group of it, one of the bundle after that is fetched.
    std::size_t fetched_ = 0;
    std::size_t to_fetch_ = 0;
    std::size_t words_per_item_ = 0;
    std::size_t fetch_index_ = 0;        // where the next of these slots is
    std::size_t next_bundle_index_ = 0;  // where the next bundle begins
    std::size_t index_after_next_ = 0;   // where the bundle after that begins
};

}  // namespace cereggii::atomicdict
