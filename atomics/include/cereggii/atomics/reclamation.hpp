// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

#include "cereggii/atomics/reclamation/garbage.hpp"
#include "cereggii/atomics/reclamation/participants.hpp"
#include "cereggii/atomics/tuning.hpp"

namespace cereggii::atomics {

// Frees what a lock-free structure has unlinked, as soon as no thread can still use it: when each
// thread that could have found it before has been unpinned since. This is epoch-based reclamation
// with three differences from Fraser's:
//   - A thread that retires something first looks whether another thread is pinned at all. If none
//     is, it frees the item at once.
//   - A thread frees only what it has retired itself, unless the caller asks for more.
//   - Only the participants of threads that have been pinned lately are looked at.
//
//     participants.hpp   who is pinned, and the proof
//     garbage.hpp        what waits
//     here               who frees it
//
//     littered_ ─▶ garbage ─▶ garbage ─▶ …   of the threads that have left something waiting
//     orphans_ ─▶ item ─▶ item ─▶ …          of no thread: see leave_for_all()
//
// Where many threads retire, each works on its own garbage: it packs its waiting items into bags,
// and frees its bags.
//
// The two ways to free
//   - retire() frees what the calling thread itself has retired. If no other thread is pinned, it
//     frees everything at once (G1 of participants.hpp). Otherwise, each time a bag is full, it
//     frees the bags that are old enough (G2).
//   - free_everything() waits until all threads that are pinned now have unpinned, and then frees
//     what any thread has retired (G2). No thread is pinned while it waits here or frees something,
//     and a pinned thread waits for nothing. So the wait ends, and two threads that wait here do
//     not wait for each other.
//
// Correctness. An item is retired after its last link is gone. The tag of a bag is what epoch_ was
// after all items in the bag were retired, so it can be the T of G2. All is sequentially
// consistent, except for hints.
//
// `Items` says what can be retired, and where an item keeps its link. Once an item is retired, only
// the reclaimer changes the link. Threads that are pinned still read the rest of the item.
//
//     using Item = ...;                 trivially copyable; default-constructed, it means none
//     static Item link(Item);           the item after this one
//     static void set_link(Item, Item);
//     static void free(Item);           runs what the destruction of the item runs; not pinned
template <class Items, class Clock = std::chrono::steady_clock>
class Reclaimer : public reclamation::Participants<reclamation::Garbage<Items>, Clock> {
    using Base = reclamation::Participants<reclamation::Garbage<Items>, Clock>;
    using Garbage = reclamation::Garbage<Items>;
    using List = reclamation::ItemList<Items>;

public:
    using Item = typename Items::Item;
    using typename Base::Participant;
    static constexpr std::size_t bag_count = Garbage::bag_count;

    // Retires a list of items that no thread can find that pins from now on. The caller is not
    // pinned. True: they wait, because another thread is pinned.
    static bool retire(Participant& me, Item list) {
        Base::note_scan(me);
        if (!Base::others_are_pinned(me)) {
            // What this thread retired before is free by the same look.
            const auto own = me.garbage.take_older_than(UINT64_MAX);
            List::free_all(list);
            own.free();
            return false;
        }
        std::uint32_t count = 1;
        Item last = list;
        for (Item next = Items::link(last); next != Item{}; next = Items::link(last)) {
            last = next;
            ++count;
        }
        List::push(me.garbage.waiting, list, last);
        note_litter(me.garbage);
        if ((me.garbage.retired += count) >= tuning::reclamation::items_per_bag) {
            me.garbage.retired = 0;
            fill_bag(me.garbage);
            me.garbage.take_older_than(Base::oldest_epoch(me)).free();
        }
        return true;
    }

    // For an item that another thread has removed and the calling thread has unlinked. The calling
    // thread may be removing nothing itself, and then it must not free the item. The item becomes
    // an orphan: it belongs to no thread, and the next thread that removes something retires it.
    static void leave_for_all(Item item) noexcept { List::push(orphans_, item, item); }

    // Moves all orphans to the front of `list`. The calling thread is about to retire that list, so
    // it has not looked yet who is pinned.
    static void take_what_is_left_for_all(Item& list) noexcept { List::take(orphans_, list); }

