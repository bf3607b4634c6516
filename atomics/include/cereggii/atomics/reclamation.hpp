// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "cereggii/atomics/cache_line.hpp"

namespace cereggii::atomics {

// When the memory that a lock-free structure has unlinked may be given back: when every thread that
// could have found it before has been outside of the structure since. After Fraser's epochs
// ("Practical lock-freedom", 2004), with two differences: whoever retires something looks first
// whether anybody else is inside at all, and frees it at once if not; and what had to wait can be
// taken over by others, so that a thread that falls asleep or ends strands nothing.
//
//     record of each thread:   state = epoch:62 | writing:1 | pinned:1     0 while it is outside
//                              waiting ─▶ item ─▶ item      retired while somebody was inside
//                              bags[]: item(tag) ─▶ item    the same, a while ago
//     shared:                  epoch_
//                              taken_over_ ─▶ item(tag) ─▶ item(tag)
//
// To be inside is to be pinned. Between pin and unpin a thread runs natively only, and never waits
// for anything, so pins are short; they do not nest.
//
// Where many threads retire, each works on what is its own: it makes bags of what waits, and frees
// its bags, and only when it is quiet, or now and then, looks at what others have left. The epoch,
// which every pin reads, is changed as seldom as is enough for that.
//
// Correctness. All of it is sequentially consistent, but for hints. An item is retired after its
// last link is gone.
//   - At once: for each record, the retiring thread has seen it unpinned after that. A pin that
//     follows is an exchange later in the one order of all, so no link is seen under it.
//   - Later: a tag is what epoch_ was after the item was retired. A record pinned with a larger
//     epoch has loaded epoch_ after that, so it found no link. An item is freed when each record
//     has been seen unpinned, or pinned with a larger epoch, since it was tagged.
//
// Items says what can be retired. It is told from the inside where an item keeps its link and tag,
// which only the reclaimer touches once the item is retired; readers that are inside still read the
// rest of it:
//
//     using Item = ...;                 default-constructed: none; trivially copyable
//     static Item link(Item);           static void set_link(Item, Item);
//     static std::uint64_t tag(Item);   static void set_tag(Item, std::uint64_t);
//     static void free(Item);           runs whatever the item's destruction runs, outside of a pin
template <class Items>
class Reclaimer {
public:
    using Item = typename Items::Item;

    static constexpr std::size_t bag_count = 4;

    // What a thread is in. Never freed: it is lent to one thread after another.
    struct alignas(destructive_interference) Record {
        std::atomic<std::uint64_t> state{0};
        // What a thread that is pinned for writing writes to; of interest while it is.
        std::atomic<const void*> written{nullptr};
        std::uint32_t number = 0;
        std::uint32_t unpins = 0;
        void* spare = nullptr;  // for the structure: what its next insertion needs
        Record* next = nullptr;
        std::atomic<bool> lent{false};

        // Apart from the state, which others look at all the time. Others only take out.
        alignas(destructive_interference) std::atomic<Item> waiting{};
        std::array<std::atomic<Item>, bag_count> bags{};
        // The thread's own: the tags of the bags it has filled, and how many items it has retired.
        std::array<std::uint64_t, bag_count> tags{};
        std::uint64_t last_tag = 0;
        std::uint32_t retired = 0;
        std::uint32_t looks = 0;
    };

    static constexpr std::uint64_t pinned = 1;
    static constexpr std::uint64_t writing = 2;

    // The calling thread's record; null if there is no memory for one.
    [[gnu::always_inline]] static Record* mine() noexcept {
        Record* record = mine_;
        return record ? record : borrow();
    }

    [[gnu::always_inline]] static void pin(Record& record) noexcept {
        const std::uint64_t epoch = epoch_.load(std::memory_order_seq_cst);
        record.state.exchange(epoch << 2 | pinned, std::memory_order_seq_cst);
    }

    [[gnu::always_inline]] static void pin_writing(Record& record, const void* to) noexcept {
        // Release: pairs with the load in wait_for_writers, which may find it instead of an unpin.
        record.written.store(to, std::memory_order_release);
        const std::uint64_t epoch = epoch_.load(std::memory_order_seq_cst);
        record.state.exchange(epoch << 2 | writing | pinned, std::memory_order_seq_cst);
    }

    // Release: what was read under the pin was read before a reclaimer sees it gone.
    [[gnu::always_inline]] static void unpin(Record& record) noexcept {
        record.state.store(0, std::memory_order_release);
    }

    // After an unpin, where the destruction of items may run: now and then, a look whether others
    // have left something to free.
    [[gnu::always_inline]] static void after_unpin(Record& record) {
        if (++record.unpins % between_looks == 0 && something_waits()) [[unlikely]]
            look_around(record);
    }

