// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <thread>
#include <utility>

#include "cereggii/atomics/cache_line.hpp"
#include "cereggii/atomics/relax.hpp"

namespace cereggii::atomics {

// When the memory that a lock-free structure has unlinked may be given back: when every thread that
// could have found it before has been outside of the structure since. After Fraser's epochs
// ("Practical lock-freedom", 2004), with three differences. Whoever retires something looks first
// whether anybody else is inside at all, and frees it at once if not. A thread frees only what it
// has retired itself, unless the caller asks for more. And only the participants of threads that
// have been inside lately are looked at.
//
//     participant of each thread:   state = epoch:62 | writing:1 | pinned:1     without `pinned`
//     outside
//                              waiting ─▶ item ─▶ item      retired while somebody was inside
//                              bags[]: item(tag) ─▶ item    the same, a while ago
//                              held ─▶ item                 being freed, by free_everything()
//     shared:                  epoch_
//                              first_ ─▶ participant ─▶ participant   the active list
//                              free_ ─▶ participant              of threads that have ended
//                              littered_ ─▶ participant          of threads that have left
//                              something all_ ─▶ participant               only grows for_all_ ─▶
//                              item             of nobody: see leave_for_all()
//
// To be inside is to be pinned. Between pin and unpin a thread runs natively only, and never waits
// for another thread's step but for the lock of the lists, so pins are short; they do not nest.
//
// Where many threads retire, each works on what is its own: it makes bags of what waits, and frees
// its bags. The epoch, which every pin reads, is changed as seldom as is enough for that.
//
// Who frees:
//   - retire() frees what the thread itself has retired: at once if nobody else is inside, and
//     otherwise what is old enough, each time a bag is full.
//   - free_everything() waits until all who are inside now have left, and then frees what any
//     thread has retired. Nobody is pinned while it waits here or frees something, and whoever is
//     pinned waits for nothing. So the wait ends, and two who wait do not wait for each other.
//
// Correctness. All of it is sequentially consistent, but for hints. An item is retired after its
// last link is gone.
//   - At once: for each participant, the retiring thread has seen it unpinned after that. A pin
//   that
//     follows is a store later in the one order of all, so no link is seen under it.
//   - Later: a tag is what epoch_ was after the item was retired. A participant pinned with a
//   larger
//     epoch has loaded epoch_ after that, so it found no link. An item is freed when each
//     participant has been seen unpinned, or pinned with a larger epoch, since it was tagged.
//
// The active list. "Each participant" above is each participant of the active list. Where a
// participant has not been used for a while, tidy() marks it dormant and unlinks it. Its thread
// pins, then looks at the mark; if it is set, the thread links the participant again, under the
// lock, before it loads anything of the structure. A scan loads first_ and follows `next`, and
// takes no lock. Let H be its load of first_.
//   - A participant that is linked from H to the end of the scan is passed. At any time there is a
//   path
//     from where the scan stands to each such participant that it has not passed: to unlink a
//     participant takes it out of paths and leaves its own `next` as it is; to link one changes
//     only the `next` of a participant that was not linked, and from there the path now leads
//     through the whole list.
//   - A participant that is linked at some time L after H (again, or for the first time): its
//   thread
//     loads from the structure only after L, so after H, when no link to the item was left.
//     Likewise a writer looks at its gate only after L, so after the gate was closed.
//   - A participant that is unlinked during the scan was not pinned then, and its thread's next pin
//   ends
//     in the case before. Proof: tidy() stores the mark, then loads the state, and unlinks only if
//     the state is still as an earlier pass has left it. The owner stores the state, then loads the
//     mark. So either tidy() sees the pin, or the owner sees the mark; and while tidy() has not
//     decided, the owner waits for the lock.
// A participant pinned with an epoch from before L holds up more than it need, and never less.
//
// Items says what can be retired. It is told from the inside where an item keeps its link and tag,
// which only the reclaimer touches once the item is retired; readers that are inside still read the
// rest of it:
//
//     using Item = ...;                 default-constructed: none; trivially copyable
//     static Item link(Item);           static void set_link(Item, Item);
//     static std::uint64_t tag(Item);   static void set_tag(Item, std::uint64_t);
//     static void free(Item);           runs whatever the item's destruction runs, outside of a pin
template <class Items, class Clock = std::chrono::steady_clock>
class Reclaimer {
public:
    using Item = typename Items::Item;

