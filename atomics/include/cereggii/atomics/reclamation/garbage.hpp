// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/tuning.hpp"

// Where retired items wait until they can be freed. When that is, participants.hpp says.
namespace cereggii::atomics::reclamation {

// Lists of items, each linked through the items themselves, so that to retire one allocates
// nothing.
//
// A list that several threads use is an atomic with its first item. push() adds to it, and take()
// empties it. Nobody takes a part of it, so there is no ABA problem.
template <class Items>
struct ItemList {
    using Item = typename Items::Item;

    // Puts the items from `first` to `last` in front of the list.
    static void push(std::atomic<Item>& list, Item first, Item last) noexcept {
        Item head = list.load(std::memory_order_relaxed);
        do {
            Items::set_link(last, head);
            // Lost to another thread that pushed or took: `head` is what is there now.
        } while (!list.compare_exchange_weak(head, first, std::memory_order_seq_cst));
    }

    // Moves all items of `from` to the front of `list`.
    static void take(std::atomic<Item>& from, Item& list) noexcept {
        if (from.load(std::memory_order_seq_cst) != Item{})
            list = concatenate(from.exchange(Item{}, std::memory_order_seq_cst), list);
    }

    // The same, into an empty list. Relaxed: for a list that only the calling thread adds to, so an
    // old value can only be one that another thread has taken since.
    static Item take_own(std::atomic<Item>& from) noexcept {
        return from.load(std::memory_order_relaxed) == Item{}
                   ? Item{}
                   : from.exchange(Item{}, std::memory_order_seq_cst);
    }

    // An item is taken out of the list before it is freed: to free it may run code that comes back
    // to the reclaimer.
    static void free_all(Item list) {
        while (list != Item{}) {
            const Item item = list;
            list = Items::link(item);
            Items::free(item);
        }
    }

private:
    static Item concatenate(Item front, Item back) noexcept {
        if (front == Item{}) return back;
        Item last = front;
        while (Items::link(last) != Item{}) last = Items::link(last);
        Items::set_link(last, back);
        return front;
    }
};

// What a thread has retired and nobody has freed yet. Only that thread adds to it. Other threads
// may take whole lists out of it: that is how free_everything() works.
//
//     waiting ─▶ item ─▶ item ─▶ …        retired while another thread was pinned
//     bags[0] ─▶ item ─▶ item ─▶ …        packed a while ago, when the epoch was tags[0]
//     bags[1] ─▶ item ─▶ item ─▶ …
//     …
//     held ─▶ item ─▶ …                   being freed by free_everything()
template <class Items>
struct Garbage {
    using Item = typename Items::Item;
    using List = ItemList<Items>;
    static constexpr std::size_t bag_count = tuning::reclamation::bags_per_thread;

    std::atomic<Item> waiting{};
    std::array<std::atomic<Item>, bag_count> bags{};
    std::atomic<Item> held{};

    // The epoch in which each bag was filled. Only the thread itself uses it.
    std::array<std::uint64_t, bag_count> tags{};
    // The tag of the bag that was filled last. Only the thread itself uses it.
    std::uint64_t last_tag = 0;
    // How many items have been retired since the last bag was filled, while others were pinned.
    // Only the thread itself uses it.
    std::uint32_t retired = 0;
    // Whether this garbage is on the littered list. Its thread sets it before it puts the garbage
    // on that list, and the thread that takes it off clears it.
    std::atomic<bool> littered{false};
    Garbage* next_littered = nullptr;

    // Moves all items to the front of `list`. Any thread may call it.
    void take_all(Item& list) noexcept {
        List::take(waiting, list);
        for (std::atomic<Item>& bag : bags) List::take(bag, list);
        List::take(held, list);
    }

    // Lists that are to be freed, each on its own.
    struct Lists {
        std::array<Item, bag_count + 1> lists{};

        void free() const {
            for (const Item list : lists) List::free_all(list);
        }
    };

    // Takes the bags with a tag below `oldest`. With UINT64_MAX it takes all bags, and what waits
    // as well. Everything is taken before any of it is freed, because to free it may come back
    // here. For the thread itself.
    Lists take_older_than(std::uint64_t oldest) noexcept {
        Lists own;
        for (std::size_t i = 0; i < bags.size(); ++i)
            if (tags[i] < oldest) own.lists[i] = List::take_own(bags[i]);
        if (oldest == UINT64_MAX) own.lists[bag_count] = List::take_own(waiting);
        return own;
    }

    // The index of a bag that is empty; bag_count if there is none. For the thread itself.
    std::size_t find_empty_bag() const noexcept {
        std::size_t i = 0;
        while (i < bags.size() && bags[i].load(std::memory_order_seq_cst) != Item{}) ++i;
        return i;
    }
};

}  // namespace cereggii::atomics::reclamation
