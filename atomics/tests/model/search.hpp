// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cereggii::model {

// How far from the simplest execution a search goes.
struct Bounds {
    // How often a thread is stopped although it could go on.
    int preemptions = 2;
    // How often a load returns a value that is not the newest one.
    int stale_reads = 1;
    // The executions are chosen at random, and not in order.
    bool at_random = false;
    // The search ends after so many executions.
    std::uint64_t executions = 2'000'000;
};

// Makes the choices of one execution after another: depth-first through all executions within the
// bounds, or at random.
class Search {
public:
    static Search in_order() { return Search(0); }
    static Search at_random(std::uint64_t seed) { return Search(seed | 1); }

    // One of `of` alternatives. The first one is the simplest.
    std::uint32_t pick(std::uint32_t of) {
        if (of == 1) return 0;
        if (at_ < path_.size()) {
            is_repeatable_ &= path_[at_].of == of;
            return path_[at_++].taken % of;
        }
        const std::uint32_t taken = random_ ? random_pick(of) : 0;
        path_.push_back({taken, of});
        ++at_;
        return taken;
    }

    // The same, and none of them is simpler than the others.
    std::uint32_t pick_evenly(std::uint32_t of) {
        if (!random_ || of == 1) return pick(of);
        if (at_ < path_.size()) return path_[at_++].taken % of;
        path_.push_back({static_cast<std::uint32_t>(next_random() >> 33) % of, of});
        ++at_;
        return path_.back().taken;
    }

    // Goes on to the next execution. False: there is none.
    bool next() {
        at_ = 0;
        if (random_) {
            path_.clear();
            return true;
        }
        while (!path_.empty() && path_.back().taken + 1 == path_.back().of) path_.pop_back();
        if (path_.empty()) return false;
        ++path_.back().taken;
        return true;
    }

    // Whether the same choices have led to the same executions.
    bool is_repeatable() const noexcept { return is_repeatable_; }

    // Makes the choices of the last execution again.
    void repeat() noexcept { at_ = 0; }

private:
    struct Choice {
        std::uint32_t taken;
        std::uint32_t of;
    };

    explicit Search(std::uint64_t seed) : random_(seed) {}

    // The first alternative three times out of four: most executions are to be near the simplest.
    std::uint32_t random_pick(std::uint32_t of) noexcept {
        const std::uint64_t bits = next_random() >> 16;
        return bits % 4 != 0 ? 0 : static_cast<std::uint32_t>(bits / 4 % of);
    }
    std::uint64_t next_random() noexcept {
        random_ ^= random_ << 13;  // xorshift
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return random_ * 0x2545F4914F6CDD1Du;
    }

    std::vector<Choice> path_;
    std::size_t at_ = 0;
    std::uint64_t random_;  // 0: in order
    bool is_repeatable_ = true;
};

}  // namespace cereggii::model
