// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <thread>

#include "cereggii/atomics/cache_line.hpp"
#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/relax.hpp"
#include "cereggii/atomics/tuning.hpp"

namespace cereggii::atomics::reclamation {

// Which threads are inside a lock-free structure, and since when: the epoch protocol of the
// reclaimer, and its proof. After Fraser's epochs ("Practical lock-freedom", 2004). What waits to
// be freed is in garbage.hpp, and the two are put together in ../reclamation.hpp.
//
// A thread is *pinned* from pin() to unpin(). While it is pinned it runs natively only, and waits
// for no other thread, except for the lock of the lists. So pins are short. They do not nest.
//
//     a participant for each thread
//         state      epoch:62 | writing:1 | pinned:1     while the thread is pinned
//                    0                                   after unpin()
//                    unused                              unpinned, and a pass of tidy() saw it so
//         dormant    it is off the active list, or is being taken off
//
//     shared
//         epoch_                                         each pin copies it into its state
//         first_ ─▶ participant ─▶ participant ─▶ …      the active list, by `next`
//         free_  ─▶ participant ─▶ participant ─▶ …      of threads that have ended, by `next_free`
//         all_   ─▶ participant ─▶ participant ─▶ …      all ever made, by `next_of_all`
//
// Each pin reads epoch_, so a change of it costs all threads a cache miss. It is changed as seldom
// as is enough.
//
// What a scan of the participants proves
//   Let X be an item whose last link is gone before the scan begins. The thread that scans is not
//   pinned. The operations below are sequentially consistent, and "later" means later in their
//   single order.
//   G1  others_are_pinned() returns false: no other thread uses X. Proof: the scan has seen each
//       other participant unpinned, after the last link was gone. The next pin of that participant
//       is a store that comes later, so its thread finds no link under that pin.
//   G2  Let T be a value that epoch_ had after the last link was gone. If each participant has been
//       seen since then, either unpinned or pinned with an epoch larger than T, no thread uses X.
//       Proof: a participant with a larger epoch has loaded epoch_ later than it was T, so after
//       the last link was gone, and its thread finds no link under this pin. For one that was seen
//       unpinned, see G1.
//
// The active list
//   "Each participant" above is each participant of the active list. tidy() takes a participant off
//   the list that has not been used for a while:
//
//         tidy(), under the lock                       pin()
//             dormant = true                               state = epoch | pinned
//             state is still `unused`?                     dormant?
//                 yes: unlink                                  yes: take the lock, link,
//                 no:  dormant = false                              dormant = false
//                                                          now load from the structure
//
//   A scan loads first_, then follows `next`. It takes no lock. Let H be its load of first_.
//   A1  A scan passes each participant that is linked from H to the end of the scan. Proof: at any
//       time there is a path from where the scan stands to each such participant that it has not
//       passed yet. To unlink a participant takes it out of paths, and leaves its own `next` as it
//       is. To link a participant changes only the `next` of one that was not linked, and from
//       there the path now leads through the whole list.
//   A2  A scan need not pass a participant that is linked at some time L after H, for the first
//       time or again. Proof: its thread loads from the structure only after L, so after H, when no
//       link to X was left. In the same way a writer looks at its gate only after L, so after the
//       gate was closed.
//   A3  A scan need not pass a participant that is unlinked during the scan. Proof: it was not
//       pinned when it was unlinked, and the next pin of its thread ends in A2. For tidy() stores
//       the mark, then loads the state, and unlinks only if the state is as an earlier pass has
//       left it; the owner stores the state, then loads the mark. So either tidy() sees the pin, or
//       the owner sees the mark. While tidy() has not decided, the owner waits for the lock.
//   A participant that was pinned with an epoch from before L may delay more than it has to, but
//   never less.
//
// `PerThread` is what else belongs to a thread: default-constructed, on cache lines of its own.
template <class PerThread, class Clock>
class Participants {
public:
    // A thread looks at the clock once in so many scans, and two passes of tidy(), by any threads,
    // are this far apart.
    static constexpr std::uint32_t scans_between_looks = tuning::reclamation::scans_per_clock_look;
    static constexpr typename Clock::duration between_passes = tuning::reclamation::between_passes;

