// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <new>
#include <span>
#include <vector>

#include "cereggii/atomics/python/shared_reference.hpp"
#include "map/hash_map.hpp"
#include "map/key.hpp"
#include "map/pauses.hpp"
#include "map/tuning.hpp"

// What is in a map at one instant: a list of its items, which owns references to them.
namespace cereggii::atomicdict {

// Allocates from the memory of Python objects, as nodes do: the blocks that are given away make
// room for the nodes of a copy. (A copy of 10^7 ints takes 438 MiB at its peak; with the memory of
// C++ it takes 667 MiB.)
template <class T>
struct PythonAllocator {
    using value_type = T;

    PythonAllocator() = default;
    template <class Other>
    PythonAllocator(const PythonAllocator<Other>&) noexcept {}  // NOLINT: as allocators convert

    T* allocate(std::size_t count) {
        void* memory = PyMem_Malloc(count * sizeof(T));
        if (!memory) throw std::bad_alloc();
        return static_cast<T*>(memory);
    }
    void deallocate(T* memory, std::size_t) noexcept { PyMem_Free(memory); }
    bool operator==(const PythonAllocator&) const noexcept { return true; }
};

// The items. They own their keys and values by references that are counted as a map's are
// (shared_reference.hpp), so another map can take them over without counting them again.
class Items {
public:
    struct Item {
        std::uint64_t hash;  // the mixed hash of the key
        std::uintptr_t key;  // owned; as in a node
        PyObject* value;     // owned; null: the item was given away

        PyObject* key_object() const noexcept { return atomicdict::key_object(key); }
    };
    using Block = std::vector<Item, PythonAllocator<Item>>;

    Items() = default;
    // Runs finalizers, and so is not noexcept: see ~Guard.
    ~Items() noexcept(false) { clear(); }
    Items(const Items&) = delete;
    Items& operator=(const Items&) = delete;

    std::size_t size() const noexcept { return size_; }

    // Takes over the item's references. If it throws std::bad_alloc, they are still the caller's.
    void push_back(const Item& item) {
        if (blocks_.empty() || blocks_.back().size() == block_size) {
            blocks_.emplace_back();
            blocks_.back().reserve(block_size);
        }
        blocks_.back().push_back(item);
        ++size_;
    }

    std::size_t memory() const noexcept { return blocks_.size() * block_size * sizeof(Item); }

    // Gives away the next item. False: there are no more.
    bool take_next(Item& item) noexcept {
        for (; !blocks_.empty(); blocks_.pop_front(), taken_ = 0) {
            Block& block = blocks_.front();
            if (taken_ == block.size()) continue;
            item = block[taken_];
            block[taken_++].value = nullptr;
            return true;
        }
        return false;
    }

    // Calls use(item, rest of its block) for each item, until it returns false. False: it did.
    template <class Use>
    bool for_each(const Use& use) const {
        for (const Block& block : blocks_)
            for (std::size_t i = 0; i < block.size(); ++i)
                if (!use(block[i], std::span(block).subspan(i))) return false;
        return true;
    }

    // Calls use(item, rest of its block) for each item, until it returns false. use() takes over
    // the references of its item, even if it returns false. The other items stay here. False: it
    // did.
    template <class Use>
    bool give_away(const Use& use) {
        bool ok = true;
        while (ok && !blocks_.empty()) {
            Block& block = blocks_.front();
            for (std::size_t i = 0; ok && i < block.size(); ++i) {
                const Item item = block[i];
                block[i].value = nullptr;
                ok = use(item, std::span(block).subspan(i));
            }
            if (ok) blocks_.pop_front();
        }
        return ok;
    }

    void clear() {
        Pace pace;
        size_ = 0;
        while (!blocks_.empty()) {
            const Block block = std::move(blocks_.back());
            blocks_.pop_back();
            for (const Item& item : block) {
                if (!item.value) continue;  // given away
                atomics::decref_shared(item.key_object());
                atomics::decref_shared(item.value);
                pace.rest();
            }
        }
        taken_ = 0;  // not before, since a finalizer may call take_next()
    }

private:
    static constexpr std::size_t block_size = tuning::items_per_block;
    // Blocks, and not one array: to move or to free that in one piece would take long.
    std::deque<Block> blocks_;
    // How many items were added since the last clear().
    std::size_t size_ = 0;
    // How many items of the first block take_next() has given away.
    std::size_t taken_ = 0;
};

// In which order items are taken.
enum class TakenBy {
    position,  // in the order of iteration (order.hpp)
    table,     // in the order of the slots: faster, for a map that has room for all of them
};

// Takes all that is in the map at one instant. False with an exception: MemoryError, or what a
// signal handler has raised. Writers wait meanwhile. Other threads can stop the world.
bool take_items(HashMap& map, Items& items, TakenBy order = TakenBy::position);

}  // namespace cereggii::atomicdict
