// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "map/hash_map.hpp"
#include "map/migration.hpp"
#include "map/order.hpp"
#include "map/prefetch.hpp"
#include "map/scan_cursor.hpp"
#include "map/scan_pace.hpp"
#include "map/table.hpp"

// Iteration, in an order of the hashes that no resize changes (order.hpp).
//
// A scan alternates between two things:
//
//     collect    note the hashes of the next bundle of cells that the tables know, and sort them
//     take       for each hash, in order: the item with this hash that is in the map *now*
//
// Invariants:
//   - The cells of a scan are ranges of hashes that no resize changes, each is collected once, and
//     each hash in it is taken once. So no key is returned twice or left out, whatever happens to
//     the tables.
//   - A key that is in the map during the whole scan is returned: while its cell is collected, some
//     table names its node (see Scan::collect).
//   - An item is returned with a value that the key had during the call of next().
//   - Between two calls a scan holds no reference to a key or value, except those in `same_hash_`.
//     What else it notes about a node is only compared with what a slot says now.
namespace cereggii::atomicdict {

// An iterator. Threads may share it: each item goes to one of them.
class Scan {
public:
    enum class Start {
        first,  // at the first position
        apart,  // each thread somewhere else, from where it goes around once
    };

    Scan(Part part, Start start) noexcept : cursor_(part), start_(start) {}
    Scan& operator=(const Scan&) = delete;

    struct Item {
        PyObject* key = nullptr;    // owned
        PyObject* value = nullptr;  // owned; may be null if it was not asked for
    };
    static void release(const Item& item) {
        Py_XDECREF(item.key);
        Py_XDECREF(item.value);
    }

    enum class Result { item, end, error };

    // The next item that is in the map. Error: MemoryError. An item may have a value that was not
    // asked for. May run finalizers, which may use the same iterator.
    Result next(HashMap& map, bool with_value, Item& item);

    // A scan that has still to return what this one has still to return. Throws std::bad_alloc.
    Scan copy();

    // How many items it has still to return, if nobody changes the map, which has this length. For
    // a part of a map it is an estimate.
    std::size_t left_of(std::size_t length);

    // How many bytes it has allocated.
    std::size_t memory();

    // How many slots it has looked at so far, plus one for each bundle that it has skipped.
    std::size_t looks() const noexcept { return looks_; }

    // Visits the references that the scan holds, for the collector.
    int traverse(visitproc visit, void* arg) const;
    // Gives these references away: the caller releases them.
    std::vector<Item> take_all() noexcept { return std::exchange(same_hash_, {}); }

private:
    Scan(const Scan&) = default;

    // A hash that was found while a bundle was collected.
    struct Entry {
        // The hash, by order_in_bundle().
        std::uint64_t order;
        // What the slot was. It named a node with this hash.
        Slot seen;
        // The index of the slot in the root. `elsewhere`: the slot was in another table, or several
        // nodes have this hash, so the hash has to be looked up.
        std::size_t index;
        // The addresses of the key and of the value at that time, only to be prefetched.
        const void* key;
        const void* value;
    };
    static constexpr std::size_t elsewhere = SIZE_MAX;

    // References that a step took and cannot use. Released when the lock is, since that may run
    // finalizers.
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

    enum class Step {
        item,
        end,
        restart,    // release the lock and what is unused, and take another step
        no_memory,  // no exception is set yet
    };
    Step step(HashMap& map, Guard& guard, bool with_value, Item& item, Unused& unused,
              bool& contended);
    enum class Take {
        item,
        dead,       // the key was deleted
        restart,    // the value was replaced meanwhile, and a reference has to be dropped
        elsewhere,  // the node is not where it was: look the hash up
    };
    Take take_from_root(HashMap& map, const Entry& entry, bool with_value, Item& item,
                        Unused& unused, bool& contended);
    bool take_all_with(HashMap& map, std::uint64_t hash, Unused& unused);

    void collect(HashMap& map, const Guard& guard);
    void collect_rest(Table* root);
    void scan_cell(Table* table, bool is_root, const ScanCursor::Cell& cell);
    void sort();
    void plan_prefetch(Table* root) noexcept;
    void prefetch_later_items(Table* root) noexcept;

    // Whether a thread is in step(), or reads the members below. A copy is not locked.
    struct IsTaken : std::atomic<bool> {
        IsTaken() noexcept : std::atomic<bool>(false) {}
        IsTaken(const IsTaken&) noexcept : std::atomic<bool>(false) {}
    };
    IsTaken is_stepping_;
    // All cells have been collected.
    bool at_end_ = false;
    // Which cells come next.
    ScanCursor cursor_;
    Start start_;

    // How many slots it has looked at so far.
    std::size_t looks_ = 0;
    // What it has seen that calls for a resize.
    ResizeRequest request_;
    ScanPace pace_;
    // The generation of the root when the entries were collected.
    std::uint64_t generation_ = 0;
    // The hashes of the bundle at hand, in order.
    std::vector<Entry> entries_;
    // How many of these entries are done.
    std::size_t done_ = 0;
    // How many entries of earlier bundles are done.
    std::size_t done_before_ = 0;
    // How many items were taken in addition to one for each entry: several keys had one hash.
    std::size_t beyond_ = 0;
    // Items that are still to be returned: they had the hash of the last entry.
    std::vector<Item> same_hash_;
    BundlePrefetch bundles_ahead_;
};

}  // namespace cereggii::atomicdict
