// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include "cereggii/atomics/checked_int64.hpp"
#include "check.hpp"
#include "edges.hpp"
#include "linearizability.hpp"
#include "race.hpp"

// Thousands of short histories around the two places where an integer may live, each judged.
namespace cereggii::testing {
namespace {

using atomics::CheckedInt64;
using atomics::Update;

constexpr std::size_t threads = 3;
constexpr std::size_t steps = 3;

enum class Kind { load, exchange, compare_exchange, add, subtract, flip_if_even };

constexpr const char* name(Kind kind) {
    constexpr std::array names = {"load", "exchange", "compare_exchange",
                                  "add",  "subtract", "flip_if_even"};
    return names[static_cast<std::size_t>(kind)];
}

struct Call {
    Kind kind;
    std::int64_t operand;   // to store, add or subtract
    std::int64_t expected;  // by compare_exchange
};

using Step = Event<Call, Update, threads>;
using Run = History<Call, Update, threads, steps>;

// What flip_if_even does, as a function for modify(). Changes sign, and does nothing twice.
std::optional<std::int64_t> flipped_if_even(std::int64_t found) {
    return found % 2 ? std::nullopt : std::optional(~found);
}

// The sequential integer: applies the call, and compares what it should have returned.
bool explains(const Step& step, std::int64_t& value) {
    const Call& call = step.call;
    const Update& outcome = step.outcome;
    if (outcome.before != value) return false;
    switch (call.kind) {
        case Kind::load: return true;
        case Kind::exchange: value = call.operand; return true;
        case Kind::compare_exchange:
            if (value == call.expected) value = call.operand;
            return true;
        case Kind::flip_if_even:
            value = flipped_if_even(value).value_or(value);
            return !outcome.overflow && outcome.after == value;
        case Kind::add:
        case Kind::subtract: break;
    }
    const Int128 exact =
        call.kind == Kind::add ? Int128{value} + call.operand : Int128{value} - call.operand;
    if (!fits_int64(exact)) return outcome.overflow;
    value = static_cast<std::int64_t>(exact);
    return !outcome.overflow && outcome.after == value;
}

Update perform(CheckedInt64& integer, const Call& call, Random& random) {
    switch (call.kind) {
        case Kind::exchange: return {integer.exchange(call.operand), 0, false};
        case Kind::compare_exchange:
            return {integer.compare_exchange(call.expected, call.operand), 0, false};
        case Kind::add: return integer.add(call.operand);
        case Kind::subtract: return integer.subtract(call.operand);
        case Kind::flip_if_even:
            return integer.modify([&](std::int64_t found) {
                if (random.one_in(4)) std::this_thread::yield();  // between its load and its store
                return flipped_if_even(found);
            });
        case Kind::load: break;
    }
    return {integer.load(), 0, false};
}

// One short run on a new integer.
class Trial {
public:
    // Plans the calls. Amounts differ in the powers of two that they consist of, and stored values
    // in the hundreds of thousands they are off an edge, so that a value tells what has been done.
    void prepare(Random& random) {
        recorder_.reset();
        start_ = random.pick(edges());
        const std::size_t edge_lives = random.below(4);
        if (edge_lives == 0) {
            integer_.initialize(INT64_MIN);  // was widened
            integer_.exchange(start_);
        } else {
            if (edge_lives == 1) start_ = 0;  // is widened by what comes
            integer_.initialize(start_);
        }
        for (std::size_t thread = 0; thread < threads; ++thread)
            for (std::size_t step = 0; step < steps; ++step)
                run_[thread][step].call = plan(random, thread * steps + step);
    }

    void run(std::size_t thread, Random& random) {
        std::int64_t last = start_;
        for (Step& step : run_[thread]) {
            if (random.one_in(16)) std::this_thread::yield();
            linger(random, 20);
            step.call.expected = last;  // the value it knows: a compare_exchange often succeeds
            recorder_.record(thread, step, [&] { return perform(integer_, step.call, random); });
            last = step.outcome.before;
        }
    }

    bool is_linearizable() const {
        const std::int64_t end = integer_.load();
        return linearizable(run_, start_, explains,
                            [=](std::int64_t value) { return value == end; });
    }
    bool has_overlaps() const noexcept { return overlapped(run_); }

    std::string described() const {
        std::ostringstream text;
        text << "not linearizable: from " << start_ << " to " << integer_.load();
        for (std::size_t thread = 0; thread < threads; ++thread)
            for (const Step& step : run_[thread]) {
                text << "\n    thread " << thread << " after";
                for (const std::size_t count : step.ended_before) text << ' ' << count;
                text << ": " << name(step.call.kind) << ' ' << step.call.operand;
                if (step.call.kind == Kind::compare_exchange) text << " if " << step.call.expected;
                text << " found " << step.outcome.before << " left " << step.outcome.after
                     << (step.outcome.overflow ? " overflow" : "");
            }
        return text.str();
    }

private:
    static Call plan(Random& random, std::size_t number) {
        static constexpr std::array kinds = {
            Kind::load, Kind::exchange, Kind::compare_exchange, Kind::add,
            Kind::add,  Kind::add,      Kind::subtract,         Kind::flip_if_even};
        const Kind kind = random.pick(kinds);
        const std::int64_t edge = random.pick(edges());
        if (kind == Kind::add || kind == Kind::subtract)
            return {kind, random.one_in(8) ? edge : std::int64_t{1} << number, 0};
        const auto off = random.one_in(2) ? static_cast<std::int64_t>(number + 1) * 100'000 : 0;
        return {kind, edge < 0 ? edge + off : edge - off, 0};
    }

    CheckedInt64 integer_;
    std::int64_t start_ = 0;
    Recorder<threads> recorder_;
    Run run_{};
};

TEST(short_histories_are_linearizable) {
    constexpr std::size_t batch = 64;
    const std::unique_ptr<Trial[]> trials(new Trial[batch]);
    Rendezvous meeting(threads);
    Budget budget(4 * Budget::usual);
    bool more = true;  // written by the first thread, between meetings
    std::uint64_t overlaps = 0;
    race(threads, [&](std::size_t thread, Random& random) {
        const bool first = thread == 0;
        while (true) {
            if (first) more = budget.more();
            for (std::size_t i = 0; first && i < batch; ++i) trials[i].prepare(random);
            meeting.arrive_and_wait();
            if (!more) return;
            for (std::size_t i = 0; i < batch; ++i) {
                meeting.arrive_and_wait();
                trials[i].run(thread, random);
            }
            meeting.arrive_and_wait();
            for (std::size_t i = 0; first && i < batch; ++i) {
                if (!trials[i].is_linearizable()) check(false, trials[i].described());
                overlaps += trials[i].has_overlaps();
            }
        }
    });
    note("histories", budget.used() * batch);
    note("of which operations overlapped", overlaps);
}

}  // namespace
}  // namespace cereggii::testing
