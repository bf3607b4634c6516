// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/overflow.hpp"

namespace cereggii::atomics {

// The result of an update: the value that it found, the value that it left, and whether that did
// not fit in 64 bits.
struct Update {
    std::int64_t before;
    std::int64_t after;
    bool overflow;  // true: `after` is meaningless and nothing was stored
};

// A signed 64-bit integer on which additions are one `fetch_add` and still never wrap.
//
//      word_                                              wide_
//     ┌──────────────────────────────────────────┐       ┌──────────────┐
//     │ > 0   near:   the value is word_ - bias  │       │   (unused)   │
//     │ = 0   empty:  never constructed          │       │   (unused)   │
//     │ < 0   widened: the value is in wide_  ───┼──────▶│  the value   │
//     └──────────────────────────────────────────┘       └──────────────┘
//
// Zero-filled memory is an integer that was never constructed. That is what the allocator of a
// Python type hands out before `__init__` has run.
//
// Why not one plain word: `fetch_add` cannot be made conditional. An adder may check the value
// first, and another thread may still `set` it to 2^63-1 before the addition happens. Then the sum
// would wrap, and other threads would see it. Here a value that large is never in the word that is
// added to.
//
// Invariants
//   I1  A near value stored by anything but an addition is within ±near_limit.
//   I2  An adder uses `fetch_add` only for |amount| <= add_limit, and only after it read a near
//       word whose value is within ±near_limit.
//   I3  Once widened, word_ is only ever added to, and stays negative; it never becomes near again.
//   I4  wide_ is written by the one thread that holds the widening lock until word_ is widened, and
//       by anybody's compare-exchange afterwards.
//
// A near word stays in (0, 2^63), that is, no addition wraps:
//   Look at word_'s modification order, and at its last value L within ±near_limit. Every later
//   modification is a `fetch_add` (I1) whose check read a value not later than L (I2). No thread
//   has two of them: by the time of its second check it has its own first addition behind it, so by
//   coherence (relaxed loads included) the check would have read a value later than L, which is out
//   of limits. So the word is at most (number of threads) * add_limit away from L. With fewer than
//   2^28 threads that is less than 2^60, and 2^62 ± (2^61 + 2^60) lies within (0, 2^63).
// A widened word stays negative:
//   An adder that finds the word widened does not add to it. Those that checked before it was
//   widened add once each, at most 2^60 together, and -2^62 ± 2^60 lies within (-2^63, 0). They
//   learn from the value that `fetch_add` returns that theirs did not count, and add to wide_
//   instead.
//
// All operations are linearizable and sequentially consistent. `load` is wait-free; `add` is
// wait-free while the value is within ±2^61 and the amount within ±2^32; everything else is
// lock-free, except that the first value outside ±2^61 in the life of an object takes a lock for a
// few instructions to widen it.
class CheckedInt64 {
public:
    static constexpr std::int64_t near_limit = std::int64_t{1} << 61;
    static constexpr std::int64_t add_limit = std::int64_t{1} << 32;

    CheckedInt64() noexcept = default;  // empty
    explicit CheckedInt64(std::int64_t value) noexcept { initialize(value); }
    CheckedInt64(const CheckedInt64&) = delete;
    CheckedInt64& operator=(const CheckedInt64&) = delete;

    // Not atomic: for the thread that creates the object, before it is shared.
    void initialize(std::int64_t value) noexcept {
        wide_.store(value, std::memory_order_relaxed);
        word_.store(fits_near(value) ? value + bias : widened, std::memory_order_release);
    }

    bool constructed() const noexcept { return word_.load(std::memory_order_relaxed) != 0; }

    std::int64_t load() const noexcept {
        const std::int64_t word = word_.load(std::memory_order_seq_cst);
        if (word > 0) [[likely]]
            return word - bias;
        return wide_.load(std::memory_order_seq_cst);
    }

    std::int64_t exchange(std::int64_t value) noexcept {
        return modify([value](std::int64_t) { return std::optional(value); }).before;
    }

