// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <thread>
#include <utility>

#include "cereggii/atomics/reclamation.hpp"
#include "check.hpp"
#include "race.hpp"

namespace cereggii::testing {
namespace {

constexpr std::size_t readers = 2;
constexpr std::size_t writers = 2;
constexpr Budget::Time time{800};
constexpr std::uint64_t rounds = 200'000;  // of a writer: each leaves a node

// Plain data: a thread that is pinned must not see a node freed, and must not race with that.
struct Node {
    Node* link = nullptr;
    bool poisoned = false;
};

struct Nodes {
    using Item = Node*;
    static Item link(Item item) noexcept { return item->link; }
    static void set_link(Item item, Item link) noexcept { item->link = link; }

    static inline std::atomic<std::uint64_t> freed{0};
};

// Nodes that stay there forever, so that a poisoned one is seen however late.
struct Poisoned : Nodes {
    static void free(Item item) noexcept {
        check(!item->poisoned, "freed twice");
        item->poisoned = true;
        ++freed;
    }
};

// Memory that is really freed, for the sanitizers to see.
struct Deleted : Nodes {
    static void free(Item item) noexcept {
        item->poisoned = true;
        delete item;
        ++freed;
    }
};

// Each look is a millisecond after the one before, so participants become dormant all the time.
struct HastyClock {
    using duration = std::chrono::milliseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<HastyClock>;

    static time_point now() noexcept { return time_point(duration(++looks)); }
    static inline std::atomic<rep> looks{0};
};

void yield() { std::this_thread::yield(); }

// A pointer that is replaced while others follow it.
template <class Items>
struct Slot {
    using Domain = atomics::Reclaimer<Items, HastyClock>;