    // What a thread takes part with. It is never freed: one thread after another uses it.
    struct alignas(destructive_interference) Participant {
        // Scans read it, and its thread writes it at each pin. See the drawing above.
        std::atomic<std::uint64_t> state{0};
        // The next participant of the active list. After it is unlinked, `next` is what it was.
        std::atomic<Participant*> next{nullptr};
        // The structure that its thread writes to. It has a meaning while the thread is pinned for
        // writing.
        std::atomic<const void*> written{nullptr};
        // For the structure: what the thread's next insertion needs.
        void* spare = nullptr;
        // No other participant has the same number.
        std::uint32_t number = 0;
        // The participant is off the active list, or is being taken off, because its thread has not
        // been pinned for a while.
        std::atomic<bool> dormant{false};

        // Apart from the state, which other threads read all the time.
        alignas(destructive_interference) PerThread garbage;
        // How often the thread has scanned the participants. Only the thread itself uses it.
        std::uint32_t scans = 0;
        // How often the thread has found its participant dormant. Only the thread itself uses it.
        std::uint32_t links = 0;

        // The rest is guarded by the lock, except that `next_of_all` never changes once the
        // participant is in that list.
        Participant* previous = nullptr;     // in the active list
        Participant* next_free = nullptr;    // in the list of free participants
        Participant* next_of_all = nullptr;  // in the list of all participants, which only grows
        bool linked = false;                 // whether it is on the active list
    };

    // The lock of the lists. It is held for a few native steps, in which nobody blocks. Threads
    // that end take it when they are detached from any interpreter.
    class Locked {
    public:
        Locked() noexcept {
            for (int spins = 0; lock_.exchange(true, std::memory_order_acquire); ++spins)
                while (lock_.load(std::memory_order_relaxed))
                    spins++ < tuning::reclamation::spins_before_yield ? relax()
                                                                      : std::this_thread::yield();
        }
        ~Locked() { lock_.store(false, std::memory_order_release); }
        Locked(const Locked&) = delete;
        Locked& operator=(const Locked&) = delete;
    };

    // The calling thread's participant; null if there is no memory for one.
    CEREGGII_ALWAYS_INLINE static Participant* current() noexcept {
        Participant* participant = current_;
        return participant ? participant : acquire();
    }
    // The calling thread's participant; null if the thread has none yet.
    static Participant* current_if_any() noexcept { return current_; }

    CEREGGII_ALWAYS_INLINE static void pin(Participant& participant) noexcept {
        pin_as(participant, pinned);
    }

    CEREGGII_ALWAYS_INLINE static void pin_writing(Participant& participant,
                                                   const void* to) noexcept {
        // Release: pairs with the load in wait_for_writers(), which may find this value instead of
        // seeing the unpin before it. Then what the thread wrote before is visible there.
        participant.written.store(to, std::memory_order_release);
        pin_as(participant, writing | pinned);
    }

    // Release: pairs with the loads of the state in scans. A scan that sees the thread unpinned
    // comes after all that the thread read under the pin.
    CEREGGII_ALWAYS_INLINE static void unpin(Participant& participant) noexcept {
        participant.state.store(0, std::memory_order_release);
    }

    // Waits until no thread is pinned for writing to `written`. Each participant is looked at, one
    // after the other. A thread that pins after its participant was looked at is not waited for.
    template <class Pause>
    static void wait_for_writers(const void* written, const Pause& pause) {
        for (Participant* participant = first(); participant; participant = after(*participant)) {
            constexpr std::uint64_t mask = pinned | writing;
            while ((participant->state.load(std::memory_order_seq_cst) & mask) == mask &&
                   participant->written.load(std::memory_order_acquire) == written)
                pause();
        }
    }

    // Call it before each scan of all participants. Once in a while it takes those that are not in
    // use off the list. Otherwise it costs an addition.
    CEREGGII_ALWAYS_INLINE static void note_scan(Participant& me) noexcept {
        if (++me.scans % scans_between_looks == 0) [[unlikely]]
            tidy_if_it_is_time(me);
    }

    // The active list.
    static Participant* first() noexcept { return first_.load(std::memory_order_seq_cst); }
    static Participant* after(const Participant& participant) noexcept {
        return participant.next.load(std::memory_order_seq_cst);
    }
    // The list of all participants, which goes on by `next_of_all`.
    static Participant* first_of_all() noexcept { return all_.load(std::memory_order_seq_cst); }

protected:
    // Whether a thread other than the caller is pinned. False proves G1.
    //
    // The scan begins behind the caller's own participant, so that not all threads look at the same
    // one first. The first loop may meet the caller's own participant, and goes on: from a
    // participant that was linked again, the path leads through the whole list. If the caller's own
    // is not on the list, the second loop goes through the whole list.
    static bool others_are_pinned(const Participant& me) noexcept {
        for (const Participant* participant = after(me); participant;
             participant = after(*participant))
            if (participant != &me && is_pinned(*participant)) return true;
        for (const Participant* participant = first(); participant && participant != &me;
             participant = after(*participant))
            if (is_pinned(*participant)) return true;
        return false;
    }