    static constexpr std::size_t bag_count = 4;
    // A thread looks at the clock once in so many scans. Two passes, by any threads, are so far
    // apart.
    static constexpr std::uint32_t scans_between_looks = 64;
    static constexpr typename Clock::duration between_passes = std::chrono::milliseconds(1);

    // What a thread is in. Never freed: one thread after another uses it.
    struct alignas(destructive_interference) Participant {
        // What a scan reads, and what its thread writes at each pin.
        std::atomic<std::uint64_t> state{0};
        std::atomic<Participant*> next{
            nullptr};  // in the active list; of one unlinked: what it was
        // What a thread that is pinned for writing writes to; of interest while it is.
        std::atomic<const void*> written{nullptr};
        void* spare = nullptr;  // for the structure: what its next insertion needs
        std::uint32_t number = 0;
        // Its thread has been outside for so long that the participant is off the active list, or
        // is being taken off.
        std::atomic<bool> dormant{false};

        // Apart from the state, which others look at all the time. Others only take out.
        alignas(destructive_interference) std::atomic<Item> waiting{};
        std::array<std::atomic<Item>, bag_count> bags{};
        std::atomic<Item> held{};
        // The thread's own: the tags of the bags it has filled, how many items it has retired, how
        // often it has looked at all participants, and has seen that its own may have to be linked
        // again.
        std::array<std::uint64_t, bag_count> tags{};
        std::uint64_t last_tag = 0;
        std::uint32_t retired = 0;
        std::uint32_t scans = 0;
        std::uint32_t links = 0;
        // Set by its thread before it is put on the littered list, cleared by who takes it off.
        std::atomic<bool> littered{false};
        Participant* next_littered = nullptr;

        // Under the lock.
        Participant* previous = nullptr;
        Participant* next_free = nullptr;
        Participant* next_of_all = nullptr;
        bool linked = false;
    };

    // The lock of the lists. It is held for a few native steps, in which nobody blocks. Threads
    // that end take it detached from any interpreter.
    class Locked {
    public:
        Locked() noexcept {
            for (int spins = 0; lock_.exchange(true, std::memory_order_acquire); ++spins)
                while (lock_.load(std::memory_order_relaxed))
                    spins++ < 100 ? relax() : std::this_thread::yield();
        }
        ~Locked() { lock_.store(false, std::memory_order_release); }
        Locked(const Locked&) = delete;
        Locked& operator=(const Locked&) = delete;
    };

    static constexpr std::uint64_t pinned = 1;
    static constexpr std::uint64_t writing = 2;
    // What a pass leaves in the state of a participant that is not pinned: gone after the next pin.
    static constexpr std::uint64_t unused = 4;

    // The calling thread's participant; null if there is no memory for one.
    [[gnu::always_inline]] static Participant* current() noexcept {
        Participant* participant = current_;
        return participant ? participant : borrow();
    }
    // Null as well if it has not got one yet.
    static Participant* current_if_any() noexcept { return current_; }

    [[gnu::always_inline]] static void pin(Participant& participant) noexcept {
        pin_as(participant, pinned);
    }

    [[gnu::always_inline]] static void pin_writing(Participant& participant,
                                                   const void* to) noexcept {
        // Release: pairs with the load in wait_for_writers, which may find it instead of an unpin.
        participant.written.store(to, std::memory_order_release);
        pin_as(participant, writing | pinned);
    }

    // Release: what was read under the pin was read before a reclaimer sees it gone.
    [[gnu::always_inline]] static void unpin(Participant& participant) noexcept {
        participant.state.store(0, std::memory_order_release);
    }

    // A list of items that nobody who pins from now on can find. The caller is not pinned. True:
    // they wait, since somebody is inside.
    static bool retire(Participant& me, Item list) {
        note_scan(me);
        if (!others_are_pinned(me)) {
            const Lists own = take_own(me, UINT64_MAX);  // retired before that was seen, too
            free_all(list);
            own.free();
            return false;
        }
        std::uint32_t count = 1;
        Item last = list;
        for (Item next = Items::link(last); next != Item{}; next = Items::link(last)) {
            last = next;
            ++count;
        }
        push(me.waiting, list, last);
        note_litter(me);
        if ((me.retired += count) >= enough_for_a_bag) {
            me.retired = 0;
            fill_bag(me);
            take_own(me, oldest_epoch(me)).free();
        }
        return true;
    }