    // A list of items that nobody who pins from now on can find. The caller is not pinned.
    static void retire(Record& record, Item list) {
        if (!others_are_pinned(record)) {
            const Lists own = take_own(record, UINT64_MAX);  // retired before that was seen, too
            free_all(list);
            own.free();
            // It is quiet: what others have left can be freed as well.
            if (something_waits()) [[unlikely]]
                collect(record);
        } else {
            std::uint32_t count = 1;
            Item last = list;
            for (Item next = Items::link(last); next != Item{}; next = Items::link(last)) {
                last = next;
                ++count;
            }
            push(record.waiting, list, last);
            note_that_something_waits();
            if ((record.retired += count) >= enough_for_a_bag) {
                record.retired = 0;
                fill_bag(record);
                take_own(record, oldest_epoch(record)).free();
            }
        }
        after_unpin(record);
    }

    // Whether a thread is pinned for writing to this. Each is asked in turn: one that pins after it
    // was asked is not waited for.
    template <class Pause>
    static void wait_for_writers(const void* written, const Pause& pause) {
        for (Record* record = first(); record; record = record->next) {
            constexpr std::uint64_t mask = pinned | writing;
            while ((record->state.load(std::memory_order_seq_cst) & mask) == mask &&
                   record->written.load(std::memory_order_acquire) == written)
                pause();
        }
    }

    // In the child of a fork, of whose threads only the calling one is left. None was pinned.
    static void forget_other_threads() noexcept {
        for (Record* record = first(); record; record = record->next) {
            if (record == mine_) continue;
            record->state.store(0, std::memory_order_relaxed);
            record->lent.store(false, std::memory_order_relaxed);
        }
    }

    // Frees what can be freed, whoever retired it.
    [[gnu::noinline]] static void collect(Record& me) {
        // Cleared before the lists are taken: what is added later sets it again.
        something_waits_.store(false, std::memory_order_seq_cst);
        Item list{};
        const auto take_over = [&list](std::atomic<Item>& from) {
            if (from.load(std::memory_order_seq_cst) != Item{})
                list = concatenate(from.exchange(Item{}, std::memory_order_seq_cst), list);
        };
        for (Record* record = first(); record; record = record->next) {
            take_over(record->waiting);
            for (std::atomic<Item>& bag : record->bags) take_over(bag);
        }
        if (list != Item{}) {
            const std::uint64_t tag = epoch_.fetch_add(1, std::memory_order_seq_cst);
            for (Item item = list; item != Item{}; item = Items::link(item))
                Items::set_tag(item, tag);
        }
        list = concatenate(taken_over_.exchange(Item{}, std::memory_order_seq_cst), list);
        const std::uint64_t oldest = oldest_epoch(me);
        Item free{}, keep{}, last_kept{};
        while (list != Item{}) {
            const Item item = list;
            list = Items::link(item);
            if (Items::tag(item) < oldest) {
                Items::set_link(item, free);
                free = item;
            } else {
                if (keep == Item{}) last_kept = item;
                Items::set_link(item, keep);
                keep = item;
            }
        }
        if (keep != Item{}) {
            push(taken_over_, keep, last_kept);
            note_that_something_waits();
        }
        free_all(free);
    }

    // In the one order of all, as the pins: a record that is new is found, or its pin comes later.
    static Record* first() noexcept { return first_.load(std::memory_order_seq_cst); }

private:
    static constexpr std::uint32_t between_looks = 64;
    static constexpr std::uint32_t between_thorough_looks = 64;
    static constexpr std::uint32_t enough_for_a_bag = 32;

    // A hint, of which a thread gets to know at last.
    static bool something_waits() noexcept {
        return something_waits_.load(std::memory_order_relaxed);
    }
    // After it can be found. In the one order of all: a collection that has not found it has
    // cleared the flag before. Written only if need be, since everybody reads it.
    static void note_that_something_waits() noexcept {
        if (!something_waits_.load(std::memory_order_seq_cst))
            something_waits_.store(true, std::memory_order_seq_cst);
    }

    // Beginning with another record in each thread, so that not all ask the same thread.
    static bool others_are_pinned(const Record& me) noexcept {
        const auto is_pinned = [](const Record& record) {
            return record.state.load(std::memory_order_seq_cst) != 0;
        };
        for (const Record* record = me.next; record; record = record->next)
            if (is_pinned(*record)) return true;
        for (const Record* record = first(); record != &me; record = record->next)
            if (is_pinned(*record)) return true;
        return false;
    }

    // Among threads that retire all the time, each sees to its own; what others have left is taken
    // over when nobody is inside, or at last in any case.
    [[gnu::noinline]] static void look_around(Record& me) {
        if (++me.looks % between_thorough_looks == 0 || !others_are_pinned(me)) collect(me);
    }

