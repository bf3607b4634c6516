// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <list>
#include <map>
#include <vector>

#include "cache/mixing.hpp"

// The eviction policy of the cache as plainly as it can be written: lists of keys, a sketch that is
// halved all at once, times that do not wrap. policy_test.cpp compares the real one with it, victim
// for victim. The positions in the sketch and in the ghosts are the same, since collisions decide
// as well.
namespace cereggii::testing {

class ReferencePolicy {
public:
    ReferencePolicy(std::uint64_t capacity, std::uint64_t seed)
        : capacity_(capacity),
          seed_(seed),
          random_(seed),
          share_(std::max(1.0, 0.1 * static_cast<double>(capacity))),
          step_(0.0625 * static_cast<double>(capacity)),
          blocks_(std::max<std::uint64_t>(1, (2 * capacity + 29) / 30)),
          counters_(blocks_ * 4 * 30),
          lines_((2 * capacity + 11) / 12),
          ghosts_(lines_ * 16) {}

    bool request(std::uint32_t key, std::vector<std::uint32_t>& evicted) {
        ++requests_;
        if (const auto found = entries_.find(key); found != entries_.end()) {
            ++hits_;
            found->second.used = std::min(3, found->second.used + 1);
            return true;
        }
        climb();
        bool back = take_ghost(key);
        add(key);
        int steps = 0;
        while (entries_.size() >= capacity_) {
            if ((window_.size() >= window() && steps < 16 && !window_.empty()) || main_.empty())
                leave_window(steps, evicted);
            else
                drop(main_, victim(steps), evicted);
        }
        Entry& entry = entries_[key] = {};
        if (back && has_room()) {
            main_.push_back(key);
        } else {
            entry.back = back;
            window_.push_back(key);
        }
        if (window_.size() > window() && entries_.size() < capacity_) {
            entries_[window_.front()].back = false;
            main_.splice(main_.end(), window_, window_.begin());
        }
        return false;
    }

    void remove(std::uint32_t key) {
        entries_.erase(key);
        window_.remove(key);
        main_.remove(key);
    }

private:
    struct Entry {
        int used = 0;
        bool back = false;
    };
    struct Ghost {
        std::uint32_t fingerprint = 0;  // 0: empty
        std::uint64_t time = 0;
    };

    bool is_tiny() const { return capacity_ < 8; }
    std::size_t window() const {
        return std::max<std::size_t>(1, static_cast<std::size_t>(share_));
    }
    bool has_room() const { return main_.size() + window() < capacity_; }

    void leave_window(int& steps, std::vector<std::uint32_t>& evicted) {
        const std::uint32_t key = window_.front();
        Entry& entry = entries_[key];
        ++steps;
        if (has_room()) return enter_main(key);
        if (!is_tiny() && entry.used < 2 && !entry.back) {
            if (entry.used) add(key);
            return become_ghost(key, evicted);
        }
        if (main_.empty()) return become_ghost_after_paying(key, evicted);
        const std::uint32_t other = victim(steps);
        const int uses = estimate(key) + entry.used;
        const bool enters =
            is_tiny() || uses > estimate(other) || (uses >= 6 && random_.once_in(128));
        if (!enters) return become_ghost_after_paying(key, evicted);
        drop(main_, other, evicted);
        for (int i = 0; i < entry.used; ++i) add(key);
        enter_main(key);
    }

    void enter_main(std::uint32_t key) {
        entries_[key] = {};
        main_.splice(main_.end(), window_, window_.begin());
    }

    void become_ghost_after_paying(std::uint32_t key, std::vector<std::uint32_t>& evicted) {
        for (int i = 0; i < entries_[key].used; ++i) add(key);
        become_ghost(key, evicted);
    }

    void become_ghost(std::uint32_t key, std::vector<std::uint32_t>& evicted) {
        put_ghost(key);
        drop(window_, key, evicted);
    }

    void drop(std::list<std::uint32_t>& from, std::uint32_t key,
              std::vector<std::uint32_t>& evicted) {
        from.remove(key);
        entries_.erase(key);
        evicted.push_back(key);
    }

