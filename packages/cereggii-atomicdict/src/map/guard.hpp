// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstdint>
#include <thread>
#include <utility>

#include "cereggii/atomics/python/compat.hpp"
#include "cereggii/atomics/python/shared_reference.hpp"
#include "cereggii/atomics/reclamation.hpp"
#include "map/exact.hpp"
#include "map/hash_map.hpp"
#include "map/table.hpp"

// How an operation enters a map and leaves it, and what becomes of the nodes and tables it takes
// out.
namespace cereggii::atomicdict {

// What can be retired: a node, a table, or a chain of tables with all that is in it.
struct RetiredItems {
    using Item = std::uintptr_t;  // of a node, or of a table with this bit set:
    static constexpr std::uintptr_t table_bit = 1;

    static Item of(Node* node) noexcept { return reinterpret_cast<std::uintptr_t>(node); }
    static Item of(Table* table) noexcept {
        return reinterpret_cast<std::uintptr_t>(table) | table_bit;
    }

    // Whether it is a removal. A table that has been emptied is not: its nodes are in the next one.
    static bool has_objects(const Node*) noexcept { return true; }
    static bool has_objects(const Table* table) noexcept { return table->whole_chain; }

    // Release: who is pinned and reads a link for a hash sees by then that no slot names the node.
    static Item link(Item item) noexcept {
        return item & table_bit ? reinterpret_cast<Item>(table(item)->link)
                                : node(item)->hash.load(std::memory_order_relaxed);
    }
    static void set_link(Item item, Item link) noexcept {
        if (item & table_bit)
            table(item)->link = reinterpret_cast<Table*>(link);
        else
            node(item)->hash.store(link, std::memory_order_release);
    }
    static std::uint64_t tag(Item item) noexcept {
        return item & table_bit ? table(item)->epoch_tag
                                : node(item)->value.load(std::memory_order_relaxed) >> 1;
    }
    static void set_tag(Item item, std::uint64_t tag) noexcept {
        if (item & table_bit)
            table(item)->epoch_tag = tag;
        else
            node(item)->value.store(tag << 1 | Node::dead, std::memory_order_relaxed);
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

// Lets others run: for a thread that waits until another has left a bounded native section.
inline void yield_detached() {
    PyThreadState* state = PyEval_SaveThread();
    std::this_thread::yield();
    PyEval_RestoreThread(state);
}

// Who closed a gate: it is open again in the child of a fork, and when the interpreter has ended,
// since the thread that closed it will not come back.
inline std::atomic<std::uint32_t> forks{0};

inline std::uint16_t gate_closed() noexcept {
    return static_cast<std::uint16_t>(forks.load(std::memory_order_relaxed) % UINT16_MAX + 1);
}

inline bool is_closed(const HashMap& map) noexcept {
    return map.gate.load(std::memory_order_seq_cst) == gate_closed();
}

// One closer at a time. Waits, detached.
inline void close_for_others(HashMap& map) {
    for (;;) {
        std::uint16_t gate = map.gate.load(std::memory_order_seq_cst);
        if ((gate != gate_closed() || atomics::compat::is_finalizing()) &&
            map.gate.compare_exchange_strong(gate, gate_closed(), std::memory_order_seq_cst))
            return;
        yield_detached();
    }
}

#ifdef Py_GIL_DISABLED

using Reclaimer = atomics::Reclaimer<RetiredItems>;

// When something that a thread has retired has to wait: sees to it that it is freed, although the
// thread may do nothing more (leftovers.cpp). Leaves an exception as it is.
[[gnu::noinline]] void see_to_leftovers() noexcept;

// One operation of the calling thread. It is pinned between pin_…() and unpin(), as
// often as it likes. While it is, the thread stays attached and calls nothing that could detach it
// or run Python code: no Py_DECREF, no PyErr_…, no allocation by Python's allocators, no comparison
// but the native one. So when the world is stopped, for a collection or a fork, nobody is pinned.
class Guard {
public:
    // An atomic dict has been used by this thread before, or there is memory: see ready().
    [[gnu::always_inline]] explicit Guard(HashMap& map) noexcept
        : map_(map), participant_(Reclaimer::current()) {}
    // Runs finalizers, and so is not noexcept: up to Python 3.13, a daemon thread that wants to
    // attach when the interpreter has ended is unwound.
    [[gnu::always_inline]] ~Guard() noexcept(false) {
        if (pinned_) unpin();
        if (retired_) [[unlikely]] {
            // A copy, since its address is given away: with that of a member, the guard would not
            // be kept in registers.
            RetiredItems::Item retired = retired_;
            if (removes_something_) Reclaimer::take_what_is_left_for_all(retired);
            leaves_something_ |= Reclaimer::retire(*participant_, retired);
        }
        if (leaves_something_) [[unlikely]]
            see_to_leftovers();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    // False with MemoryError, and then nothing else may be called.
    [[nodiscard]] bool ready() const noexcept {
        if (participant_) [[likely]]
            return true;
        PyErr_NoMemory();
        return false;
    }

    [[gnu::always_inline]] void pin_reading() noexcept {
        Reclaimer::pin(*participant_);
        pinned_ = true;
    }

    // Waits, detached, while an exact operation has closed the gate.
    [[gnu::always_inline]] void pin_writing() {
        for (;;) {
            Reclaimer::pin_writing(*participant_, &map_);
            // After the pin, so that either the closer sees the pin or we see the closed gate.
            if (map_.gate.load(std::memory_order_seq_cst) == HashMap::gate_open) [[likely]]
                break;
            if (!is_closed(map_) || atomics::compat::is_finalizing()) break;
            Reclaimer::unpin(*participant_);
            yield_detached();
        }
        pinned_ = true;
    }

    // False, and not pinned, where it would have to wait.
    [[nodiscard]] bool try_pin_writing() noexcept {
        Reclaimer::pin_writing(*participant_, &map_);
        pinned_ = !is_closed(map_);
        if (!pinned_) Reclaimer::unpin(*participant_);
        return pinned_;
    }

    [[gnu::always_inline]] void unpin() noexcept {
        pinned_ = false;
        Reclaimer::unpin(*participant_);
    }

    // Closes the gate and waits until no writer is pinned. No Python code may be run until it is
    // opened.
    void close_gate() {
        Reclaimer::note_scan(*participant_);
        close_for_others(map_);
        Reclaimer::wait_for_writers(&map_, [] { std::this_thread::yield(); });
    }
    // False where another has closed it.
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

    // To be freed when nobody can find it any more, some time after this guard.
    template <class Retired>
    [[gnu::always_inline]] void retire(Retired* retired) noexcept {
        const RetiredItems::Item item = RetiredItems::of(retired);
        RetiredItems::set_link(item, retired_);
        retired_ = item;
        removes_something_ |= RetiredItems::has_objects(retired);
    }
    // The same, of a table without any keys: that removes nothing.
    void retire_empty(Table* table) noexcept {
        const bool removes_something = removes_something_;
        retire(table);
        removes_something_ = removes_something;
    }
    // The same, of a node that another thread has made dead. This one may be about to remove
    // nothing, and then it is not to run the finalizer of the key.
    void leave_for_all(Node* node) noexcept {
        Reclaimer::leave_for_all(RetiredItems::of(node));
        leaves_something_ = true;
    }

    // A number that no other thread has at the same time.
    std::uint32_t thread() const noexcept { return participant_->number; }

    // A node for an insertion; null with MemoryError. Not while pinned. What is given back is kept
    // for the thread's next one.
    [[nodiscard]] Node* take_node() noexcept {
        if (void* spare = std::exchange(participant_->spare, nullptr)) [[likely]]
            return static_cast<Node*>(spare);
        Node* node = Node::allocate();
        if (!node) PyErr_NoMemory();
        return node;
    }
    // Whether the thread's last operation that could insert did: it has used up its node.
    [[nodiscard]] bool inserted_last() const noexcept { return !participant_->spare; }
    void give_node_back(Node* node) noexcept {
        if (Node* other = static_cast<Node*>(std::exchange(participant_->spare, node))) [[unlikely]]
            Node::deallocate(other);
    }

private:
    HashMap& map_;
    Reclaimer::Participant* participant_;
    RetiredItems::Item retired_ = 0;
    bool pinned_ = false;
    bool removes_something_ = false;
    bool leaves_something_ = false;
};

#else

// With a GIL, whoever runs is alone: there is nothing to be told to others. Only while a
// gate is closed others may run.
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
    void close_gate() { close_for_others(map_); }
    [[nodiscard]] bool try_close_gate() noexcept {
        if (is_closed(map_)) return false;
        map_.gate.store(gate_closed(), std::memory_order_seq_cst);
        return true;
    }
    void open_gate() noexcept { map_.gate.store(HashMap::gate_open, std::memory_order_seq_cst); }

    template <class Retired>
    [[gnu::always_inline]] void retire(Retired* retired) noexcept {
        const RetiredItems::Item item = RetiredItems::of(retired);
        RetiredItems::set_link(item, retired_);
        retired_ = item;
    }
    void retire_empty(Table* table) noexcept { retire(table); }
    void leave_for_all(Node* node) noexcept { retire(node); }

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