    // Of what waits in the thread's record, if there is an empty bag.
    static void fill_bag(Record& me) noexcept {
        std::size_t i = 0;
        while (i < me.bags.size() && me.bags[i].load(std::memory_order_seq_cst) != Item{}) ++i;
        if (i == me.bags.size()) return;
        const Item list = me.waiting.exchange(Item{}, std::memory_order_seq_cst);
        if (list == Item{}) return;
        // Others may see to it that the epoch goes on. If nobody has since the last bag, it is up
        // to us; lost to another thread, it has just done so.
        std::uint64_t tag = epoch_.load(std::memory_order_seq_cst);
        me.tags[i] = tag;
        if (std::exchange(me.last_tag, tag) == tag)
            epoch_.compare_exchange_strong(tag, tag + 1, std::memory_order_seq_cst);
        me.bags[i].store(list, std::memory_order_seq_cst);
        // A collection that has come between found it neither there nor here.
        note_that_something_waits();
    }

    // Lists that are to be freed, each on its own.
    struct Lists {
        std::array<Item, bag_count + 1> lists{};

        void free() const {
            for (const Item list : lists) free_all(list);
        }
    };

    // The thread's bags with a tag below this one; of all epochs, what waits as well. Taken before
    // any of it is freed, which may come back here.
    static Lists take_own(Record& me, std::uint64_t oldest) noexcept {
        Lists own;
        const auto take = [](std::atomic<Item>& from) {
            return from.load(std::memory_order_relaxed) == Item{}
                       ? Item{}
                       : from.exchange(Item{}, std::memory_order_seq_cst);
        };
        for (std::size_t i = 0; i < me.bags.size(); ++i)
            if (me.tags[i] < oldest) own.lists[i] = take(me.bags[i]);
        if (oldest == UINT64_MAX) own.lists[bag_count] = take(me.waiting);
        return own;
    }

    static std::uint64_t oldest_epoch(const Record& me) noexcept {
        std::uint64_t oldest = UINT64_MAX;
        for (Record* record = first(); record; record = record->next) {
            const std::uint64_t state = record->state.load(std::memory_order_seq_cst);
            if (record != &me && state != 0 && state >> 2 < oldest) oldest = state >> 2;
        }
        return oldest;
    }

    // Several threads may push; whoever takes takes everything, so there is no ABA.
    static void push(std::atomic<Item>& list, Item first, Item last) noexcept {
        Item head = list.load(std::memory_order_relaxed);
        do {
            Items::set_link(last, head);
        } while (!list.compare_exchange_weak(head, first, std::memory_order_seq_cst));
    }

    static Item concatenate(Item front, Item back) noexcept {
        if (front == Item{}) return back;
        Item last = front;
        while (Items::link(last) != Item{}) last = Items::link(last);
        Items::set_link(last, back);
        return front;
    }

    // Items are taken out of the list before they are freed, which may come back here.
    static void free_all(Item list) {
        while (list != Item{}) {
            const Item item = list;
            list = Items::link(item);
            Items::free(item);
        }
    }

    // Gives the record back when its thread ends; after that the thread uses it no more. It runs no
    // Python code: the interpreter may be gone.
    struct Loan {
        Record* record = nullptr;
        ~Loan() {
            mine_ = nullptr;
            if (record) record->lent.store(false, std::memory_order_release);
        }
    };

    [[gnu::noinline]] static Record* borrow() noexcept {
        Record* record = first();
        for (; record; record = record->next) {
            bool lent = false;
            // Acquire: pairs with the release of whoever had it before.
            if (!record->lent.load(std::memory_order_relaxed) &&
                record->lent.compare_exchange_strong(lent, true, std::memory_order_acquire))
                break;
        }
        if (!record) {
            record = new (std::nothrow) Record;
            if (!record) return nullptr;
            record->lent.store(true, std::memory_order_relaxed);
            record->number = records_.fetch_add(1, std::memory_order_relaxed);
            Record* head = first_.load(std::memory_order_relaxed);
            do {
                record->next = head;
            } while (!first_.compare_exchange_weak(head, record, std::memory_order_seq_cst));
        }
        static thread_local Loan loan;
        loan.record = record;
        return mine_ = record;
    }

    static inline thread_local constinit Record* mine_ = nullptr;
    static inline std::atomic<Record*> first_{nullptr};
    static inline std::atomic<std::uint32_t> records_{0};
    alignas(destructive_interference) static inline std::atomic<std::uint64_t> epoch_{0};
    alignas(destructive_interference) static inline std::atomic<bool> something_waits_{false};
    alignas(destructive_interference) static inline std::atomic<Item> taken_over_{};
};

}  // namespace cereggii::atomics