    void look(Random& random) {
        auto& participant = *Domain::current();
        if (random.one_in(16)) linger(random, 40'000);  // until the participant is dormant
        const std::uint32_t links = participant.links;
        Domain::pin(participant);
        const Node* found = node.load(std::memory_order_seq_cst);
        check(!found->poisoned, "a freed node was found");
        if (random.one_in(64)) yield();
        linger(random, 40);
        check(!found->poisoned, "a node was freed that somebody looks at");
        Domain::unpin(participant);
        linked_again += participant.links - links;
    }

    void replace(Node* with, Random& random) {
        // Sequentially consistent, as the pins are: what a reader loads after its participant is
        // linked again is loaded after this exchange.
        Node* replaced = node.exchange(with, std::memory_order_seq_cst);
        if (random.one_in(8)) {
            Domain::leave_for_all(replaced);
        } else {
            if (random.one_in(4)) Domain::take_what_is_left_for_all(replaced);
            Domain::retire(*Domain::current(), replaced);
        }
        ++retired;
        if (random.one_in(64)) Domain::free_everything(Domain::current(), yield);
    }

    // Everything has been freed, once no thread has been pinned for a while.
    void check_all_freed() const {
        // The second time: nothing is there.
        for (int i = 0; i < 2; ++i)
            Domain::free_everything(Domain::current(), [] { check(false, "no thread is pinned"); });
        check(!Domain::has_garbage());
        check_equal(Items::freed, retired);
    }

    std::atomic<Node*> node;
    std::atomic<std::uint64_t> retired{0};
    std::atomic<std::uint64_t> linked_again{0};
};

template <class Items, class NewNode>
void replace_while_others_look(const NewNode& new_node) {
    Items::freed = 0;
    Slot<Items> slot{new_node(0)};
    std::atomic<std::size_t> writing{writers};
    race(readers + writers, [&](std::size_t thread, Random& random) {
        if (thread < writers) {
            for (Budget budget(time, rounds); budget.more();) {
                slot.replace(new_node(thread), random);
                linger(random, 40);
            }
            --writing;
        } else {
            while (writing > 0) slot.look(random);
        }
    });
    Random random;
    slot.replace(nullptr, random);
    slot.check_all_freed();
    note("freed", Items::freed);
    note("linked again", slot.linked_again);
}

TEST(no_freed_node_is_found_and_all_retired_nodes_are_freed) {
    std::deque<Node> nodes[writers];
    replace_while_others_look<Poisoned>(
        [&](std::size_t thread) { return &nodes[thread].emplace_back(); });
}

TEST(memory_is_not_freed_while_it_is_looked_at) {
    replace_while_others_look<Deleted>([](std::size_t) { return new Node; });
}

// The reader pins at the very moment when a pass finds its participant unused for the second time.
TEST(a_thread_that_pins_while_it_becomes_dormant_is_seen) {
    struct OfPasses : Poisoned {};
    using Domain = Slot<OfPasses>::Domain;
    std::deque<Node> nodes;
    Slot<OfPasses> slot{&nodes.emplace_back()};
    Rendezvous meeting(2);
    std::atomic<bool> done{false};
    const auto pass = [] {
        for (std::uint32_t i = 0; i < Domain::scans_between_looks; ++i)
            Domain::note_scan(*Domain::current());
    };
    race(2, [&](std::size_t thread, Random& random) {
        for (Budget budget(time, rounds);;) {
            if (thread == 0) {
                pass();
                done = !budget.more();
            }
            meeting.arrive_and_wait();
            if (done) break;
            linger(random, 100);
            if (thread == 0) {
                pass();
                Node* replaced = slot.node.exchange(&nodes.emplace_back());
                Domain::retire(*Domain::current(), replaced);
            } else {
                auto& participant = *Domain::current();
                const std::uint32_t links = participant.links;
                Domain::pin(participant);
                const Node* found = slot.node.load();
                for (int i = 0; i < 4; ++i) {
                    check(!found->poisoned, "a node was freed that somebody looks at");
                    linger(random, 100);
                }
                Domain::unpin(participant);
                slot.linked_again += participant.links - links;
            }
            meeting.arrive_and_wait();
        }
    });
    note("linked again", slot.linked_again);
}

// Participants get other threads while scans go through them.
TEST(threads_may_begin_and_end_meanwhile) {
    struct OfThreads : Deleted {};
    Deleted::freed = 0;
    Slot<OfThreads> slot{new Node};
    race(4, [&](std::size_t, Random& random) {
        for (Budget budget; budget.more();)
            std::jthread([&] {
                auto& participant = *Slot<OfThreads>::Domain::current();
                check(!std::exchange(participant.spare, &participant),
                      "two threads have one participant");
                for (int i = 0; i < 8; ++i) {
                    slot.look(random);
                    if (random.one_in(2)) slot.replace(new Node, random);
                }
                check(std::exchange(participant.spare, nullptr),
                      "two threads have one participant");
            }).join();
    });
    Random last;
    slot.replace(nullptr, last);
    slot.check_all_freed();
    std::size_t participants = 0;
    for (auto* participant = Slot<OfThreads>::Domain::first_of_all(); participant;
         participant = participant->next_of_all)
        ++participants;
    check(participants <= 4 + 1, "a participant is not used again");
    std::size_t active = 0;
    for (auto* participant = Slot<OfThreads>::Domain::first(); participant;
         participant = Slot<OfThreads>::Domain::after(*participant))
        ++active;
    check_equal(active, 1u);
}

// One thread packs what waits into a bag, and another one takes everything at the same time: no
// item may be lost.
TEST(items_packed_while_everything_is_taken_are_not_lost) {
    struct OfGames : Deleted {};
    using Domain = atomics::Reclaimer<OfGames, HastyClock>;
    constexpr std::uint64_t left = 32;  // a bag
    Deleted::freed = 0;
    std::uint64_t retired = 0;
    Random random(1);
    for (Budget budget(time, rounds); budget.more();) {
        Domain::pin(*Domain::current());
        std::atomic<bool> almost{false};
        std::atomic<int> ready{0};
        const std::size_t pause = random.below(200);
        std::jthread retires([&] {
            for (std::uint64_t i = 1; i < left; ++i) Domain::retire(*Domain::current(), new Node);
            ++ready;
            while (ready < 2) yield();
            almost = true;
            Domain::retire(*Domain::current(), new Node);
        });
        std::jthread takes([&] {
            ++ready;
            while (!almost) atomics::relax();
            Random spread(pause);
            linger(spread, pause);
            Domain::free_everything(Domain::current(), yield);
        });
        retires.join();
        Domain::unpin(*Domain::current());
        takes.join();
        retired += left;
        Domain::free_everything(Domain::current(), yield);
        check_equal(Deleted::freed.load(), retired);
    }
}

// Some threads close a gate, to be alone with what the others write to.
TEST(no_thread_writes_after_the_writers_were_waited_for) {
    struct OfGate : Poisoned {};
    using Domain = atomics::Reclaimer<OfGate, HastyClock>;
    std::atomic<bool> closed{false};
    std::atomic<int> writing{0};
    std::uint64_t alone = 0;  // plain: a thread that is alone is ordered after all others
    std::atomic<std::size_t> closing{2};
    std::atomic<std::uint64_t> written{0};
    race(4, [&](std::size_t thread, Random& random) {
        if (thread < 2) {
            for (Budget budget; budget.more();) {
                for (bool open = false; !closed.compare_exchange_weak(open, true); open = false)
                    yield();
                Domain::note_scan(*Domain::current());
                Domain::wait_for_writers(&closed, yield);
                check_equal(writing, 0);
                ++alone;
                linger(random, 40);
                check_equal(writing, 0);
                closed = false;
                linger(random, 400);
            }
            --closing;
        } else {
            auto& participant = *Domain::current();
            while (closing > 0) {
                Domain::pin_writing(participant, &closed);
                if (!closed) {
                    ++writing;
                    if (random.one_in(64)) yield();
                    check(alone < UINT64_MAX);
                    --writing;
                    ++written;
                }
                Domain::unpin(participant);
                if (random.one_in(64)) yield();
                if (random.one_in(16)) linger(random, 40'000);
            }
        }
    });
    note("alone", alone);
    note("written", written);
}

}  // namespace
}  // namespace cereggii::testing