    // An item that another thread has removed and this one has unlinked, maybe while it removes
    // nothing itself: it becomes the business of whoever removes something next.
    static void leave_for_all(Item item) noexcept { push(for_all_, item, item); }

    // To be retired with a list of the calling thread, that is before the look who is inside.
    static void take_what_is_left_for_all(Item& list) noexcept { take(for_all_, list); }

    // Whether a thread is pinned for writing to this. Each is asked in turn: one that pins after it
    // was asked is not waited for.
    template <class Pause>
    static void wait_for_writers(const void* written, const Pause& pause) {
        for (Participant* participant = first(); participant; participant = after(*participant)) {
            constexpr std::uint64_t mask = pinned | writing;
            while ((participant->state.load(std::memory_order_seq_cst) & mask) == mask &&
                   participant->written.load(std::memory_order_acquire) == written)
                pause();
        }
    }

    // Before each look at all participants: once in a while, those not in use are put aside. Costs
    // nothing but for that.
    [[gnu::always_inline]] static void note_scan(Participant& me) noexcept {
        if (++me.scans % scans_between_looks == 0) [[unlikely]]
            tidy_if_it_is_time(me);
    }

    // Whether a thread has left something waiting, or has since freed it. A hint, but about what
    // the calling thread has left.
    static bool has_garbage() noexcept {
        return littered_.load(std::memory_order_seq_cst) != nullptr ||
               for_all_.load(std::memory_order_seq_cst) != Item{};
    }

    // Frees what any thread has retired. Not inside; pause() waits for a moment, and must not come
    // back here. `me` is null if the calling thread has no participant.
    template <class Pause>
    static void free_everything(Participant* me, const Pause& pause) {
        Item list{};
        for (Participant* participant = littered_.exchange(nullptr, std::memory_order_seq_cst);
             participant;) {
            Participant* next = participant->next_littered;
            // Before its lists are taken: what is added later puts it on the list again.
            participant->littered.store(false, std::memory_order_seq_cst);
            take_from(*participant, list);
            participant = next;
        }
        take_what_is_left_for_all(list);
        wait_and_free(me, list, pause);
    }

    // In the child of a fork, of whose threads only the calling one is left. None was pinned, but
    // one may have been in the middle of a change of the lists. What the others have left is the
    // calling thread's from now on.
    static void forget_other_threads() noexcept {
        lock_.store(false, std::memory_order_relaxed);
        first_.store(nullptr, std::memory_order_relaxed);
        littered_.store(nullptr, std::memory_order_relaxed);
        free_ = nullptr;
        Item left{};
        for (Participant* participant = first_of_all(); participant;
             participant = participant->next_of_all) {
            take_from(*participant, left);
            participant->linked = false;
            participant->littered.store(false, std::memory_order_relaxed);
            if (participant == current_) continue;
            put_back(*participant);
        }
        if (current_) link(*current_);
        // A thread without a participant will get the first of those that are free.
        Participant* heir = current_ ? current_ : free_;
        if (left == Item{} || !heir) return;
        heir->waiting.store(left, std::memory_order_seq_cst);
        note_litter(*heir);
    }

    // In the one order of all, as the pins.
    static Participant* first() noexcept { return first_.load(std::memory_order_seq_cst); }
    static Participant* after(const Participant& participant) noexcept {
        return participant.next.load(std::memory_order_seq_cst);
    }
    // Of all there are, by next_of_all.
    static Participant* first_of_all() noexcept { return all_.load(std::memory_order_seq_cst); }

private:
    static constexpr std::uint32_t enough_for_a_bag = 32;

    // A store would do instead of the exchange: what it returns is not needed.
    [[gnu::always_inline]] static void pin_as(Participant& participant,
                                              std::uint64_t how) noexcept {
        const std::uint64_t epoch = epoch_.now.load(std::memory_order_seq_cst);
        participant.state.exchange(epoch << 2 | how, std::memory_order_seq_cst);
        // After the pin: either we see the mark, or who has set it sees the pin.
        if (participant.dormant.load(std::memory_order_seq_cst)) [[unlikely]]
            link_again(participant);
    }