    // The oldest epoch that a thread other than the caller is pinned with; UINT64_MAX if none is,
    // which proves G1. It proves G2 for each smaller T.
    static std::uint64_t oldest_epoch(const Participant& me) noexcept {
        std::uint64_t oldest = UINT64_MAX;
        for (const Participant* participant = first(); participant;
             participant = after(*participant)) {
            const std::uint64_t state = participant->state.load(std::memory_order_seq_cst);
            if (participant != &me && (state & pinned) && epoch_of(state) < oldest)
                oldest = epoch_of(state);
        }
        return oldest;
    }

    // Waits until all threads that are pinned now have unpinned. It proves G2 for the epoch that it
    // ends. Pins that come later have a larger epoch, so the wait ends.
    template <class Pause>
    static void wait_for_pinned(const Pause& pause) {
        const std::uint64_t ended = epoch_.now.fetch_add(1, std::memory_order_seq_cst);
        for (Participant* participant = first(); participant; participant = after(*participant)) {
            const auto was_pinned_before = [&] {
                const std::uint64_t state = participant->state.load(std::memory_order_seq_cst);
                return (state & pinned) && epoch_of(state) <= ended;
            };
            while (was_pinned_before()) pause();
        }
    }

    static std::uint64_t epoch() noexcept { return epoch_.now.load(std::memory_order_seq_cst); }

    // Does nothing if another thread has already ended this epoch.
    static void end_epoch(std::uint64_t epoch) noexcept {
        epoch_.now.compare_exchange_strong(epoch, epoch + 1, std::memory_order_seq_cst);
    }

    // In the child of a fork, where the calling thread is the only one. No thread was pinned at the
    // fork, but one may have been changing the lists. All participants but the caller's become
    // free.
    static void forget_other_participants() noexcept {
        lock_.store(false, std::memory_order_relaxed);
        first_.store(nullptr, std::memory_order_relaxed);
        free_ = nullptr;
        for (Participant* participant = first_of_all(); participant;
             participant = participant->next_of_all) {
            participant->linked = false;
            if (participant != current_) put_back(*participant);
        }
        if (current_) link(*current_);
    }

    // The participant that the calling thread has, or will get first, in the child of a fork; null
    // if there is none.
    static Participant* current_or_next() noexcept { return current_ ? current_ : free_; }

private:
    // Parts of a state.
    static constexpr std::uint64_t pinned = 1;
    static constexpr std::uint64_t writing = 2;
    static constexpr int epoch_shift = 2;
    // A pass of tidy() writes it into the state of a participant that is not pinned. The next pin
    // overwrites it.
    static constexpr std::uint64_t unused = 4;

    static std::uint64_t epoch_of(std::uint64_t state) noexcept { return state >> epoch_shift; }

    static bool is_pinned(const Participant& participant) noexcept {
        return (participant.state.load(std::memory_order_seq_cst) & pinned) != 0;
    }

    // A store would be enough instead of the exchange: nobody needs the old state.
    CEREGGII_ALWAYS_INLINE static void pin_as(Participant& participant,
                                              std::uint64_t how) noexcept {
        const std::uint64_t epoch = epoch_.now.load(std::memory_order_seq_cst);
        participant.state.exchange(epoch << epoch_shift | how, std::memory_order_seq_cst);
        // After the pin: either this thread sees the mark, or the pass that sets it sees the pin.
        if (participant.dormant.load(std::memory_order_seq_cst)) [[unlikely]]
            link_again(participant);
    }

    // The thread is pinned, so no pass takes the participant off the list meanwhile. The thread has
    // loaded nothing from the structure yet.
    CEREGGII_NEVER_INLINE static void link_again(Participant& participant) noexcept {
        const Locked locked;
        ++participant.links;
        // It is still linked if the pass that set the mark saw the pin.
        if (!participant.linked) link(participant);
        participant.dormant.store(false, std::memory_order_seq_cst);
    }

