// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

// A node is a key and its value. It never moves: each table of a chain that knows the key names the
// same node.
//
//     being made ──▶ alive ──────────▶ dead ──────────▶ retired ──▶ freed
//                          the value         no slot
//                          is replaced       names it
//
//     alive     `value` is an owned reference. An update replaces it by one compare-and-swap.
//     dead      `value` is Node::dead. A dead node stays dead. The thread that made it dead makes
//               sure that the node leaves every table that a new reader can reach.
//     reserved  only in a cache: `value` is a computation with Node::reserved. Readers of values
//               skip the node, as if it were dead.
//     retired   `hash` belongs to the reclaimer. A thread that found the node before, and is
//               pinned, may still read all of it.
namespace cereggii::atomicdict {

struct Node {
    // The mixed hash of the key. When the node is retired: the link to the next retired item.
    std::atomic<std::uint64_t> hash;
    // An owned reference to the key, with own_hash_bit (key.hpp). Never changes.
    std::uintptr_t key;
    // An owned reference to the value; or `dead`; or an owned reference with `reserved`.
    std::atomic<std::uintptr_t> value;

    static constexpr std::uintptr_t dead = 1;      // other bits may be a link, in a cache
    static constexpr std::uintptr_t reserved = 2;  // not together with `dead`
    static constexpr std::uintptr_t tags = dead | reserved;

    static bool is_dead(std::uintptr_t value) noexcept { return value & dead; }
    static bool has_value(std::uintptr_t value) noexcept { return (value & tags) == 0; }
    // The object of a node that has a value.
    static PyObject* object(std::uintptr_t value) noexcept {
        return reinterpret_cast<PyObject*>(value);
    }
    // The object that a node owns which is not dead: its value, or its computation.
    static PyObject* owned(std::uintptr_t value) noexcept {
        return reinterpret_cast<PyObject*>(value & ~tags);
    }

    // Null: no memory. Not while pinned, since an allocator with hooks may do anything. `T` is the
    // kind of the map's nodes.
    template <class T = Node>
    static T* allocate() noexcept {
        void* memory = allocate_memory(sizeof(T));
        if (reinterpret_cast<std::uintptr_t>(memory) >> 48) [[unlikely]] {
            free_memory(memory);  // a slot cannot hold the address
            return nullptr;
        }
        return memory ? new (memory) T : nullptr;
    }
    // For nodes of all kinds.
    static void deallocate(Node* node) noexcept { free_memory(node); }

private:
#ifdef CEREGGII_SANITIZED
    // Sanitizers know nothing of the interpreter's own memory.
    static void* allocate_memory(std::size_t size) noexcept { return PyMem_RawMalloc(size); }
    static void free_memory(void* memory) noexcept { PyMem_RawFree(memory); }
#else
    static void* allocate_memory(std::size_t size) noexcept { return PyMem_Malloc(size); }
    static void free_memory(void* memory) noexcept { PyMem_Free(memory); }
#endif
};

// A node that several owners share: the tables, and others. HashMap::has_shares says that all nodes
// of a map are of this kind.
struct SharedNode : Node {
    std::atomic<std::uint8_t> shares{0};

    // True: it was the last one, and the node is the caller's to retire. Each owner sees what the
    // others did with the node before.
    bool give_up_share() noexcept { return shares.fetch_sub(1, std::memory_order_acq_rel) == 1; }
};

static_assert(sizeof(void*) == 8, "a slot holds a 48-bit address and a 16-bit fingerprint");
static_assert(sizeof(Node) == 24);

}  // namespace cereggii::atomicdict
