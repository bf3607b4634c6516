// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "cereggii/atomics/compiler.hpp"
#include "map/node.hpp"

// One thread at a time keeps the lists of a cache, for all.
//
//     thread ──▶ stored ─▶ entry ─▶ entry ─▶ …    ┐
//                                                 ├─▶ holder of the lock ──▶ policy, wheel
//     thread ──▶ removed ─▶ entry ─▶ entry ─▶ …   ┘
//
// A thread that has stored or removed a value pushes the entry, and then tries to take the lock. If
// another thread has it, that one handles the event.
//
// Invariants:
//   - No event is left when no thread is inside an operation: all is sequentially consistent, and
//     the holder looks at the stacks after it has unlocked. So it sees what was pushed before a
//     thread found the lock taken.
//   - An entry is in each stack at most once. The stack of removals links it through its value
//     word, which is dead; the other one through `next`, which the lists use afterwards.
//   - The two events of an entry may come in any order.
//   - While a thread holds the lock it stays attached and runs no Python code, releases nothing and
//     allocates nothing. The lock is a leaf: no other lock is taken under it.
namespace cereggii::atomicdict::cache {

template <class Entry>
class Maintenance {
public:
    // How many entries were stored that the lists do not know yet.
    std::uint32_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

    // The thread's share is the share of the lists from now on.
    void push_stored(Entry& entry) noexcept {
        waiting_.fetch_add(1, std::memory_order_relaxed);
        Entry* head = stored_.load(std::memory_order_relaxed);
        do {
            entry.next = head;
            // Lost to another thread that pushed, or took all.
        } while (!stored_.compare_exchange_weak(head, &entry, std::memory_order_seq_cst));
    }

    // Only by the thread that has made the entry dead.
    void push_removed(Entry& entry) noexcept {
        Entry* head = removed_.load(std::memory_order_relaxed);
        do {
            // Readers only look at the bit.
            entry.value.store(
                reinterpret_cast<std::uintptr_t>(static_cast<Node*>(head)) | Node::dead,
                std::memory_order_relaxed);
            // Lost to another thread that pushed, or took all.
        } while (!removed_.compare_exchange_weak(head, &entry, std::memory_order_seq_cst));
    }

    // Handles the events that there are, or leaves them to the thread that has the lock. The
    // handler:
    //
    //     stored(Entry&)     in the order in which they were pushed
    //     removed(Entry&)
    //     finish()           once, after these
    //
    // True: this thread has handled something, and has to look again. For another thread may have
    // pushed meanwhile, and found the lock taken.
    template <class Handler>
    [[nodiscard]] bool run(Handler& handler, bool even_without_events = false) {
        if ((!even_without_events && !has_events()) || !try_lock()) return false;
        handle(handler);
        unlock();
        return true;
    }

    bool has_events() const noexcept {
        return stored_.load(std::memory_order_seq_cst) || removed_.load(std::memory_order_seq_cst);
    }

private:
    void unlock() noexcept { taken_.store(false, std::memory_order_seq_cst); }
    bool try_lock() noexcept {
        return !taken_.load(std::memory_order_seq_cst) &&
               !taken_.exchange(true, std::memory_order_seq_cst);
    }

    template <class Handler>
    void handle(Handler& handler) {
        Entry* stored = stored_.exchange(nullptr, std::memory_order_seq_cst);
        Entry* removed = removed_.exchange(nullptr, std::memory_order_seq_cst);
        Entry* first = nullptr;
        std::uint32_t count = 0;
        while (stored) {  // the newest is on top
            Entry* next = static_cast<Entry*>(std::exchange(stored->next, first));
            first = stored;
            stored = next;
            ++count;
        }
        waiting_.fetch_sub(count, std::memory_order_relaxed);
        while (first) {
            Entry& entry = *first;
            first = static_cast<Entry*>(std::exchange(entry.next, nullptr));
            handler.stored(entry);
        }
        while (removed) {
            Entry& entry = *removed;
            // Relaxed: it was written before the push.
            removed = entry_of(entry.value.load(std::memory_order_relaxed) & ~Node::dead);
            handler.removed(entry);
        }
        handler.finish();
    }

    static Entry* entry_of(std::uintptr_t link) noexcept {
        return static_cast<Entry*>(reinterpret_cast<Node*>(link));
    }

    std::atomic<bool> taken_{false};
    std::atomic<Entry*> stored_{nullptr};
    std::atomic<Entry*> removed_{nullptr};
    std::atomic<std::uint32_t> waiting_{0};
};

}  // namespace cereggii::atomicdict::cache
