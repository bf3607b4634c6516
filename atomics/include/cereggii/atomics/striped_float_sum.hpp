// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/striped_cells.hpp"

namespace cereggii::atomics {

// The rounding error of the sum of two floats: a + b is exactly `sum` + the result. `sum` is the
// rounded a + b.
//
// This is the step of A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher
// Summen" (1974). The larger summand comes first (Dekker's Fast2Sum), so nothing overflows if the
// sum does not (S. Boldo, S. Graillat and J.-M. Muller, "On the robustness of the 2Sum and Fast2Sum
// algorithms", 2017). A sum that is inf or NaN has no error: 0.
inline double rounding_error(double a, double b, double sum) noexcept {
    if (!std::isfinite(sum)) [[unlikely]]
        return 0;
    return std::fabs(a) >= std::fabs(b) ? (a - sum) + b : (b - sum) + a;
}

// A sum of floats, and the sum of the errors that were made: for one thread.
struct CompensatedSum {
    double sum = 0;
    double error = 0;

    void add(double amount) noexcept {
        const double next = sum + amount;
        error += rounding_error(sum, amount, next);
        sum = next;
    }

    // Never -0.0: neither float has ever been -0.0.
    double total() const noexcept { return sum + error; }
};

// A sum of floats that many threads add to without sharing a cache line: DoubleAdder of the JDK
// (Doug Lea), with compensated summation.
//
// A cell has two floats: the sum of what was added, rounded after each addition, and the sum of the
// errors of these roundings. An addition is two steps:
//
//   1. A compare-exchange replaces `sum` by the rounded sum + amount. It compares bits, so exactly
//      one thread replaces each value that `sum` has. This thread knows the value before and the
//      value after, and so the exact error of this one rounding.
//   2. The error, if it is not 0, is added to `error` by a compare-exchange in the same way.
//
// So each amount is added once, and so is each error. Nothing has to happen to both floats at one
// instant, because the order in which errors are added does not matter, except for a rounding of
// second order. That is why there is no lock, and no compare-exchange of 128 bits.
//
// What is promised
//   - An amount is in exactly one sum_and_reset(), or still in the sum. The same is true for the
//     error of its rounding, which may be in another one.
//   - While nobody adds, the total of amounts x_i differs from the exact sum by at most about
//     u * |sum x_i| + (n * u)^2 * (sum |x_i|), with u = 2^-53, if there is no overflow. n is the
//     number of additions, plus two for each cell. (T. Ogita, S. Rump and S. Oishi, "Accurate sum
//     and dot product", 2005, proposition 4.5. Theirs are the additions of one thread. The proof
//     needs only that each error is exact, and that errors are added like other floats.)
//   - While others add, a total may lack additions that go on, or the errors of their roundings.
//   - inf and NaN act as in IEEE 754: the total is inf or NaN until it is reset. So does a sum of a
//     cell that overflows. inf in one cell and -inf in another one give NaN.
//
// Adding is lock-free. Relaxed: a total is exact only once the adders are known to have ended, and
// what makes that known (a join, a lock, a queue) orders their additions before the sum.
template <class Machine>
class BasicStripedFloatSum {
public:
    explicit BasicStripedFloatSum(double initial = 0) noexcept : cells_(initial) {}

    void add(double amount) noexcept {
        Cell* cell = &cells_.mine();
        std::uint64_t seen = cell->sum.load(std::memory_order_relaxed);
        for (;;) {
            const double before = to_value(seen);
            const double after = before + amount;
            if (cell->sum.compare_exchange_strong(seen, to_bits(after), std::memory_order_relaxed))
                [[likely]]
                return add_error(*cell, rounding_error(before, amount, after));
            // Lost to another thread that shares the cell. There may be a cell without it now.
            cell = &cells_.after_collision();
            seen = cell->sum.load(std::memory_order_relaxed);
        }
    }

    // Additions that go on at the same time may be counted or not.
    CompensatedSum sum() const noexcept {
        CompensatedSum total;
        cells_.for_each([&](const Cell& cell) {
            total.add(to_value(cell.sum.load(std::memory_order_relaxed)));
            total.add(to_value(cell.error.load(std::memory_order_relaxed)));
        });
        return total;
    }

    // Takes every cell's content exactly once.
    CompensatedSum sum_and_reset() noexcept {
        CompensatedSum total;
        cells_.for_each([&](Cell& cell) {
            total.add(to_value(cell.sum.exchange(to_bits(0), std::memory_order_relaxed)));
            total.add(to_value(cell.error.exchange(to_bits(0), std::memory_order_relaxed)));
        });
        return total;
    }

    // The bytes of its stripes, which have been allocated besides the sum itself.
    std::size_t memory() const noexcept { return cells_.memory(); }
    static std::size_t most_memory() noexcept { return Cells::most_memory(); }

    static std::size_t most_stripes() noexcept { return Cells::most_stripes(); }

private:
    static constexpr std::uint64_t to_bits(double value) noexcept {
        return std::bit_cast<std::uint64_t>(value);
    }
    static constexpr double to_value(std::uint64_t bits) noexcept {
        return std::bit_cast<double>(bits);
    }

    struct Cell {
        Cell() noexcept = default;
        explicit Cell(double initial) noexcept : sum(to_bits(initial)) {}

        std::atomic<std::uint64_t> sum{0};    // the bits of the sum; 0 is 0.0
        std::atomic<std::uint64_t> error{0};  // the bits of the sum of the rounding errors
    };
    using Cells = StripedCells<Cell, Machine>;

    CEREGGII_ALWAYS_INLINE static void add_error(Cell& cell, double error) noexcept {
        if (error == 0) return;
        std::uint64_t seen = cell.error.load(std::memory_order_relaxed);
        // Lost to another thread that shares the cell: add to the sum of errors that is there now.
        while (!cell.error.compare_exchange_weak(seen, to_bits(to_value(seen) + error),
                                                 std::memory_order_relaxed)) {
        }
    }

    Cells cells_;
};

using StripedFloatSum = BasicStripedFloatSum<ThisMachine>;

}  // namespace cereggii::atomics