    // Returns the value found. It is `expected` if and only if the value was replaced.
    std::int64_t compare_exchange(std::int64_t expected, std::int64_t value) noexcept {
        return modify([=](std::int64_t found) {
                   return found == expected ? std::optional(value) : std::nullopt;
               })
            .before;
    }

    // Stores `value` if the value is `found`. Otherwise `found` becomes the value that is there.
    bool replace(std::int64_t& found, std::int64_t value) noexcept {
        const std::int64_t before = compare_exchange(found, value);
        return before == std::exchange(found, before);
    }

    CEREGGII_ALWAYS_INLINE Update add(std::int64_t amount) noexcept {
        if (-add_limit <= amount && amount <= add_limit) [[likely]] {
            const std::int64_t word = word_.load(std::memory_order_relaxed);
            if (word > 0 && fits_near(word - bias)) [[likely]] {
                const std::int64_t old = word_.fetch_add(amount, std::memory_order_seq_cst);
                if (old > 0) [[likely]]
                    return {old - bias, old - bias + amount, false};
                // Lost to a thread that widened the integer after the check: the addition did not
                // count.
            }
        }
        return checked<&add_overflows>(amount);
    }

    CEREGGII_ALWAYS_INLINE Update subtract(std::int64_t amount) noexcept {
        if (amount != INT64_MIN) [[likely]]
            return add(-amount);
        return checked<&subtract_overflows>(amount);
    }

    // One atomic read-modify-write. `next(found)` is the value to store, or nothing to leave the
    // integer as it is. It is called again if another thread changes the value first.
    template <class Next>
    Update modify(Next&& next) noexcept(noexcept(next(std::int64_t{}))) {
        std::int64_t word = word_.load(std::memory_order_seq_cst);
        while (word > 0) {
            const std::int64_t found = word - bias;
            const std::optional<std::int64_t> wanted = next(found);
            if (!wanted) return {found, found, false};
            if (!fits_near(*wanted)) {  // I1
                widen();
                break;
            }
            if (word_.compare_exchange_strong(word, *wanted + bias, std::memory_order_seq_cst))
                return {found, *wanted, false};
            // Lost to a concurrent update, or to a thread that widened the integer. `word` is what
            // is there now: try again.
        }
        std::int64_t found = wide_.load(std::memory_order_seq_cst);
        for (;;) {
            const std::optional<std::int64_t> wanted = next(found);
            if (!wanted) return {found, found, false};
            if (wide_.compare_exchange_strong(found, *wanted, std::memory_order_seq_cst))
                return {found, *wanted, false};
            // Lost to a concurrent update. `found` is what is there now: try again.
        }
    }

private:
    static constexpr std::int64_t bias = std::int64_t{1} << 62;
    static constexpr std::int64_t widened = -bias;

    static constexpr bool fits_near(std::int64_t value) noexcept {
        return -near_limit <= value && value <= near_limit;
    }

    template <auto Overflows>
    CEREGGII_NEVER_INLINE Update checked(std::int64_t amount) noexcept {
        bool overflow = false;
        Update update = modify([&](std::int64_t found) -> std::optional<std::int64_t> {
            std::int64_t result = 0;
            overflow = Overflows(found, amount, &result);
            return overflow ? std::nullopt : std::optional(result);
        });
        update.overflow = overflow;
        return update;
    }

    // Moves the value from word_ to wide_, forever. It changes no value, so it has no linearization
    // point of its own. Nothing blocks or calls Python while the lock is held, so no thread holds
    // it while that thread is stopped for a garbage collection or a fork.
    void widen() noexcept {
        static std::mutex widening;
        const std::lock_guard guard(widening);
        std::int64_t word = word_.load(std::memory_order_seq_cst);
        while (word > 0) {
            wide_.store(word - bias, std::memory_order_seq_cst);  // I4; read once word_ is widened
            if (word_.compare_exchange_strong(word, widened, std::memory_order_seq_cst)) return;
            // Lost to a concurrent update: move the value that it left.
        }
    }

    std::atomic<std::int64_t> word_{0};
    std::atomic<std::int64_t> wide_{0};
};

static_assert(sizeof(CheckedInt64) == 16);
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

}  // namespace cereggii::atomics