    // Pinned, so it is not put aside meanwhile. Nothing of the structure has been loaded yet.
    [[gnu::noinline]] static void link_again(Participant& participant) noexcept {
        const Locked locked;
        ++participant.links;
        if (!participant.linked) link(participant);
        participant.dormant.store(false, std::memory_order_seq_cst);
    }

    // Under the lock.
    static void link(Participant& participant) noexcept {
        Participant* head = first_.load(std::memory_order_relaxed);
        participant.next.store(head, std::memory_order_seq_cst);
        participant.previous = nullptr;
        if (head) head->previous = &participant;
        participant.linked = true;
        first_.store(&participant, std::memory_order_seq_cst);
    }

    // Under the lock. Its `next` stays, for a scan that stands here.
    static void unlink(Participant& participant) noexcept {
        Participant* next = participant.next.load(std::memory_order_relaxed);
        std::atomic<Participant*>& link =
            participant.previous ? participant.previous->next : first_;
        link.store(next, std::memory_order_seq_cst);
        if (next) next->previous = participant.previous;
        participant.linked = false;
    }

    // A pass over all threads' participants, at most one in a millisecond: a thread that is inside
    // more often than that is never put aside.
    [[gnu::noinline]] static void tidy_if_it_is_time(const Participant& me) noexcept {
        const auto now = Clock::now().time_since_epoch().count();
        auto last = last_pass_.load(std::memory_order_relaxed);
        // Lost to another thread, which has begun one.
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
            if (participant != &me) put_aside_if_unused(*participant);
        }
    }

    static void put_aside_if_unused(Participant& participant) noexcept {
        std::uint64_t state = participant.state.load(std::memory_order_relaxed);
        if (state & pinned) return;
        // As the last pass has left it? Otherwise it has been used since: to be seen next time.
        if (state != unused) {
            participant.state.compare_exchange_strong(state, unused, std::memory_order_seq_cst);
            return;
        }
        participant.dormant.store(true, std::memory_order_seq_cst);
        if (participant.state.load(std::memory_order_seq_cst) == unused)
            unlink(participant);
        else
            participant.dormant.store(false, std::memory_order_seq_cst);
    }

    static bool is_pinned(const Participant& participant) noexcept {
        return (participant.state.load(std::memory_order_seq_cst) & pinned) != 0;
    }

    // Beginning with another participant in each thread, so that not all ask the same thread. The
    // first loop goes past our own, which it may meet: from a participant that is linked again the
    // way leads through the whole list. If our own is not linked, the second loop goes through all
    // of them.
    static bool others_are_pinned(const Participant& me) noexcept {
        for (const Participant* participant = after(me); participant;
             participant = after(*participant))
            if (participant != &me && is_pinned(*participant)) return true;
        for (const Participant* participant = first(); participant && participant != &me;
             participant = after(*participant))
            if (is_pinned(*participant)) return true;
        return false;
    }

    static std::uint64_t oldest_epoch(const Participant& me) noexcept {
        std::uint64_t oldest = UINT64_MAX;
        for (const Participant* participant = first(); participant;
             participant = after(*participant)) {
            const std::uint64_t state = participant->state.load(std::memory_order_seq_cst);
            if (participant != &me && (state & pinned) && state >> 2 < oldest) oldest = state >> 2;
        }
        return oldest;
    }

    // Of what waits in the thread's participant, if there is an empty bag.
    static void fill_bag(Participant& me) noexcept {
        std::size_t i = 0;
        while (i < me.bags.size() && me.bags[i].load(std::memory_order_seq_cst) != Item{}) ++i;
        if (i == me.bags.size()) return;
        const Item list = me.waiting.exchange(Item{}, std::memory_order_seq_cst);
        if (list == Item{}) return;
        // Others may see to it that the epoch goes on. If nobody has since the last bag, it is up
        // to us; lost to another thread, it has just done so.
        std::uint64_t tag = epoch_.now.load(std::memory_order_seq_cst);
        me.tags[i] = tag;
        if (std::exchange(me.last_tag, tag) == tag)
            epoch_.now.compare_exchange_strong(tag, tag + 1, std::memory_order_seq_cst);
        me.bags[i].store(list, std::memory_order_seq_cst);
        // Who has come between and taken everything found it neither there nor here.
        note_litter(me);
    }