    // Under the lock.
    static void link(Participant& participant) noexcept {
        // Relaxed: only holders of the lock change first_.
        Participant* head = first_.load(std::memory_order_relaxed);
        participant.next.store(head, std::memory_order_seq_cst);
        participant.previous = nullptr;
        if (head) head->previous = &participant;
        participant.linked = true;
        first_.store(&participant, std::memory_order_seq_cst);
    }

    // Under the lock. The participant's own `next` stays, for a scan that stands there.
    static void unlink(Participant& participant) noexcept {
        // Relaxed: only holders of the lock change it.
        Participant* next = participant.next.load(std::memory_order_relaxed);
        std::atomic<Participant*>& link =
            participant.previous ? participant.previous->next : first_;
        link.store(next, std::memory_order_seq_cst);
        if (next) next->previous = participant.previous;
        participant.linked = false;
    }

    // At most one pass in between_passes: a thread that pins more often than that is never taken
    // off the list. Relaxed: whether it is time is only a hint, and passes hold the lock.
    CEREGGII_NEVER_INLINE static void tidy_if_it_is_time(const Participant& me) noexcept {
        const auto now = Clock::now().time_since_epoch().count();
        auto last = last_pass_.load(std::memory_order_relaxed);
        // The exchange fails if another thread has just begun a pass.
        if (now - last >= between_passes.count() &&
            last_pass_.compare_exchange_strong(last, now, std::memory_order_relaxed))
            tidy(me);
    }

    static void tidy(const Participant& me) noexcept {
        const Locked locked;
        Participant* next = nullptr;
        for (Participant* participant = first_.load(std::memory_order_relaxed); participant;
             participant = next) {
            next = participant->next.load(std::memory_order_relaxed);
            if (participant != &me) unlink_if_unused(*participant);
        }
    }

    static void unlink_if_unused(Participant& participant) noexcept {
        std::uint64_t state = participant.state.load(std::memory_order_relaxed);
        if (state & pinned) return;
        if (state != unused) {
            // It has been pinned since the last pass: look again in the next one. The exchange
            // fails if its thread has just pinned.
            participant.state.compare_exchange_strong(state, unused, std::memory_order_seq_cst);
            return;
        }
        participant.dormant.store(true, std::memory_order_seq_cst);
        if (participant.state.load(std::memory_order_seq_cst) == unused)
            unlink(participant);
        else  // the thread has pinned meanwhile, and may have seen the mark: see link_again()
            participant.dormant.store(false, std::memory_order_seq_cst);
    }

    // Under the lock, for a participant that is not linked.
    static void put_back(Participant& participant) noexcept {
        participant.state.store(0, std::memory_order_seq_cst);
        participant.next_free = free_;
        free_ = &participant;
    }

    // Gives the participant back when its thread ends. The thread does not use it after that. No
    // Python code is run: the interpreter may have ended.
    struct ReleaseAtThreadEnd {
        Participant* participant = nullptr;
        ~ReleaseAtThreadEnd() {
            current_ = nullptr;
            if (!participant) return;
            const Locked locked;
            if (participant->linked) unlink(*participant);
            put_back(*participant);
        }
    };

    CEREGGII_NEVER_INLINE static Participant* acquire() noexcept {
        Participant* participant = nullptr;
        {
            const Locked locked;
            participant = free_;
            if (participant) free_ = participant->next_free;
        }
        if (!participant) {
            participant = new (std::nothrow) Participant;
            if (!participant) return nullptr;
            participant->number = count_.fetch_add(1, std::memory_order_relaxed);
            const Locked locked;
            participant->next_of_all = first_of_all();
            all_.store(participant, std::memory_order_seq_cst);
        }
        {
            const Locked locked;
            participant->dormant.store(false, std::memory_order_seq_cst);
            link(*participant);
        }
        static thread_local ReleaseAtThreadEnd at_end;
        at_end.participant = participant;
        return current_ = participant;
    }

    static inline thread_local constinit Participant* current_ = nullptr;
    static inline std::atomic<bool> lock_{false};
    static inline Participant* free_ = nullptr;  // under the lock
    static inline std::atomic<Participant*> all_{nullptr};
    static inline std::atomic<std::uint32_t> count_{0};  // of all participants
    static inline std::atomic<typename Clock::rep> last_pass_{0};
    static inline std::atomic<Participant*> first_{nullptr};
    // Each pin reads it, and it changes seldom: alone on its cache line.
    struct alignas(destructive_interference) Epoch {
        std::atomic<std::uint64_t> now{0};
    };
    static inline Epoch epoch_;
};

}  // namespace cereggii::atomics::reclamation
