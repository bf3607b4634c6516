// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstdint>
#include <thread>
#include <utility>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/compat.hpp"
#include "cereggii/atomics/python/shared_reference.hpp"
#include "cereggii/atomics/reclamation.hpp"
#include "map/exact.hpp"
#include "map/hash_map.hpp"
#include "map/table.hpp"

// How an operation pins itself to a map, and what becomes of the nodes and tables that it takes
// out.
//
//     Guard ─▶ ready() ─▶ pin_…() ─▶ find, change, retire() ─▶ unpin() ─▶ ~Guard
//                           ▲                                    │        frees what was retired,
//                           └── Python code, allocation, waiting ┘        or leaves it to others
//
// Invariants:
//   - While a thread is pinned, nothing is freed that it could have found since the pin.
//   - While a thread is pinned it stays attached, and calls nothing that could detach it or run
//     Python code: no Py_DECREF, no PyErr_…, no allocation by Python's allocators, no comparison
//     but the native one. So when the world is stopped, for a collection or a fork, no thread is
//     pinned.
//   - What is retired cannot be found by a thread that pins from then on.
//   - A writer pins, and then loads the gate. A closer closes the gate, and then looks at the pins.
//     So one of the two sees the other, and the closer waits for the writers that it sees.
namespace cereggii::atomicdict {

// What can be retired: a node, a table, or a chain of tables with all that is in it. This is what
// the reclaimer knows of them (cereggii/atomics/reclamation.hpp).
struct RetiredItems {
    // The address of a node, or that of a table with `table_bit`.
    using Item = std::uintptr_t;
    static constexpr std::uintptr_t table_bit = 1;

    static Item of(Node* node) noexcept { return reinterpret_cast<std::uintptr_t>(node); }
    static Item of(Table* table) noexcept {
        return reinterpret_cast<std::uintptr_t>(table) | table_bit;
    }

    // Whether keys or values are removed with it. A table that has been emptied has none: its nodes
    // are in the next one.
    static bool has_objects(const Node*) noexcept { return true; }
    static bool has_objects(const Table* table) noexcept { return table->whole_chain; }

    // Relaxed: only the thread that owns the list reads its links.
    static Item link(Item item) noexcept {
        return item & table_bit ? table(item)->link
                                : node(item)->hash.load(std::memory_order_relaxed);
    }
    // Release: pairs with the acquire load of a hash by a thread that found the node in a slot
    // before. If it reads this link, it sees that no slot names the node any more.
    static void set_link(Item item, Item link) noexcept {
        if (item & table_bit)
            table(item)->link = link;
        else
            node(item)->hash.store(link, std::memory_order_release);
    }

