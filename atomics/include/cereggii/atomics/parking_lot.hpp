// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "cereggii/atomics/cache_line.hpp"

namespace cereggii::atomics {

// Where threads wait for a word in memory to change: a small table of queues, hashed by address,
// so that an atomic that nobody waits on needs no room and no work for it. After WebKit's
// ParkingLot and the futex.
//
// `Signal` is what one thread sleeps on: default-constructible, with `post()`, which wakes it.
//
// No wake-up is lost. A waiter announces itself (`waiters` + 1) and then looks at the word; a
// notifier has changed the word and then looks at `waiters`. All four are sequentially consistent,
// so at least one of the two sees the other.
//
// A queue's lock is never held while something blocks or calls Python. A Signal is posted under the
// lock, and its owner takes the lock once more (`cancel`) before it destroys the Signal, so a
// notifier never touches one that is gone.
template <class Signal>
class ParkingLot {
public:
    // One parked thread; lives on that thread's stack, in at most one queue.
    class Waiter {
    public:
        // `unchanged(context)`: whether the waiter would go on waiting as things are. Notifiers
        // call it, under the queue's lock: it must only look, at what lives as long as the waiter.
        Waiter(const void* address, bool (*unchanged)(const void*), const void* context) noexcept
            : address_(address), unchanged_(unchanged), context_(context) {}
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        Signal signal;

    private:
        friend class ParkingLot;
        const void* address_;
        bool (*unchanged_)(const void*);
        const void* context_;
        Waiter* next_ = nullptr;
        bool queued_ = false;
    };

    // Queues the waiter, unless there is nothing to wait for any more.
    bool enqueue(Waiter& waiter) noexcept {
        Queue& queue = queue_of(waiter.address_);
        const std::lock_guard guard(queue.lock);
        queue.waiters.fetch_add(1, std::memory_order_seq_cst);
        if (!waiter.unchanged_(waiter.context_)) {
            queue.waiters.fetch_sub(1, std::memory_order_seq_cst);
            return false;
        }
        waiter.queued_ = true;
        waiter.next_ = nullptr;
        *queue.tail = &waiter;
        queue.tail = &waiter.next_;
        return true;
    }

    // Takes the waiter out of its queue. False: it was out already, that is, it was notified.
    bool cancel(Waiter& waiter) noexcept {
        Queue& queue = queue_of(waiter.address_);
        const std::lock_guard guard(queue.lock);
        if (!waiter.queued_) return false;
        waiter.queued_ = false;  // it is in no queue if forget_all() has been called
        for (Waiter** link = &queue.head; *link; link = &(*link)->next_) {
            if (*link == &waiter) {
                unlink(queue, link);
                break;
            }
        }
        return true;
    }

    // Wakes up to `most` of the threads that wait on this address and have reason to go on, the
    // longest-waiting first. One that would go back to sleep does not use up a notification.
    void notify(const void* address, std::size_t most) noexcept {
        Queue& queue = queue_of(address);
        if (queue.waiters.load(std::memory_order_seq_cst) == 0) return;
        const std::lock_guard guard(queue.lock);
        Waiter** link = &queue.head;
        while (*link && most > 0) {
            Waiter* waiter = *link;
            if (waiter->address_ != address || waiter->unchanged_(waiter->context_)) {
                link = &waiter->next_;
                continue;
            }
            unlink(queue, link);
            waiter->signal.post();
            --most;
        }
    }

    // In the child of a fork: the threads that waited are not in this process.
    void forget_all() noexcept {
        for (Queue& queue : queues_) {
            queue.head = nullptr;
            queue.tail = &queue.head;
            queue.waiters.store(0, std::memory_order_relaxed);
        }
    }

private:
    struct alignas(destructive_interference) Queue {
        std::mutex lock;
        Waiter* head = nullptr;
        Waiter** tail = &head;
        std::atomic<std::size_t> waiters{0};  // at least the length of the queue
    };

    static void unlink(Queue& queue, Waiter** link) noexcept {
        Waiter* waiter = *link;
        *link = waiter->next_;
        if (queue.tail == &waiter->next_) queue.tail = link;
        waiter->queued_ = false;
        queue.waiters.fetch_sub(1, std::memory_order_seq_cst);
    }

    Queue& queue_of(const void* address) noexcept {
        const auto bits = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(address));
        return queues_[(bits * 0x9E3779B97F4A7C15u) >> (64 - queue_bits)];  // Fibonacci hashing
    }

    static constexpr unsigned queue_bits = 6;
    std::array<Queue, std::size_t{1} << queue_bits> queues_;
};

}  // namespace cereggii::atomics
