// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "cereggii/atomics/cache_line.hpp"
#include "cereggii/atomics/tuning.hpp"

namespace cereggii::atomics {

// Counts the steps of a search, for tests. This one does not count.
struct Uncounted {
    static void step() noexcept {}
};

// Where threads wait for a word in memory to change. It is a small table of queues, hashed by
// address, so an atomic that nobody waits on needs no room and no work for it. After WebKit's
// ParkingLot and the futex.
//
//     buckets_[top bits of the hash] ─▶ tree of addresses       a digital search tree
//                                         └─▶ ring of waiters   the longest-waiting one is the node
//
// The tree branches at the bits of the hash below the top ones. Different addresses have different
// hashes, so the tree is at most 58 deep, and log2(n) as a rule. To leave a ring takes no search.
// So a waiter costs the same however many others there are, at its address or elsewhere. Only a
// notification walks: over the waiters of its address that would go back to sleep.
//
// `Signal` is what one thread sleeps on: default-constructible, with `post()`, which wakes it.
//
// No wake-up is lost. A waiter announces itself (`waiters` + 1) and then looks at the word; a
// notifier has changed the word and then looks at `waiters`. All four are sequentially consistent,
// so at least one of the two sees the other.
//
// A bucket's lock is never held while something blocks or calls Python. A Signal is posted under
// the lock, and its owner takes the lock once more (`cancel`) before it destroys the Signal, so a
// notifier never touches one that is gone.
template <class Signal, class Steps = Uncounted>
class ParkingLot {
public:
    // One parked thread; lives as long as that thread waits, in at most one queue.
    class Waiter {
    public:
        // `unchanged(context)`: whether the waiter would go on waiting as things are. Notifiers
        // call it under the bucket's lock. It must only look, and only at what lives as long as the
        // waiter.
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
        bool queued_ = false;
        std::uint64_t forks_ = 0;  // the lot's forks_ when the waiter was queued
        // The ring of the waiters at its address: behind the last one comes the first.
        Waiter* next_ = nullptr;
        Waiter* previous_ = nullptr;
        // Used only in the first waiter of a ring, which is the node of the tree: the pointer to
        // it, and its children.
        Waiter** place_ = nullptr;
        std::array<Waiter*, 2> below_{};
    };

    // Queues the waiter. False: there is nothing to wait for any more, and it is not queued.
    bool enqueue(Waiter& waiter) noexcept {
        const std::uint64_t hash = hash_of(waiter.address_);
        Bucket& bucket = bucket_of(hash);
        const std::lock_guard guard(bucket.lock);
        bucket.waiters.fetch_add(1, std::memory_order_seq_cst);
        if (!waiter.unchanged_(waiter.context_)) {
            bucket.waiters.fetch_sub(1, std::memory_order_seq_cst);
            return false;
        }
        waiter.queued_ = true;
        waiter.forks_ = forks_;
        Waiter** place = find(bucket, waiter.address_, hash);
        if (Waiter* first = *place) {
            waiter.place_ = nullptr;
            waiter.next_ = first;
            waiter.previous_ = first->previous_;
            first->previous_->next_ = &waiter;
            first->previous_ = &waiter;
        } else {
            waiter.next_ = waiter.previous_ = &waiter;
            put(waiter, place, {});
        }
        return true;
    }

    // Takes the waiter out of its queue. False: it was out already, because it was notified.
    bool cancel(Waiter& waiter) noexcept {
        Bucket& bucket = bucket_of(hash_of(waiter.address_));
        const std::lock_guard guard(bucket.lock);
        if (!waiter.queued_) return false;
        if (waiter.forks_ == forks_)
            remove(bucket, waiter);
        else
            waiter.queued_ = false;  // it is in no queue since forget_all() has been called
        return true;
    }

    // Wakes up to `most` of the threads that wait on this address and have a reason to go on, the
    // longest-waiting first. A thread that would go back to sleep uses up no notification.
    void notify(const void* address, std::size_t most) noexcept {
        const std::uint64_t hash = hash_of(address);
        Bucket& bucket = bucket_of(hash);
        if (bucket.waiters.load(std::memory_order_seq_cst) == 0) return;
        const std::lock_guard guard(bucket.lock);
        Waiter* waiter = *find(bucket, address, hash);
        if (!waiter) return;
        const Waiter* const last = waiter->previous_;
        for (bool more = true; more && most > 0;) {
            Steps::step();
            more = waiter != last;
            Waiter* const next = waiter->next_;
            if (!waiter->unchanged_(waiter->context_)) {
                remove(bucket, *waiter);
                waiter->signal.post();
                --most;
            }
            waiter = next;
        }
    }

    // For the child of a fork: the threads that waited are not in this process.
    void forget_all() noexcept {
        ++forks_;
        for (Bucket& bucket : buckets_) {
            bucket.root = nullptr;
            bucket.waiters.store(0, std::memory_order_relaxed);
        }
    }

private:
    struct alignas(destructive_interference) Bucket {
        std::mutex lock;
        Waiter* root = nullptr;
        std::atomic<std::size_t> waiters{0};  // never less than there are in the tree
    };

    // The pointer to the first waiter of this address, or the null pointer where it would be.
    static Waiter** find(Bucket& bucket, const void* address, std::uint64_t hash) noexcept {
        Waiter** place = &bucket.root;
        for (std::uint64_t bits = hash << bucket_bits; *place; bits <<= 1) {
            Steps::step();
            if ((*place)->address_ == address) break;
            place = &(*place)->below_[bits >> 63];
        }
        return place;
    }

    static void put(Waiter& waiter, Waiter** place, const std::array<Waiter*, 2>& below) noexcept {
        *place = &waiter;
        waiter.place_ = place;
        waiter.below_ = below;
        for (Waiter*& child : waiter.below_)
            if (child) child->place_ = &child;
    }

    static void remove(Bucket& bucket, Waiter& waiter) noexcept {
        if (waiter.place_) {
            if (waiter.next_ != &waiter)
                put(*waiter.next_, waiter.place_, waiter.below_);
            else
                take_out_of_tree(waiter);
        }
        waiter.next_->previous_ = waiter.previous_;
        waiter.previous_->next_ = waiter.next_;
        waiter.queued_ = false;
        bucket.waiters.fetch_sub(1, std::memory_order_seq_cst);
    }

    // For the last waiter of its address. All nodes below a node have the bits that lead to it, so
    // any of them may take its place.
    static void take_out_of_tree(Waiter& waiter) noexcept {
        Waiter* leaf = &waiter;
        while (leaf->below_[0] || leaf->below_[1]) {
            Steps::step();
            leaf = leaf->below_[0] ? leaf->below_[0] : leaf->below_[1];
        }
        *leaf->place_ = nullptr;
        if (leaf != &waiter) put(*leaf, waiter.place_, waiter.below_);
    }

    // Fibonacci hashing. The factor is odd, so different addresses have different hashes.
    static std::uint64_t hash_of(const void* address) noexcept {
        const auto bits = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(address));
        return bits * 0x9E3779B97F4A7C15u;
    }
    Bucket& bucket_of(std::uint64_t hash) noexcept { return buckets_[hash >> (64 - bucket_bits)]; }

    static constexpr unsigned bucket_bits = tuning::waiting::bucket_bits;
    std::array<Bucket, std::size_t{1} << bucket_bits> buckets_;
    // How often forget_all() was called. It is written in the child of a fork, while that has only
    // one thread.
    std::uint64_t forks_ = 0;
};

}  // namespace cereggii::atomics