    // After what was left can be found there. In the one order of all: who takes everything clears
    // the mark first, so it finds this, or we find the mark cleared.
    static void note_litter(Participant& me) noexcept {
        if (me.littered.load(std::memory_order_seq_cst)) return;
        me.littered.store(true, std::memory_order_seq_cst);
        Participant* head = littered_.load(std::memory_order_relaxed);
        do {
            me.next_littered = head;
        } while (!littered_.compare_exchange_weak(head, &me, std::memory_order_seq_cst));
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
    static Lists take_own(Participant& me, std::uint64_t oldest) noexcept {
        Lists own;
        const auto take_list = [](std::atomic<Item>& from) {
            return from.load(std::memory_order_relaxed) == Item{}
                       ? Item{}
                       : from.exchange(Item{}, std::memory_order_seq_cst);
        };
        for (std::size_t i = 0; i < me.bags.size(); ++i)
            if (me.tags[i] < oldest) own.lists[i] = take_list(me.bags[i]);
        if (oldest == UINT64_MAX) own.lists[bag_count] = take_list(me.waiting);
        return own;
    }

    static void take(std::atomic<Item>& from, Item& list) noexcept {
        if (from.load(std::memory_order_seq_cst) != Item{})
            list = concatenate(from.exchange(Item{}, std::memory_order_seq_cst), list);
    }
    static void take_from(Participant& participant, Item& list) noexcept {
        take(participant.waiting, list);
        for (std::atomic<Item>& bag : participant.bags) take(bag, list);
        take(participant.held, list);
    }

    // Meanwhile the list is in the participant: for the child of a fork to find, and for others,
    // since a finalizer may take its time. Only the owner puts something there; who takes it waits
    // himself.
    template <class Pause>
    static void wait_and_free(Participant* me, Item list, const Pause& pause) {
        if (me) take(me->held, list);  // of a call that this one is nested in, which has waited
        if (list == Item{}) return;
        if (me) hold(*me, list);
        const std::uint64_t tag = epoch_.now.fetch_add(1, std::memory_order_seq_cst);
        for (Participant* participant = first(); participant; participant = after(*participant)) {
            const auto may_have_found_it = [&] {
                const std::uint64_t state = participant->state.load(std::memory_order_seq_cst);
                return (state & pinned) && state >> 2 <= tag;
            };
            while (may_have_found_it()) pause();
        }
        if (!me) return free_all(list);
        while ((list = me->held.exchange(Item{}, std::memory_order_seq_cst)) != Item{}) {
            const Item rest = Items::link(list);
            if (rest != Item{}) hold(*me, rest);
            Items::free(list);
        }
    }

    static void hold(Participant& me, Item list) noexcept {
        me.held.store(list, std::memory_order_seq_cst);
        note_litter(me);
    }

    // Whoever takes something takes everything, so there is no ABA.
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

    // Gives the participant back when its thread ends; after that the thread uses it no more. It
    // runs no Python code: the interpreter may be gone.
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

    // Under the lock. Of a participant that is not linked.
    static void put_back(Participant& participant) noexcept {
        participant.state.store(0, std::memory_order_seq_cst);
        participant.next_free = free_;
        free_ = &participant;
    }

    [[gnu::noinline]] static Participant* borrow() noexcept {
        Participant* participant = nullptr;
        {
            const Locked locked;
            participant = free_;
            if (participant) free_ = participant->next_free;
        }
        if (!participant) {
            participant = new (std::nothrow) Participant;
            if (!participant) return nullptr;
            participant->number = records_.fetch_add(1, std::memory_order_relaxed);
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
    static inline std::atomic<std::uint32_t> records_{0};
    static inline std::atomic<typename Clock::rep> last_pass_{0};
    static inline std::atomic<Participant*> first_{nullptr};
    static inline std::atomic<Participant*> littered_{nullptr};
    static inline std::atomic<Item> for_all_{};
    // Read at each pin, changed seldom: alone on its cache line.
    struct alignas(destructive_interference) Epoch {
        std::atomic<std::uint64_t> now{0};
    };
    static inline Epoch epoch_;
};

}  // namespace cereggii::atomics