    // Whether a thread may have left something that waits. For what the calling thread has left, it
    // is exact until that is freed. For other threads it is a hint: it may have been freed since.
    static bool has_garbage() noexcept {
        return littered_.load(std::memory_order_seq_cst) != nullptr ||
               orphans_.load(std::memory_order_seq_cst) != Item{};
    }

    // Frees what any thread has retired. The caller is not pinned. `pause()` waits for a moment,
    // and must not come back here. `me` is null if the calling thread has no participant.
    template <class Pause>
    static void free_everything(Participant* me, const Pause& pause) {
        Item list{};
        for (Garbage* garbage = littered_.exchange(nullptr, std::memory_order_seq_cst); garbage;) {
            Garbage* next = garbage->next_littered;
            // Cleared before its lists are taken: what its thread adds later puts it on the list
            // again.
            garbage->littered.store(false, std::memory_order_seq_cst);
            garbage->take_all(list);
            garbage = next;
        }
        take_what_is_left_for_all(list);
        wait_and_free(me ? &me->garbage : nullptr, list, pause);
    }

    // In the child of a fork, where the calling thread is the only one. No thread was pinned at the
    // fork, but one may have been changing the lists. What the other threads have left belongs to
    // the calling thread from now on.
    static void forget_other_threads() noexcept {
        littered_.store(nullptr, std::memory_order_relaxed);
        Item left{};
        for (Participant* participant = Base::first_of_all(); participant;
             participant = participant->next_of_all) {
            participant->garbage.take_all(left);
            participant->garbage.littered.store(false, std::memory_order_relaxed);
        }
        Base::forget_other_participants();
        Participant* heir = Base::current_or_next();
        if (left == Item{} || !heir) return;
        heir->garbage.waiting.store(left, std::memory_order_seq_cst);
        note_litter(heir->garbage);
    }

private:
    // Packs what waits into an empty bag, if there is one.
    static void fill_bag(Garbage& garbage) noexcept {
        const std::size_t i = garbage.find_empty_bag();
        if (i == Garbage::bag_count) return;
        const Item list = garbage.waiting.exchange(Item{}, std::memory_order_seq_cst);
        if (list == Item{}) return;  // another thread has taken everything
        const std::uint64_t tag = Base::epoch();
        garbage.tags[i] = tag;
        // Other threads may end epochs. If none has since this thread's last bag, this thread does.
        if (std::exchange(garbage.last_tag, tag) == tag) Base::end_epoch(tag);
        garbage.bags[i].store(list, std::memory_order_seq_cst);
        // A thread that took everything in between found the items neither in `waiting` nor here.
        note_litter(garbage);
    }

    // Call it after the items can be found in the garbage. A thread that takes everything first
    // clears the mark, then looks for items. So either it finds these items, or the calling thread
    // finds the mark cleared and puts the garbage on the list again.
    static void note_litter(Garbage& garbage) noexcept {
        if (garbage.littered.load(std::memory_order_seq_cst)) return;
        garbage.littered.store(true, std::memory_order_seq_cst);
        Garbage* head = littered_.load(std::memory_order_relaxed);
        do {
            garbage.next_littered = head;
            // Lost to another thread that put its garbage there, or took the list.
        } while (!littered_.compare_exchange_weak(head, &garbage, std::memory_order_seq_cst));
    }

    // While the thread waits and frees, the list is in `held`. There the child of a fork finds it,
    // and so do other threads, since a finalizer may take its time. Only the owner puts something
    // there. A thread that takes it waits itself.
    template <class Pause>
    static void wait_and_free(Garbage* mine, Item list, const Pause& pause) {
        // What is in `held` already is from a call that this one is nested in, which has waited.
        if (mine) List::take(mine->held, list);
        if (list == Item{}) return;
        if (mine) hold(*mine, list);
        Base::wait_for_pinned(pause);
        if (!mine) return List::free_all(list);
        while ((list = mine->held.exchange(Item{}, std::memory_order_seq_cst)) != Item{}) {
            const Item rest = Items::link(list);
            if (rest != Item{}) hold(*mine, rest);
            Items::free(list);
        }
    }

    static void hold(Garbage& mine, Item list) noexcept {
        mine.held.store(list, std::memory_order_seq_cst);
        note_litter(mine);
    }

    static inline std::atomic<Garbage*> littered_{nullptr};
    static inline std::atomic<Item> orphans_{};
};

}  // namespace cereggii::atomics
