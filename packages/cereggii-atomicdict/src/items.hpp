// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cereggii/atomics/python/shared_reference.hpp"
#include "hash_map.hpp"
#include "hashing.hpp"
#include "pauses.hpp"

// What is in a map at one instant.
namespace cereggii::atomicdict {

// Owns its keys and values.
class Items {
public:
    struct Item {
        std::uint64_t hash;  // mixed
        std::uintptr_t key;  // as a node has it
        PyObject* value;

        PyObject* key_object() const noexcept { return atomicdict::key_object(key); }
    };

    Items() = default;
    // Runs finalizers, and so is not noexcept: see ~Session.
    ~Items() noexcept(false) { clear(); }
    Items(const Items&) = delete;
    Items& operator=(const Items&) = delete;

    std::size_t size() const noexcept { return size_; }

    // Takes over references. std::bad_alloc: nothing was taken.
    void push_back(const Item& item) {
        if (blocks_.empty() || blocks_.back().size() == block_size) {
            blocks_.emplace_back();
            blocks_.back().reserve(block_size);
        }
        blocks_.back().push_back(item);
        ++size_;
    }

    // Calls use(item, rest of its block) for each, until it returns false.
    template <class Use>
    bool for_each(const Use& use) const {
        for (const std::vector<Item>& block : blocks_)
            for (std::size_t i = 0; i < block.size(); ++i)
                if (!use(block[i], std::span(block).subspan(i))) return false;
        return true;
    }

    void clear() {
        Pace pace;
        size_ = 0;
        while (!blocks_.empty()) {
            const std::vector<Item> block = std::move(blocks_.back());
            blocks_.pop_back();
            for (const Item& item : block) {
                Py_DECREF(item.key_object());
                Py_DECREF(item.value);
                pace.rest();
            }
        }
    }

private:
    // Not one array: to move or free that would take long.
    static constexpr std::size_t block_size = 1 << 14;
    std::vector<std::vector<Item>> blocks_;
    std::size_t size_ = 0;
};

// All that is in the map at one instant, in the order of iteration. False with an exception: of no
// memory, or of a signal handler. Writers wait meanwhile; others can stop the world.
bool take_items(HashMap& map, Items& items);

}  // namespace cereggii::atomicdict
