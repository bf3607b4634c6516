// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/reclamation.hpp"

#include <array>

#include "clocks.hpp"
#include "model.hpp"

// The reclaimer, with bags of one item. A thing is read by threads that are pinned, and freed by
// the reclaimer: then its value is overwritten, so a read that has not happened before is a race.
namespace cereggii::model {
namespace {

struct Thing {
    Plain<int> value{1};
    Plain<Thing*> link{nullptr};
    int times_freed = 0;
    Atomic<bool> is_freed{false};
    // Its finalizer waits until this one is freed.
    const Thing* waits_for = nullptr;
};

struct Things {
    using Item = Thing*;
    static Item link(Item item) { return item->link; }
    static void set_link(Item item, Item link) noexcept { item->link = link; }
    static void free(Item item) {
        item->value = 0;
        ++item->times_freed;
        item->is_freed.store(true, std::memory_order_release);
        if (item->waits_for)
            while (!item->waits_for->is_freed.load(std::memory_order_acquire)) yield();
    }
};

// A structure with some links to things, and the threads that use it.
template <class Clock>
struct World {
    using Domain = atomics::Reclaimer<Things, Clock>;

    World() {
        for (std::size_t i = 0; i < things.size(); ++i) links[i].store(&things[i]);
    }

    static void pin() { Domain::pin(*Domain::current()); }
    static void unpin() { Domain::unpin(*Domain::current()); }

    // What is read under a pin was not freed before.
    void read(std::size_t i) {
        pin();
        if (Thing* found = links[i].load(std::memory_order_seq_cst))
            check(found->value == 1, "a thing is read after it was freed");
        unpin();
    }
    // Under a pin, as a thread of the map does it.
    Thing* unlink(std::size_t i) {
        pin();
        Thing* found = links[i].exchange(nullptr, std::memory_order_seq_cst);
        unpin();
        return found;
    }
    void remove(std::size_t i) {
        if (Thing* found = unlink(i)) {
            Thing* list = found;
            Domain::take_what_is_left_for_all(list);
            Domain::retire(*Domain::current(), list);
        }
    }
    void leave_for_all(std::size_t i) {
        if (Thing* found = unlink(i)) Domain::leave_for_all(found);
    }
    static void free_everything() { Domain::free_everything(Domain::current(), &yield); }
    // The main thread stays pinned until another thread unpins it, so that what is removed waits. It
    // is the last one on the active list. So a scan of a thread that has come second stops there,
    // and has looked at no thread that has come later.
    static typename Domain::Participant& pin_main_thread() {
        auto& participant = *Domain::current();
        Domain::pin(participant);
        return participant;
    }

    // Everything that was removed is freed, once, when all threads have ended.
    void check_end() {
        free_everything();
        free_everything();  // the first call may have left a hint that something waits
        check(!Domain::has_garbage(), "something is left");
        for (std::size_t i = 0; i < things.size(); ++i)
            check(things[i].times_freed == (links[i].load() ? 0 : 1), "freed too often, or never");
    }