    std::uint32_t victim(int& steps) {
        for (int step = 0;; ++step) {
            const std::uint32_t key = main_.front();
            ++steps;
            if (!entries_[key].used || step == 16) return key;
            add(key);
            --entries_[key].used;
            main_.splice(main_.end(), main_, main_.begin());
        }
    }

    void climb() {
        if (is_tiny() || requests_ < 10 * std::max<std::uint64_t>(capacity_, 100)) return;
        const auto capacity = static_cast<double>(capacity_);
        const double ratio = static_cast<double>(hits_) / static_cast<double>(requests_);
        const double change = ratio - last_ratio_;
        last_ratio_ = ratio;
        hits_ = requests_ = 0;
        const double amount = change >= 0 ? step_ : -step_;
        step_ =
            std::fabs(change) >= 0.05 ? (amount >= 0 ? 1 : -1) * 0.0625 * capacity : 0.98 * amount;
        share_ = std::clamp(share_ + amount, std::max(1.0, 0.01 * capacity), 0.8 * capacity);
        if (ratio < 0.001) share_ = (share_ < 0.4 * capacity ? 0.8 : 0.1) * capacity;
    }

    std::array<std::size_t, 4> positions(std::uint32_t key) const {
        using namespace atomicdict::cache;
        const std::uint64_t mixed = mix(key ^ seed_);
        const std::uint64_t more = mix(mixed);
        std::array<std::size_t, 4> found{};
        for (std::size_t row = 0; row < 4; ++row)
            found[row] =
                (scale(mixed, blocks_) * 4 + row) * 30 + ((more >> (16 * row) & 0xFFFF) * 30 >> 16);
        return found;
    }
    int estimate(std::uint32_t key) const {
        int least = 15;
        for (const std::size_t at : positions(key)) least = std::min(least, counters_[at]);
        return least;
    }
    void add(std::uint32_t key) {
        bool any = false;
        for (const std::size_t at : positions(key)) {
            if (counters_[at] == 15) continue;
            ++counters_[at];
            any = true;
        }
        if (!any || ++added_ < 5 * std::max<std::uint64_t>(capacity_, 16)) return;
        added_ /= 2;
        for (int& counter : counters_) counter /= 2;
    }

    Ghost* line(std::uint32_t key) {
        using namespace atomicdict::cache;
        return &ghosts_[scale(mix(key ^ seed_), lines_) * 16];
    }
    std::uint32_t fingerprint(std::uint32_t key) const {
        return (atomicdict::cache::mix(key ^ seed_) & 0xFFFF) | 1;
    }
    bool is_young(const Ghost& ghost) const {
        return ghost.fingerprint && evictions_ - ghost.time <= 2 * capacity_;
    }
    bool take_ghost(std::uint32_t key) {
        Ghost* ghosts = line(key);
        for (int i = 0; i < 16; ++i) {
            if (ghosts[i].fingerprint != fingerprint(key) || !is_young(ghosts[i])) continue;
            ghosts[i] = {};
            return true;
        }
        return false;
    }
    void put_ghost(std::uint32_t key) {
        Ghost* ghosts = line(key);
        Ghost* place = nullptr;
        for (int i = 0; i < 16; ++i) {
            if (!is_young(ghosts[i])) {
                place = &ghosts[i];
                break;
            }
            if (!place || ghosts[i].time <= place->time) place = &ghosts[i];
        }
        *place = {fingerprint(key), evictions_++};
    }

    std::uint64_t capacity_;
    std::uint64_t seed_;
    atomicdict::cache::Random random_;
    std::map<std::uint32_t, Entry> entries_;
    std::list<std::uint32_t> window_, main_;
    double share_, step_, last_ratio_ = 0;
    std::uint64_t requests_ = 0, hits_ = 0;
    std::uint64_t blocks_, added_ = 0;
    std::vector<int> counters_;
    std::uint64_t lines_, evictions_ = 0;
    std::vector<Ghost> ghosts_;
};

}  // namespace cereggii::testing
