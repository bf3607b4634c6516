// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <compare>
#include <concepts>
#include <cstdint>
#include <string>

namespace cereggii::testing {

// A signed integer of 128 bits, wide enough to compute exactly what 64-bit code must not get wrong.
// Not every compiler has one. Any integer converts to it, even an atomic one. It prints in decimal.
// Like an unsigned integer, it wraps.
class Int128 {
public:
    constexpr Int128() noexcept = default;
    template <std::integral Integer>
    constexpr Int128(Integer value) noexcept
        : high_(value < Integer{} ? -1 : 0), low_(static_cast<std::uint64_t>(value)) {}
    template <std::integral Integer>
    Int128(const std::atomic<Integer>& value) noexcept : Int128(value.load()) {}

    // The low 64 bits.
    explicit constexpr operator std::int64_t() const noexcept {
        return static_cast<std::int64_t>(low_);
    }

    friend constexpr Int128 operator+(Int128 a, Int128 b) noexcept {
        const std::uint64_t low = a.low_ + b.low_;
        return Int128(a.high() + b.high() + (low < a.low_), low);
    }
    friend constexpr Int128 operator-(Int128 a) noexcept {
        return Int128(~a.high() + (a.low_ == 0), ~a.low_ + 1);
    }
    friend constexpr Int128 operator-(Int128 a, Int128 b) noexcept { return a + -b; }

    // Long multiplication, with digits of 32 bits.
    friend constexpr Int128 operator*(Int128 a, Int128 b) noexcept {
        const std::uint64_t low = digit(a.low_, 0) * digit(b.low_, 0);
        const std::uint64_t middle = digit(a.low_, 1) * digit(b.low_, 0) + digit(low, 1);
        const std::uint64_t other = digit(a.low_, 0) * digit(b.low_, 1) + digit(middle, 0);
        const std::uint64_t carried =
            digit(a.low_, 1) * digit(b.low_, 1) + digit(middle, 1) + digit(other, 1);
        return Int128(carried + a.high() * b.low_ + a.low_ * b.high(),
                      (other << 32) | digit(low, 0));
    }

    // By 0, ..., 127 bits.
    friend constexpr Int128 operator<<(Int128 a, int bits) noexcept {
        if (bits >= 64) return Int128(a.low_ << (bits - 64), 0);
        if (bits == 0) return a;
        return Int128((a.high() << bits) | (a.low_ >> (64 - bits)), a.low_ << bits);
    }

    constexpr Int128& operator+=(Int128 other) noexcept { return *this = *this + other; }
    constexpr Int128& operator-=(Int128 other) noexcept { return *this = *this - other; }
    constexpr Int128& operator++() noexcept { return *this += 1; }

    friend constexpr bool operator==(Int128, Int128) noexcept = default;
    friend constexpr std::strong_ordering operator<=>(Int128, Int128) noexcept = default;

    std::string to_string() const {
        std::string digits;
        Int128 rest = *this < 0 ? -*this : *this;
        do {
            digits.push_back(static_cast<char>('0' + rest.divide_by_ten()));
        } while (rest != 0);
        if (*this < 0) digits.push_back('-');
        std::reverse(digits.begin(), digits.end());
        return digits;
    }

private:
    constexpr Int128(std::uint64_t high, std::uint64_t low) noexcept
        : high_(static_cast<std::int64_t>(high)), low_(low) {}

    constexpr std::uint64_t high() const noexcept { return static_cast<std::uint64_t>(high_); }

    static constexpr std::uint64_t digit(std::uint64_t bits, int index) noexcept {
        return (bits >> (32 * index)) & 0xFFFFFFFFu;
    }

    // As an unsigned integer. Returns the remainder.
    constexpr int divide_by_ten() noexcept {
        std::uint64_t remainder = 0;
        std::uint64_t words[] = {high(), low_};
        for (std::uint64_t& word : words) {
            std::uint64_t quotient = 0;
            for (const int index : {1, 0}) {
                const std::uint64_t dividend = (remainder << 32) | digit(word, index);
                quotient = (quotient << 32) | (dividend / 10);
                remainder = dividend % 10;
            }
            word = quotient;
        }
        *this = Int128(words[0], words[1]);
        return static_cast<int>(remainder);
    }

    std::int64_t high_ = 0;  // compared first
    std::uint64_t low_ = 0;
};

}  // namespace cereggii::testing
