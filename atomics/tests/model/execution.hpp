// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include "fibers.hpp"
#include "search.hpp"
#include "views.hpp"

// One execution of a scenario under the memory model of C++20, as an operational semantics. Threads
// take steps one at a time, and a load may return an old value. It follows Kang et al. ("A Promising
// Semantics for Relaxed-Memory Concurrency", 2017) without promises. Sequentially consistent
// operations and fences follow P0668, which is in C++20.
//
//   - The modification order of an atomic, and the single total order S, are the order of execution.
//   - A message has the view of the thread that wrote it. A thread that reads it with acquire takes
//     that view over, so older messages of all locations become invisible.
//   - `in_order_` has, for each atomic, the newest message that a sequentially consistent operation
//     has read or written, or that happened before a sequentially consistent fence. A sequentially
//     consistent load reads nothing older. After a sequentially consistent fence, no operation of
//     the thread does.
//
// An execution in which a load would be satisfied before an earlier load of its thread is not
// explored, nor one in which a store goes into the middle of the modification order. So what is
// found is an error, and some errors are not found.
namespace cereggii::model {

using Order = std::memory_order;
using Where = std::source_location;

// `failure` is the load of a compare-exchange that fails, if it has an order of its own.
enum class Kind : std::uint8_t { load, store, update, failure, fence };
enum class Change : std::uint8_t { exchange, add, subtract, bit_and, bit_or, bit_xor };

inline bool acquires(Order order) noexcept {
    return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}
inline bool releases(Order order) noexcept {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}
// The order of an exchange that fails, if only the other one is given.
inline Order failure_order(Order success) noexcept {
    if (success == std::memory_order_acq_rel) return std::memory_order_acquire;
    if (success == std::memory_order_release) return std::memory_order_relaxed;
    return success;
}

// A place in a source, and an order that replaces the one that is written there.
struct Weakening {
    std::string file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    Kind kind = Kind::load;
    Order order = std::memory_order_relaxed;

    bool is_at(const Where& where, Kind its_kind) const noexcept {
        return where.line() == line && where.column() == column && kind == its_kind &&
               file == where.file_name();
    }
};

// What an atomic is to the checker, in one execution.
struct Location {
    struct Message {
        std::uint64_t value = 0;
        View view;
    };
    std::deque<Message> messages;  // of which `count` are in use
    std::uint32_t count = 0;
    // The last step of each thread at this atomic. Its construction is a step.
    Clock used;
    const void* address = nullptr;
    std::size_t made_by = 0;
    std::uint32_t made_at = 0;
    bool is_destroyed = false;
};

// A failure ends the execution.
class Execution {
public:
    // The checker has one execution at a time.
    static Execution& current() noexcept {
        static Execution instance;
        return instance;
    }

    // The numbers of executions begin with 1.
    std::uint32_t number() const noexcept { return number_; }
    // Whether the calling code is a part of an execution. Otherwise it is the start of the program.
    static bool is_running() noexcept { return running_; }
    std::size_t thread() const noexcept { return me_; }
    // Whether a variable belongs to the program, and not to an execution.
    bool is_static(const void* variable) const noexcept;

    // Runs a scenario once. False: it failed, and `failure()` says how.
    bool run(void (*scenario)(), Search& search, const Bounds& bounds, const Weakening* weakening);
    const std::string& failure() const noexcept { return failure_; }

    // Called for each operation. It is also given the order that is written in the source.
    std::function<void(const Where&, Kind, Order)> on_operation;
    // The steps of the execution, if they are to be recorded.
    bool is_recording = false;
    std::vector<std::string> steps;

    // ── what a scenario does ────────────────────────────────────────────────────────────────────

    // Runs these threads beside each other, to their ends.
    void run_threads(std::vector<std::function<void()>> bodies);
    [[noreturn]] void fail(const std::string& why);
    // One of `of` alternatives: a part of the scenario that the search chooses.
    std::uint32_t choose(std::uint32_t of);
    // Lets other threads go on. A thread that waits in a loop calls it. If all threads wait, and
    // none has changed anything, the execution fails.
    void yield();
    // Called at the end of the calling thread, the last one first.
    void at_thread_end(void (*action)(std::size_t thread));

    // ── atomics ─────────────────────────────────────────────────────────────────────────────────

    // An atomic is constructed at this address.
    void make_location(const void* address, std::uint64_t value);
    void destroy_location(const void* address, const Where& where);
    // The atomic at this address. If it was not constructed in this execution, it is a static one,
    // or was made by the allocation of its memory.
    LocationId location_at(const void* address, std::uint64_t value);
    std::uint64_t load(LocationId id, Order order, const Where& where);
    void store(LocationId id, std::uint64_t value, Order order, const Where& where);
    // A read-modify-write, of the bits in `mask`. Returns the value before.
    std::uint64_t update(LocationId id, Change change, std::uint64_t operand, std::uint64_t mask,
                         Order order, const Where& where);
    // Without `failure`, that follows from the other order.
    bool compare_exchange(LocationId id, std::uint64_t& expected, std::uint64_t value,
                          Order success, std::optional<Order> failure, const Where& where);
    void fence(Order order, const Where& where);

