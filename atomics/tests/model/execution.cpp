// SPDX-License-Identifier: Apache-2.0
#include "execution.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "memory.hpp"

namespace cereggii::model {

namespace {

const char* name_of(Order order) noexcept {
    switch (order) {
        case std::memory_order_relaxed: return "relaxed";
        case std::memory_order_acquire: return "acquire";
        case std::memory_order_release: return "release";
        case std::memory_order_acq_rel: return "acq_rel";
        case std::memory_order_seq_cst: return "seq_cst";
        default: return "consume";
    }
}

std::uint64_t changed(std::uint64_t value, Change change, std::uint64_t operand) noexcept {
    switch (change) {
        case Change::exchange: return operand;
        case Change::add: return value + operand;
        case Change::subtract: return value - operand;
        case Change::bit_and: return value & operand;
        case Change::bit_or: return value | operand;
        case Change::bit_xor: return value ^ operand;
    }
    return value;
}

std::string text_of(const Where& where) {
    const std::string file = where.file_name();
    return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

}  // namespace

// ── the execution as a whole ────────────────────────────────────────────────────────────────────

bool Execution::run(void (*scenario)(), Search& search, const Bounds& bounds,
                    const Weakening* weakening) {
    ++number_;
    search_ = &search;
    left_ = bounds;
    weakening_ = weakening;
    scenario_ = scenario;
    location_count_ = 0;
    blocks_.clear();
    plain_.clear();
    in_order_.clear();
    changes_ = 0;
    operations_ = 0;
    failed_ = false;
    failure_.clear();
    steps.clear();
    for (Thread& thread : threads_) {
        thread.is_done = true;
        thread.body = nullptr;
        thread.view.clear();
        thread.to_take.clear();
        thread.to_pass.clear();
        thread.at_end.clear();
        thread.is_free = nullptr;
        thread.is_stuck = false;
        thread.changes_at_yield = UINT64_MAX;
    }
    me_ = 0;
    threads_[0].is_done = false;
    end_step();  // what the program did before happened at step 0
    threads_[0].body = scenario;
    threads_[0].fiber.prepare(&run_thread);
    free_memory_of_execution();
    running_ = true;
    OutsideOfExecution::depth = 0;
    threads_[0].fiber.enter_from(outside_);
    OutsideOfExecution::depth = 0;
    running_ = false;
    return !failed_;
}

void Execution::run_thread() {
    Execution& execution = current();
    const std::size_t me = execution.me_;
    execution.threads_[me].body();
    auto& at_end = execution.threads_[me].at_end;
    while (!at_end.empty()) {
        void (*const action)(std::size_t) = at_end.back();
        at_end.pop_back();
        action(me);
    }
    if (me == 0) Fiber::leave_to(execution.outside_);
    const OutsideOfExecution outside;
    execution.threads_[me].is_done = true;
    ++execution.changes_;
    --execution.unfinished_;
    if (execution.unfinished_ == 0)
        execution.switch_to(0);
    else
        execution.switch_away(false, false);
    __builtin_unreachable();
}

void Execution::run_threads(std::vector<std::function<void()>> bodies) {
    const OutsideOfExecution outside;
    unfinished_ = bodies.size();
    for (std::size_t i = 0; i < bodies.size(); ++i) {
        Thread& thread = threads_[i + 1];
        thread.body = std::move(bodies[i]);
        // The start of a thread, which happens after what the main thread has done.
        thread.view = threads_[0].view;
        thread.view.clock.steps[i + 1] = 1;
        thread.is_done = false;
        thread.fiber.prepare(&run_thread);
    }
    end_step();
    threads_[0].is_done = true;
    switch_away(false, false);
    threads_[0].is_done = false;
    for (std::size_t i = 1; i <= bodies.size(); ++i) {
        threads_[0].view.join(threads_[i].view);
        threads_[i].body = nullptr;
    }
}

void Execution::at_thread_end(void (*action)(std::size_t thread)) {
    const OutsideOfExecution outside;
    threads_[me_].at_end.push_back(action);
}

std::uint32_t Execution::choose(std::uint32_t of) {
    const OutsideOfExecution outside;
    return search_->pick_evenly(of);
}

bool Execution::is_static(const void* variable) const noexcept {
    return !is_memory_of_execution(variable) &&
           std::none_of(threads_.begin(), threads_.end(),
                        [&](const Thread& thread) { return thread.fiber.has_on_stack(variable); });
}

void Execution::fail(const std::string& why) {
    const OutsideOfExecution outside;
    failed_ = true;
    failure_ = why;
    Fiber::leave_to(outside_);
}

// ── which thread runs ───────────────────────────────────────────────────────────────────────────

bool Execution::can_run(std::size_t thread) const {
    const Thread& it = threads_[thread];
    if (it.is_done) return false;
    if (it.is_free && !(*it.is_free)()) return false;
    return !it.is_stuck || it.changes_at_yield != changes_;
}

// Before each operation that others can see: another thread may come first.
void Execution::preempt() {
    if (++operations_ == most_operations) fail("the execution does not end");
    if (left_.preemptions == 0 || unfinished_ < 2 || me_ == 0) return;
    std::uint32_t others = 0;
    std::array<std::size_t, max_threads> able{};
    for (std::size_t i = 1; i < max_threads; ++i)
        if (i != me_ && can_run(i)) able[others++] = i;
    const std::uint32_t picked = search_->pick(others + 1);
    if (picked == 0) return;
    --left_.preemptions;
    switch_to(able[picked - 1]);
}

// The calling thread cannot go on, or has yielded. Then threads take turns in order, as far as there
// are no preemptions left: otherwise two threads that yield could keep a third one from running.
void Execution::switch_away(bool has_yielded, bool may_stay) {
    std::uint32_t count = 0;
    std::array<std::size_t, max_threads> able{};
    for (std::size_t i = 1; i < max_threads; ++i) {
        const std::size_t next = (me_ + i - 1) % (max_threads - 1) + 1;
        if (next != me_ && can_run(next)) able[count++] = next;
    }
    if (count > 0) {
        const bool is_free = !has_yielded || left_.preemptions > 0;
        const std::uint32_t picked = is_free ? search_->pick(count) : 0;
        if (has_yielded && picked > 0) --left_.preemptions;
        switch_to(able[picked]);
    } else if (!may_stay) {
        fail("all threads wait: a deadlock, or a wake-up that was lost");
    }
}

void Execution::switch_to(std::size_t thread) {
    Thread& from = threads_[me_];
    me_ = thread;
    const int depth = std::exchange(OutsideOfExecution::depth, 0);
    from.fiber.switch_to(threads_[thread].fiber);
    OutsideOfExecution::depth = depth;
}

void Execution::yield() {
    const OutsideOfExecution outside;
    Thread& thread = threads_[me_];
    // Nothing has changed since it yielded last, and it has read the newest values since.
    thread.is_stuck = thread.changes_at_yield == changes_;
    thread.changes_at_yield = changes_;
    switch_away(true, !thread.is_stuck);
    threads_[me_].is_stuck = false;
}

// ── atomics ─────────────────────────────────────────────────────────────────────────────────────

Execution::Address& Execution::find_address(const void* address) {
    const auto bits = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(address));
    std::size_t at = bits * 0x9E3779B97F4A7C15u >> (64 - address_bits);
    while (addresses_[at].execution == number_ && addresses_[at].address != address)
        at = (at + 1) % addresses_.size();
    return addresses_[at];
}

LocationId Execution::add_location(const void* address, std::uint64_t value, Step made) {
    const LocationId id = location_count_++;
    if (id == locations_.size()) locations_.emplace_back();
    Location& location = locations_[id];
    if (location.messages.empty()) location.messages.emplace_back();
    location.count = 1;
    location.messages[0].value = value;
    location.messages[0].view.clear();
    location.used = {};
    location.address = address;
    location.made_by = made.thread;
    location.made_at = made.number;
    location.is_destroyed = false;
    find_address(address) = {address, number_, id};
    return id;
}

void Execution::make_location(const void* address, std::uint64_t value) {
    const OutsideOfExecution outside;
    add_location(address, value, is_static(address) ? Step{} : step());
}

LocationId Execution::location_at(const void* address, std::uint64_t value) {
    const OutsideOfExecution outside;
    const Address& known = find_address(address);
    if (known.execution == number_) return known.id;
    Step made;
    for (const Block& block : blocks_)
        if (block.has(address)) {
            if (block.is_free) fail("memory is used after it was freed");
            made = block.made;
        }
    return add_location(address, value, made);
}

void Execution::destroy_location(const void* address, const Where& where) {
    const OutsideOfExecution outside;
    const Address& known = find_address(address);
    if (known.execution != number_) return;
    Location& location = locations_[known.id];
    if (!happened(location.used))
        fail("an atomic is destroyed at " + text_of(where) +
             " although another thread's use of it has not happened before");
    location.is_destroyed = true;
}

void* Execution::allocate(std::size_t size) {
    void* memory = ::operator new(size);
    std::memset(memory, 0, size);
    const OutsideOfExecution outside;
    blocks_.push_back({static_cast<const std::byte*>(memory), size, step(), false});
    return memory;
}

void Execution::deallocate(void* memory, const Where& where) {
    if (!memory) return;
    const OutsideOfExecution outside;
    for (Block& block : blocks_) {
        if (block.begin != memory) continue;
        if (block.is_free) fail("memory is freed twice");
        block.is_free = true;
        for (LocationId id = 0; id < location_count_; ++id)
            if (block.has(locations_[id].address) && !locations_[id].is_destroyed)
                destroy_location(locations_[id].address, where);
        for (const PlainVariable& plain : plain_)
            if (block.has(plain.address)) plain.note_write(plain.address);
    }
}

void Execution::note_plain(const void* variable, void (*note_write)(const void*)) {
    const OutsideOfExecution outside;
    if (std::any_of(blocks_.begin(), blocks_.end(),
                    [&](const Block& block) { return block.has(variable); }))
        plain_.push_back({variable, note_write});
}

Order Execution::order_at(const Where& where, Kind kind, Order order) const {
    if (on_operation) on_operation(where, kind, order);
    return weakening_ && weakening_->is_at(where, kind) ? weakening_->order : order;
}

Location& Execution::use(LocationId id, const Where& where) {
    Location& location = locations_[id];
    if (location.is_destroyed) fail("an atomic is used at " + text_of(where) + " after its end");
    if (!happened(Step{location.made_by, location.made_at}))
        fail("an atomic is used at " + text_of(where) + " before its construction has happened");
    location.used.steps[me_] = now();
    return location;
}

void Execution::read(LocationId id, std::uint32_t message, Order order) {
    Thread& thread = threads_[me_];
    thread.view.oldest.raise(id, message);
    (acquires(order) ? thread.view : thread.to_take).join(locations_[id].messages[message].view);
    if (order == std::memory_order_seq_cst) in_order_.raise(id, message);
}

void Execution::write(LocationId id, std::uint64_t value, Order order, bool continues) {
    Thread& thread = threads_[me_];
    Location& location = locations_[id];
    const std::uint32_t index = location.count++;
    if (index == location.messages.size()) location.messages.emplace_back();
    Location::Message& message = location.messages[index];
    message.value = value;
    thread.view.oldest.raise(id, index);
    message.view = releases(order) ? thread.view : thread.to_pass;
    // A release sequence goes on through read-modify-writes.
    if (continues) message.view.join(location.messages[index - 1].view);
    if (order == std::memory_order_seq_cst) in_order_.raise(id, index);
    end_step();
    ++changes_;
}

std::uint64_t Execution::load(LocationId id, Order order, const Where& where) {
    const OutsideOfExecution outside;
    order = order_at(where, Kind::load, order);
    preempt();
    Location& location = use(id, where);
    const Thread& thread = threads_[me_];
    const std::uint32_t newest = location.count - 1;
    std::uint32_t oldest = thread.view.oldest[id];
    if (order == std::memory_order_seq_cst) oldest = std::max(oldest, in_order_[id]);
    // A thread that waits sees the newest values eventually.
    if (left_.stale_reads == 0 || thread.changes_at_yield == changes_) oldest = newest;
    const std::uint32_t behind = search_->pick(newest - oldest + 1);
    if (behind > 0) --left_.stale_reads;
    read(id, newest - behind, order);
    const std::uint64_t value = location.messages[newest - behind].value;
    record("load", id, value, order, behind, where);
    return value;
}

void Execution::store(LocationId id, std::uint64_t value, Order order, const Where& where) {
    const OutsideOfExecution outside;
    order = order_at(where, Kind::store, order);
    preempt();
    use(id, where);
    write(id, value, order, false);
    record("store", id, value, order, 0, where);
}

std::uint64_t Execution::update(LocationId id, Change change, std::uint64_t operand,
                                std::uint64_t mask, Order order, const Where& where) {
    const OutsideOfExecution outside;
    order = order_at(where, Kind::update, order);
    preempt();
    const Location& location = use(id, where);
    const std::uint32_t newest = location.count - 1;
    const std::uint64_t before = location.messages[newest].value;
    read(id, newest, order);
    const std::uint64_t after = changed(before, change, operand) & mask;
    write(id, after, order, true);
    record("update to", id, after, order, 0, where);
    return before;
}

bool Execution::compare_exchange(LocationId id, std::uint64_t& expected, std::uint64_t value,
                                 Order success, std::optional<Order> given_failure,
                                 const Where& where) {
    const OutsideOfExecution outside;
    const Order order = order_at(where, Kind::update, success);
    const Order failure =
        given_failure ? order_at(where, Kind::failure, *given_failure) : failure_order(order);
    preempt();
    const Location& location = use(id, where);
    const Thread& thread = threads_[me_];
    const std::uint32_t newest = location.count - 1;
    // An exchange that fails is a load: it may read an old value, but not the expected one.
    std::uint32_t oldest = thread.view.oldest[id];
    if (failure == std::memory_order_seq_cst) oldest = std::max(oldest, in_order_[id]);
    if (left_.stale_reads == 0 || thread.changes_at_yield == changes_) oldest = newest;
    std::uint32_t behind = search_->pick(newest - oldest + 1);
    if (location.messages[newest - behind].value == expected) behind = 0;
    const std::uint64_t found = location.messages[newest - behind].value;
    if (behind > 0) --left_.stale_reads;
    if (found != expected) {
        read(id, newest - behind, failure);
        expected = found;
        record("no exchange:", id, found, failure, behind, where);
        return false;
    }
    read(id, newest, order);
    write(id, value, order, true);
    record("exchange to", id, value, order, 0, where);
    return true;
}

void Execution::fence(Order order, const Where& where) {
    const OutsideOfExecution outside;
    order = order_at(where, Kind::fence, order);
    preempt();
    Thread& thread = threads_[me_];
    if (acquires(order)) thread.view.join(thread.to_take);
    if (order == std::memory_order_seq_cst) {
        thread.view.oldest.join(in_order_);
        in_order_.join(thread.view.oldest);
    }
    if (releases(order)) {
        thread.to_pass = thread.view;
        end_step();
    }
    record("fence", 0, 0, order, 0, where);
}

// ── locks ───────────────────────────────────────────────────────────────────────────────────────

void Execution::acquire_when(const std::function<bool()>& is_free, const View& passed,
                             const Where& where) {
    const OutsideOfExecution outside;
    preempt();
    while (!is_free()) {
        threads_[me_].is_free = &is_free;
        switch_away(false, false);
        threads_[me_].is_free = nullptr;
    }
    threads_[me_].view.join(passed);
    record("acquire a lock", 0, 0, std::memory_order_acquire, 0, where);
}

void Execution::release(View& passed, const Where& where) {
    const OutsideOfExecution outside;
    passed.join(threads_[me_].view);
    end_step();
    ++changes_;
    record("release a lock", 0, 0, std::memory_order_release, 0, where);
}

void Execution::record(const char* what, LocationId id, std::uint64_t value, Order order,
                       std::uint32_t behind, const Where& where) {
    if (!is_recording) return;
    std::string text = "thread " + std::to_string(me_) + "  " + text_of(where) + "  " + what + " " +
                       std::to_string(static_cast<std::int64_t>(value)) + "  (atomic " +
                       std::to_string(id) + ", " + name_of(order) + ")";
    if (behind > 0) text += "  which is " + std::to_string(behind) + " behind the newest";
    steps.push_back(std::move(text));
}

}  // namespace cereggii::model