    // May run Python code: the key's finalizer, and those of a whole chain.
    static void free(Item item) {
        if (item & table_bit) {
            if (table(item)->whole_chain)
                free_chain(table(item));
            else
                Table::deallocate(table(item));
        } else {
            PyObject* key = key_object(node(item)->key);
            Node::deallocate(node(item));
            atomics::decref_shared(key);
        }
    }

private:
    static Node* node(Item item) noexcept { return reinterpret_cast<Node*>(item); }
    static Table* table(Item item) noexcept { return reinterpret_cast<Table*>(item & ~table_bit); }
};

// Lets other threads run. For a thread that waits until another one has ended a bounded native
// section.
inline void yield_detached() {
    PyThreadState* state = PyEval_SaveThread();
    std::this_thread::yield();
    PyEval_RestoreThread(state);
}

// How many forks have led to this process.
inline std::atomic<std::uint32_t> forks{0};

// What a gate is when it is closed: a number that names the process. So in the child of a fork a
// gate that was closed before is open, since the thread that closed it does not exist there.
inline std::uint16_t gate_closed() noexcept {
    return static_cast<std::uint16_t>(forks.load(std::memory_order_relaxed) % UINT16_MAX + 1);
}

inline bool is_closed(const HashMap& map) noexcept {
    return map.gate.load(std::memory_order_seq_cst) == gate_closed();
}

// Closes the gate. Waits, detached, while another thread has closed it. When the interpreter has
// ended, that thread will not come back, so its gate counts as open.
inline void close_for_others(HashMap& map) {
    for (;;) {
        std::uint16_t gate = map.gate.load(std::memory_order_seq_cst);
        if ((gate != gate_closed() || atomics::compat::is_finalizing()) &&
            map.gate.compare_exchange_strong(gate, gate_closed(), std::memory_order_seq_cst))
            return;
        // Lost to another closer, or it is not open yet: look again.
        yield_detached();
    }
}

#ifdef Py_GIL_DISABLED

using Reclaimer = atomics::Reclaimer<RetiredItems>;

// To be called when something that a thread has retired has to wait: makes sure that it will be
// freed, even if the thread does nothing more (leftovers.cpp). Keeps an exception that is set.
CEREGGII_NEVER_INLINE void schedule_leftovers() noexcept;

// One operation of the calling thread. It is pinned between pin_…() and unpin(), and may pin
// several times, one after the other. Guards of one thread must not be pinned at the same time.
class Guard {
public:
    // Gets the thread's participant. The first guard of a thread allocates it: see ready().
    CEREGGII_ALWAYS_INLINE explicit Guard(HashMap& map) noexcept
        : map_(map), participant_(Reclaimer::current()) {}
    // Frees what was retired, if no other thread is pinned. Runs finalizers, and so is not
    // noexcept: up to Python 3.13, a daemon thread that wants to attach when the interpreter has
    // ended is unwound.
    CEREGGII_ALWAYS_INLINE ~Guard() noexcept(false) {
        if (pinned_) unpin();
        if (retired_) [[unlikely]] {
            // A copy, whose address may be given away. With the address of a member, the guard
            // would not be kept in registers.
            RetiredItems::Item retired = retired_;
            if (removes_something_) Reclaimer::take_what_is_left_for_all(retired);
            leaves_something_ |= Reclaimer::retire(*participant_, retired);
        }
        if (leaves_something_) [[unlikely]]
            schedule_leftovers();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    // Whether there is a participant. False with MemoryError: then nothing else may be called.
    [[nodiscard]] bool ready() const noexcept {
        if (participant_) [[likely]]
            return true;
        PyErr_NoMemory();
        return false;
    }

    CEREGGII_ALWAYS_INLINE void pin_reading() noexcept {
        Reclaimer::pin(*participant_);
        pinned_ = true;
    }

    // Waits, detached, while an exact operation has closed the gate.
    CEREGGII_ALWAYS_INLINE void pin_writing() {
        for (;;) {
            Reclaimer::pin_writing(*participant_, &map_);
            // After the pin, so that the closer sees the pin, or this thread sees the closed gate.
            if (map_.gate.load(std::memory_order_seq_cst) == HashMap::gate_open) [[likely]]
                break;
            // It has been opened meanwhile, or its closer will not come back.
            if (!is_closed(map_) || atomics::compat::is_finalizing()) break;
            Reclaimer::unpin(*participant_);
            yield_detached();
        }
        pinned_ = true;
    }

    // The same, but does not wait. False: not pinned.
    [[nodiscard]] bool try_pin_writing() noexcept {
        Reclaimer::pin_writing(*participant_, &map_);
        pinned_ = !is_closed(map_);
        if (!pinned_) Reclaimer::unpin(*participant_);
        return pinned_;
    }

    bool is_pinned() const noexcept { return pinned_; }

    CEREGGII_ALWAYS_INLINE void unpin() noexcept {
        pinned_ = false;
        Reclaimer::unpin(*participant_);
    }

    // Closes the gate, and waits until no writer is pinned. Until the gate is opened, the thread
    // must not run Python code.
    void close_gate() {
        Reclaimer::note_scan(*participant_);
        close_for_others(map_);
        Reclaimer::wait_for_writers(&map_, [] { std::this_thread::yield(); });
    }
    // The same, but does not wait for another closer. False: another thread has closed it.
    [[nodiscard]] bool try_close_gate() {
        std::uint16_t gate = map_.gate.load(std::memory_order_seq_cst);
        if (gate == gate_closed() ||
            !map_.gate.compare_exchange_strong(gate, gate_closed(), std::memory_order_seq_cst))
            return false;
        Reclaimer::note_scan(*participant_);
        Reclaimer::wait_for_writers(&map_, [] { std::this_thread::yield(); });
        return true;
    }
    void open_gate() noexcept { map_.gate.store(HashMap::gate_open, std::memory_order_seq_cst); }

    // Takes over what this operation has unlinked. It is freed after this guard, when no thread
    // that is pinned can have found it.
    template <class Retired>
    CEREGGII_ALWAYS_INLINE void retire(Retired* retired) noexcept {
        const RetiredItems::Item item = RetiredItems::of(retired);
        RetiredItems::set_link(item, retired_);
        retired_ = item;
        removes_something_ |= RetiredItems::has_objects(retired);
    }
    // The same, for a table without any keys: that removes nothing.
    void retire_empty(Table* table) noexcept {
        const bool removes_something = removes_something_;
        retire(table);
        removes_something_ = removes_something;
    }
    // Takes over a node that has left the tables. Where nodes have shares, this is the share of the
    // tables, and the last one that is given up retires the node.
    CEREGGII_ALWAYS_INLINE void retire_share(Node* node) noexcept {
        if (!map_.has_shares || static_cast<SharedNode*>(node)->give_up_share()) retire(node);
    }
    // The same, for a node that another thread has made dead. This operation may remove nothing
    // itself, and then it must not run the finalizer of the key. So the node is left for the next
    // operation that removes something.
    void leave_for_all(Node* node) noexcept {
        if (map_.has_shares && !static_cast<SharedNode*>(node)->give_up_share()) return;
        Reclaimer::leave_for_all(RetiredItems::of(node));
        leaves_something_ = true;
    }

    // A number that no other thread has at the same time.
    std::uint32_t thread() const noexcept { return participant_->number; }

    // A node for an insertion. Null with MemoryError. Not while pinned. A node that is given back
    // is kept for the thread's next insertion.
    [[nodiscard]] Node* take_node() noexcept {
        if (void* spare = std::exchange(participant_->spare, nullptr)) [[likely]]
            return static_cast<Node*>(spare);
        Node* node = Node::allocate();
        if (!node) PyErr_NoMemory();
        return node;
    }
    // Whether the thread's last operation that could insert has inserted: it has used up its node.
    [[nodiscard]] bool inserted_last() const noexcept { return !participant_->spare; }
    void give_node_back(Node* node) noexcept {
        if (Node* other = static_cast<Node*>(std::exchange(participant_->spare, node))) [[unlikely]]
            Node::deallocate(other);
    }

private:
    HashMap& map_;
    // The thread's participant in the reclaimer. Null: there was no memory for it.
    Reclaimer::Participant* participant_;
    // The list of what this operation has retired. 0: nothing.
    RetiredItems::Item retired_ = 0;
    bool pinned_ = false;
    // There are keys or values in what was retired, so finalizers of other threads' removals may
    // run here as well.
    bool removes_something_ = false;
    // Something waits that this operation has retired or left for others.
    bool leaves_something_ = false;
};

#else

// With a GIL only one thread runs, so pins do nothing, and what is retired is freed at the end. The
// gate is real: its closer lets other threads run.
class Guard {
public:
    explicit Guard(HashMap& map) noexcept : map_(map) {}
    ~Guard() noexcept(false) {  // as above
        while (retired_) {
            const RetiredItems::Item item = retired_;
            retired_ = RetiredItems::link(item);
            RetiredItems::free(item);
        }
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    [[nodiscard]] bool ready() const noexcept { return true; }
    void pin_reading() noexcept {}
    void pin_writing() {
        while (is_closed(map_) && !atomics::compat::is_finalizing()) [[unlikely]]
            yield_detached();
    }
    [[nodiscard]] bool try_pin_writing() noexcept { return !is_closed(map_); }
    void unpin() noexcept {}
    bool is_pinned() const noexcept { return true; }
    void close_gate() { close_for_others(map_); }
    [[nodiscard]] bool try_close_gate() noexcept {
        if (is_closed(map_)) return false;
        map_.gate.store(gate_closed(), std::memory_order_seq_cst);
        return true;
    }
    void open_gate() noexcept { map_.gate.store(HashMap::gate_open, std::memory_order_seq_cst); }

    template <class Retired>
    CEREGGII_ALWAYS_INLINE void retire(Retired* retired) noexcept {
        const RetiredItems::Item item = RetiredItems::of(retired);
        RetiredItems::set_link(item, retired_);
        retired_ = item;
    }
    void retire_empty(Table* table) noexcept { retire(table); }
    void retire_share(Node* node) noexcept {
        if (!map_.has_shares || static_cast<SharedNode*>(node)->give_up_share()) retire(node);
    }
    void leave_for_all(Node* node) noexcept { retire_share(node); }

    std::uint32_t thread() const noexcept { return 0; }
    [[nodiscard]] Node* take_node() noexcept {
        Node* node = Node::allocate();
        if (!node) PyErr_NoMemory();
        return node;
    }
    bool inserted_last() const noexcept { return true; }
    void give_node_back(Node* node) noexcept { Node::deallocate(node); }

private:
    HashMap& map_;
    RetiredItems::Item retired_ = 0;
};

#endif

}  // namespace cereggii::atomicdict