    // ── memory that is allocated and freed ──────────────────────────────────────────────────────

    // The memory is filled with zeros.
    void* allocate(std::size_t size);
    // All uses of what is in it must have happened before.
    void deallocate(void* memory, const Where& where = Where::current());
    // A plain variable is constructed. `note_write` is called when its memory is freed.
    void note_plain(const void* variable, void (*note_write)(const void*));

    // ── plain memory and locks ──────────────────────────────────────────────────────────────────

    // A step of the calling thread.
    struct Step {
        std::size_t thread = 0;
        std::uint32_t number = 0;
    };
    Step step() const noexcept { return {me_, now()}; }
    bool happened(Step step) const noexcept {
        return threads_[me_].view.clock.includes(step.thread, step.number);
    }
    bool happened(const Clock& all) const noexcept {
        for (std::size_t i = 0; i < max_threads; ++i)
            if (!happened(Step{i, all.steps[i]})) return false;
        return true;
    }

    // A view that is passed on by a lock. `is_free` says whether the lock can be taken.
    void acquire_when(const std::function<bool()>& is_free, const View& passed, const Where& where);
    void release(View& passed, const Where& where);

private:
    struct Thread {
        Fiber fiber;
        std::function<void()> body;
        View view;     // what has happened before
        View to_take;  // of messages that it has read without acquire: an acquire fence takes it
        View to_pass;  // what happened before its last release fence
        bool is_done = true;
        // A lock can be taken. Null: the thread does not wait for one.
        const std::function<bool()>* is_free = nullptr;
        // How much had changed when the thread yielded last.
        std::uint64_t changes_at_yield = UINT64_MAX;
        bool is_stuck = false;
        std::vector<void (*)(std::size_t)> at_end;
    };

    std::uint32_t now() const noexcept { return threads_[me_].view.clock.steps[me_]; }
    void end_step() noexcept { ++threads_[me_].view.clock.steps[me_]; }

    Order order_at(const Where& where, Kind kind, Order order) const;
    Location& use(LocationId id, const Where& where);
    void read(LocationId id, std::uint32_t message, Order order);
    void write(LocationId id, std::uint64_t value, Order order, bool continues);
    void record(const char* what, LocationId id, std::uint64_t value, Order order,
                std::uint32_t behind, const Where& where);

    bool can_run(std::size_t thread) const;
    void preempt();
    void switch_away(bool has_yielded, bool may_stay);
    void switch_to(std::size_t thread);
    static void run_thread();

    std::vector<Thread> threads_ = std::vector<Thread>(max_threads);
    std::size_t me_ = 0;
    std::size_t unfinished_ = 0;
    std::deque<Location> locations_;
    LocationId location_count_ = 0;
    // A hash table from addresses to locations.
    struct Address {
        const void* address = nullptr;
        std::uint32_t execution = 0;
        LocationId id = 0;
    };
    Address& find_address(const void* address);
    LocationId add_location(const void* address, std::uint64_t value, Step made);
    std::vector<Address> addresses_ = std::vector<Address>(std::size_t{1} << address_bits);
    static constexpr int address_bits = 14;
    struct Block {
        const std::byte* begin;
        std::size_t size;
        Step made;
        bool is_free;
        bool has(const void* address) const noexcept {
            return address >= begin && address < begin + size;
        }
    };
    std::vector<Block> blocks_;
    struct PlainVariable {
        const void* address;
        void (*note_write)(const void*);
    };
    std::vector<PlainVariable> plain_;
    Oldest in_order_;
    std::uint64_t changes_ = 0;
    // The operations of this execution. One that has so many does not end.
    std::uint32_t operations_ = 0;
    static constexpr std::uint32_t most_operations = 20'000;
    Search* search_ = nullptr;
    Bounds left_;
    const Weakening* weakening_ = nullptr;
    std::uint32_t number_ = 0;
    static inline bool running_ = false;
    void (*scenario_)() = nullptr;
    ucontext_t outside_{};
    bool failed_ = false;
    std::string failure_;
};

// While it lives, memory comes from the program and not from the execution: see memory.cpp.
class OutsideOfExecution {
public:
    OutsideOfExecution() noexcept { ++depth; }
    ~OutsideOfExecution() { --depth; }
    OutsideOfExecution(const OutsideOfExecution&) = delete;
    OutsideOfExecution& operator=(const OutsideOfExecution&) = delete;
    static inline int depth = 0;
};

}  // namespace cereggii::model
