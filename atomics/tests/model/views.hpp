// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cereggii::model {

// The threads of a scenario, and the main thread, which is thread 0.
inline constexpr std::size_t max_threads = 5;

using LocationId = std::uint32_t;

// How much of what each thread has done happens before some point.
struct Clock {
    std::array<std::uint32_t, max_threads> steps{};

    void join(const Clock& other) noexcept {
        for (std::size_t i = 0; i < max_threads; ++i) steps[i] = std::max(steps[i], other.steps[i]);
    }
    bool includes(std::size_t thread, std::uint32_t step) const noexcept {
        return step <= steps[thread];
    }
};

// For each location, the oldest of its messages that may still be read. A message is what one store
// has written; they are numbered in modification order, from 0 on.
class Oldest {
public:
    std::uint32_t operator[](LocationId id) const noexcept {
        return id < messages_.size() ? messages_[id] : 0;
    }
    void raise(LocationId id, std::uint32_t message) {
        if (id >= messages_.size()) messages_.resize(id + 1);
        messages_[id] = std::max(messages_[id], message);
    }
    void join(const Oldest& other) {
        if (messages_.size() < other.messages_.size()) messages_.resize(other.messages_.size());
        for (std::size_t i = 0; i < other.messages_.size(); ++i)
            messages_[i] = std::max(messages_[i], other.messages_[i]);
    }
    void clear() noexcept { messages_.clear(); }

private:
    std::vector<std::uint32_t> messages_;
};

// What a thread knows, or what a thread learns that synchronizes with a message.
struct View {
    Clock clock;
    Oldest oldest;

    void join(const View& other) {
        clock.join(other.clock);
        oldest.join(other.oldest);
    }
    void clear() noexcept {
        clock = {};
        oldest.clear();
    }
};

}  // namespace cereggii::model
