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
//     retired   `hash` belongs to the reclaimer. A thread that found the node before, and is
//               pinned, may still read all of it.
namespace cereggii::atomicdict {

struct Node {
    // The mixed hash of the key. When the node is retired: the link to the next retired item.
    std::atomic<std::uint64_t> hash;
    // An owned reference to the key, with own_hash_bit (key.hpp). Never changes.
    std::uintptr_t key;
    // An owned reference to the value; or `dead`.
    std::atomic<std::uintptr_t> value;

    static constexpr std::uintptr_t dead = 1;

    static bool is_dead(std::uintptr_t value) noexcept { return value & dead; }
    static PyObject* object(std::uintptr_t value) noexcept {
        return reinterpret_cast<PyObject*>(value);
    }

    // Null: no memory. Not while pinned, since an allocator with hooks may do anything.
    static Node* allocate() noexcept {
        void* memory = allocate_memory(sizeof(Node));
        if (reinterpret_cast<std::uintptr_t>(memory) >> 48) [[unlikely]] {
            free_memory(memory);  // a slot cannot hold the address
            return nullptr;
        }
        return memory ? new (memory) Node : nullptr;
    }
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

static_assert(sizeof(void*) == 8, "a slot holds a 48-bit address and a 16-bit fingerprint");
static_assert(sizeof(Node) == 24);

}  // namespace cereggii::atomicdict
