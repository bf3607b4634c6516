// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace cereggii::atomicdict::cache {

// Decides which share of the cache the window has, by trying: hill climbing (Einziger, Eytan,
// Friedman and Manes, "Adaptive software cache management"), as Caffeine does it.
//
// After each period, the share is changed by one step. The next step goes on in this direction if
// the hit ratio has risen, and back if it has fallen. Steps become smaller, and large again when
// the ratio changes by much. With hardly any hits there is no slope to follow: then the share jumps
// to the other end.
class WindowClimber {
public:
    // `adapts`: false for a share that stays as it is.
    explicit WindowClimber(std::uint64_t capacity, bool adapts) noexcept {
        resize(capacity, adapts);
    }

    void resize(std::uint64_t capacity, bool adapts) noexcept {
        capacity_ = static_cast<double>(capacity);
        period_ = requests_per_entry * std::max<std::uint64_t>(capacity, fewest_entries);
        share_ = std::max(1.0, first_share * capacity_);
        step_ = largest_step * capacity_;
        adapts_ = adapts;
    }

    // The size that the window should have: 1 or more.
    std::uint64_t window() const noexcept {
        return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(share_));
    }

    // Takes note of requests, of which some were hits.
    void note(std::uint64_t requests, std::uint64_t hits) noexcept {
        requests_ += requests;
        hits_ += hits;
        if (adapts_ && requests_ >= period_) climb();
    }

private:
    static constexpr std::uint64_t requests_per_entry = 10;  // in a period
    static constexpr std::uint64_t fewest_entries = 100;  // a period is not shorter than of these
    static constexpr double first_share = 0.1;
    static constexpr double smallest_share = 0.01;
    static constexpr double largest_share = 0.8;
    static constexpr double largest_step = 0.0625;
    static constexpr double step_decay = 0.98;
    static constexpr double large_change = 0.05;  // of the hit ratio
    static constexpr double hardly_any = 0.001;   // hits

    void climb() noexcept {
        const double ratio = static_cast<double>(hits_) / static_cast<double>(requests_);
        const double change = ratio - last_ratio_;
        last_ratio_ = ratio;
        hits_ = requests_ = 0;
        const double amount = change >= 0 ? step_ : -step_;
        step_ = std::fabs(change) >= large_change ? std::copysign(largest_step * capacity_, amount)
                                                  : step_decay * amount;
        share_ = std::clamp(share_ + amount, std::max(1.0, smallest_share * capacity_),
                            std::max(1.0, largest_share * capacity_));
        if (ratio < hardly_any)
            share_ =
                (share_ < capacity_ / 2 * largest_share ? largest_share : first_share) * capacity_;
    }

    double capacity_;
    std::uint64_t period_;
    double share_;
    double step_;
    bool adapts_;
    double last_ratio_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t hits_ = 0;
};

}  // namespace cereggii::atomicdict::cache