    std::array<Thing, 3> things;
    std::array<Atomic<Thing*>, 3> links;
};

using Still = World<StoppedClock>;
using Tidying = World<FastClock>;

// ── who is pinned ───────────────────────────────────────────────────────────────────────────────

SCENARIO(a_reader_and_a_remover, {.preemptions = 3, .stale_reads = 2}) {
    Still world;
    threads([&] { world.read(0); }, [&] { world.remove(0); });
    world.check_end();
}

SCENARIO(a_reader_reads_again, {.preemptions = 3, .stale_reads = 2}) {
    Still world;
    threads(
        [&] {
            world.read(0);
            world.read(0);
        },
        [&] { world.remove(0); });
    world.check_end();
}

SCENARIO(two_readers_and_a_remover, {.preemptions = 2, .stale_reads = 1}) {
    Still world;
    threads([&] { world.read(0); }, [&] { world.read(0); }, [&] { world.remove(0); });
    world.check_end();
}

// ── bags and epochs ─────────────────────────────────────────────────────────────────────────────

SCENARIO(a_remover_of_two_fills_bags, {.preemptions = 3, .stale_reads = 1}) {
    Still world;
    threads([&] { world.read(0); },
            [&] {
                world.remove(0);
                world.remove(1);
            });
    world.check_end();
}

SCENARIO(a_remover_of_three_fills_bags, {.preemptions = 2, .stale_reads = 1}) {
    Still world;
    threads(
        [&] {
            world.read(0);
            world.read(1);
        },
        [&] {
            world.remove(0);
            world.remove(1);
            world.remove(2);
        });
    world.check_end();
}

SCENARIO(two_removers_and_a_reader, {.preemptions = 2, .stale_reads = 1}) {
    Still world;
    threads(
        [&] {
            world.read(0);
            world.read(1);
        },
        [&] {
            world.remove(0);
            world.remove(2);
        },
        [&] { world.remove(1); });
    world.check_end();
}

// A remover stops its scan at the first reader that it sees pinned, so it has not looked at the other
// one when it fills a bag.
SCENARIO(two_readers_and_a_remover_that_fills_bags, {.preemptions = 3, .stale_reads = 1}) {
    Still world;
    threads([&] { world.read(0); }, [&] { world.read(0); },
            [&] {
                world.remove(0);
                world.remove(1);
                world.remove(2);
            });
    world.check_end();
}

// The epoch is ended by a thread that has removed something else.
SCENARIO(two_removers_end_epochs, {.preemptions = 3, .stale_reads = 1}) {
    Still world;
    threads(
        [&] {
            world.read(0);
            world.read(0);
        },
        [&] {
            world.remove(0);
            world.remove(1);
        },
        [&] {
            world.remove(2);
            world.read(1);
        });
    world.check_end();
}

// ── free_everything() ───────────────────────────────────────────────────────────────────────────

SCENARIO(a_third_thread_frees_everything, {.preemptions = 2, .stale_reads = 1}) {
    Still world;
    threads([&] { world.read(0); }, [&] { world.remove(0); }, [&] { world.free_everything(); });
    world.check_end();
}

// The remover has seen one reader pinned, and not looked at the other one.
SCENARIO(two_readers_and_a_remover_that_frees_everything, {.preemptions = 3, .stale_reads = 1}) {
    Still world;
    threads([&] { world.read(0); }, [&] { world.read(0); },
            [&] {
                world.remove(0);
                world.free_everything();
            });
    world.check_end();
}

SCENARIO(two_threads_free_everything, {.preemptions = 2, .stale_reads = 1}) {
    Still world;
    threads([&] { world.read(0); },
            [&] {
                world.remove(0);
                world.free_everything();
            },
            [&] { world.free_everything(); });
    world.check_end();
}

SCENARIO(a_remover_frees_everything_itself, {.preemptions = 3, .stale_reads = 2}) {
    Still world;
    threads([&] { world.read(0); },
            [&] {
                world.remove(0);
                world.free_everything();
                check(world.things[0].times_freed == 1, "its own garbage is left");
            });
    world.check_end();
}

// The remover's garbage is on the list of what another thread takes while more is added to it.
SCENARIO(more_is_removed_while_everything_is_freed, {.preemptions = 3, .stale_reads = 1}) {
    Still world;
    threads([&] { world.read(2); },
            [&] {
                world.remove(0);
                world.remove(1);
            },
            [&] { world.free_everything(); });
    world.check_end();
}

SCENARIO(a_thing_is_freed_although_a_finalizer_before_it_waits,
         {.preemptions = 2, .stale_reads = 1}) {
    Still world;
    const auto free_both = [&] {
        while (!world.things[0].is_freed.load(std::memory_order_acquire) ||
               !world.things[1].is_freed.load(std::memory_order_acquire)) {
            world.free_everything();
            yield();
        }
    };
    threads([&] { world.read(2); },
            [&] {
                world.remove(0);
                world.remove(1);
                // Both are removed: from now on each may wait for the other one.
                world.things[0].waits_for = &world.things[1];
                world.things[1].waits_for = &world.things[0];
                free_both();
            },
            free_both);
    world.check_end();
}

SCENARIO(what_is_left_for_all_is_freed_by_a_remover, {.preemptions = 2, .stale_reads = 1}) {
    Still world;
    threads([&] { world.read(0); }, [&] { world.leave_for_all(0); }, [&] { world.remove(1); });
    world.check_end();
}

// ── what a scan has not looked at ───────────────────────────────────────────────────────────────

// Nobody has looked at the reader before all are waited for.
SCENARIO(a_reader_and_what_is_left_for_all, {.preemptions = 2, .stale_reads = 1}) {
    Still world;
    threads([&] { world.read(0); },
            [&] {
                world.leave_for_all(0);
                world.free_everything();
            });
    world.check_end();
}

// The remover fills a bag when the reader has ended the epoch, and has pinned with the next one.
SCENARIO(a_reader_that_has_ended_the_epoch, {.preemptions = 0, .stale_reads = 1}) {
    Still world;
    auto& pinned = world.pin_main_thread();
    Schedule turns;
    threads(
        [&] {
            Still::Domain::current();  // before the reader, so that no scan reaches that
            turns.end();
            turns.wait_for(2);
            // Not under a pin, which would load the epoch.
            Thing* unlinked = world.links[0].exchange(nullptr, std::memory_order_seq_cst);
            Still::Domain::retire(*Still::Domain::current(), unlinked);
            Still::Domain::unpin(pinned);
            world.remove(1);
            turns.end();
        },
        [&] {
            turns.wait_for(1);
            world.remove(2);
            world.pin();
            const Thing* found = world.links[0].load(std::memory_order_seq_cst);
            turns.end();
            turns.wait_for(3);
            check(found->value == 1, "a thing is read after it was freed");
            world.unpin();
        });
    world.check_end();
}

// ── garbage that is taken while its owner adds to it ────────────────────────────────────────────

// The other thread has cleared the mark, and has found nothing, before the owner adds something.
SCENARIO(the_owner_sees_that_its_mark_was_cleared, {.preemptions = 0, .stale_reads = 2}) {
    Still world;
    auto& pinned = world.pin_main_thread();
    Schedule turns;
    threads(
        [&] {
            world.remove(0);
            Still::Domain::unpin(pinned);
            world.remove(1);  // nobody is pinned, so the thread frees both
            Still::Domain::pin(pinned);
            turns.end();
            turns.wait_for(2);
            world.remove(2);
            turns.end();
        },
        [&] {
            turns.wait_for(1);
            world.free_everything();
            turns.end();
            turns.wait_for(3);
        });
    Still::Domain::unpin(pinned);
    world.check_end();
}

// The owner has added something before the other thread clears the mark: with full bags, it is in
// `waiting`.
SCENARIO(what_was_added_before_the_mark_is_cleared_is_found, {.preemptions = 0, .stale_reads = 2}) {
    Still world;
    auto& pinned = world.pin_main_thread();
    Schedule turns;
    threads(
        [&] {
            for (std::size_t i = 0; i < 3; ++i) world.remove(i);
            turns.end();
            turns.wait_for(2);
        },
        [&] {
            turns.wait_for(1);
            Still::Domain::free_everything(Still::Domain::current(),
                                           [&] { Still::Domain::unpin(pinned); });
            turns.end();
        });
    world.check_end();
}

// ── the active list ─────────────────────────────────────────────────────────────────────────────

// The remover's first scans make the reader's participant dormant, and its last one has to see the
// reader pinned.
SCENARIO(a_dormant_reader_is_seen, {.preemptions = 3, .stale_reads = 1}) {
    Tidying world;
    threads([&] { world.read(0); },
            [&] {
                auto& me = *Tidying::Domain::current();
                Tidying::Domain::note_scan(me);
                Tidying::Domain::note_scan(me);
                world.remove(0);
            });
    world.check_end();
}

SCENARIO(a_reader_becomes_dormant_between_two_reads, {.preemptions = 3, .stale_reads = 1}) {
    Tidying world;
    threads(
        [&] {
            world.read(1);
            world.read(0);
        },
        [&] {
            auto& me = *Tidying::Domain::current();
            Tidying::Domain::note_scan(me);
            Tidying::Domain::note_scan(me);
            world.remove(0);
        });
    world.check_end();
}

SCENARIO(two_threads_tidy, {.preemptions = 2, .stale_reads = 1}) {
    Tidying world;
    threads([&] { world.read(0); }, [&] { world.remove(1); }, [&] { world.remove(0); });
    world.check_end();
}

// ── writers ─────────────────────────────────────────────────────────────────────────────────────

// A writer that finds the gate open is waited for by the thread that has closed it.
SCENARIO(a_writer_is_waited_for, {.preemptions = 3, .stale_reads = 2}) {
    using Domain = Still::Domain;
    const int map = 0;
    Atomic<bool> is_closed{false};
    Plain<int> written{0};
    threads(
        [&] {
            auto& me = *Domain::current();
            Domain::pin_writing(me, &map);
            if (!is_closed.load(std::memory_order_seq_cst)) written = 1;
            Domain::unpin(me);
        },
        [&] {
            is_closed.store(true, std::memory_order_seq_cst);
            Domain::wait_for_writers(&map, &yield);
            written = 2;
        });
}

// It writes to another map afterwards, so the waiting thread may see that instead of the unpin.
SCENARIO(a_writer_that_goes_on_with_another_map, {.preemptions = 3, .stale_reads = 2}) {
    using Domain = Still::Domain;
    const int map = 0, other = 0;
    Atomic<bool> is_closed{false};
    Plain<int> written{0};
    threads(
        [&] {
            auto& me = *Domain::current();
            Domain::pin_writing(me, &map);
            if (!is_closed.load(std::memory_order_seq_cst)) written = 1;
            Domain::unpin(me);
            Domain::pin_writing(me, &other);
            Domain::unpin(me);
        },
        [&] {
            is_closed.store(true, std::memory_order_seq_cst);
            Domain::wait_for_writers(&map, &yield);
            written = 2;
        });
}

SCENARIO(a_dormant_writer_is_waited_for, {.preemptions = 3, .stale_reads = 1}) {
    using Domain = Tidying::Domain;
    const int map = 0;
    Atomic<bool> is_closed{false};
    Plain<int> written{0};
    threads(
        [&] {
            auto& me = *Domain::current();
            Domain::pin_writing(me, &map);
            if (!is_closed.load(std::memory_order_seq_cst)) written = 1;
            Domain::unpin(me);
        },
        [&] {
            auto& me = *Domain::current();
            Domain::note_scan(me);
            Domain::note_scan(me);
            is_closed.store(true, std::memory_order_seq_cst);
            Domain::wait_for_writers(&map, &yield);
            written = 2;
        });
}

}  // namespace
}  // namespace cereggii::model
