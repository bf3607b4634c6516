// SPDX-License-Identifier: Apache-2.0
#include "cache/frequency_sketch.hpp"

#include <cstdint>
#include <random>
#include <unordered_map>

#include "check.hpp"

namespace cereggii::testing {
namespace {

using atomicdict::cache::FrequencySketch;

TEST(a_key_that_was_not_added_has_no_uses) {
    FrequencySketch sketch(100, seed());
    for (std::uint64_t hash = 0; hash < 1000; ++hash) check_equal(sketch.estimate(hash), 0);
}

TEST(an_estimate_is_never_too_small) {
    FrequencySketch sketch(1000, seed());
    std::mt19937_64 random(seed());
    std::unordered_map<std::uint64_t, int> uses;
    for (int i = 0; i < 4000; ++i) {  // fewer than it takes until the counters are halved
        const std::uint64_t hash = random() % 800;
        sketch.add(hash);
        ++uses[hash];
    }
    for (const auto& [hash, count] : uses)
        check(sketch.estimate(hash) >= std::min(count, FrequencySketch::most));
}

TEST(most_estimates_are_exact_when_the_sketch_holds_as_many_keys_as_it_is_for) {
    FrequencySketch sketch(10'000, seed());
    for (int round = 0; round < 4; ++round)
        for (std::uint64_t hash = 0; hash < 10'000; ++hash) sketch.add(hash);
    int exact = 0;
    for (std::uint64_t hash = 0; hash < 10'000; ++hash) exact += sketch.estimate(hash) == 4;
    note("of 10 000 estimates are exact", static_cast<std::uint64_t>(exact));
    check(exact > 9'000);
}

TEST(a_counter_ends_at_15) {
    FrequencySketch sketch(100, seed());
    for (int i = 0; i < 1000; ++i) sketch.add(7);
    check_equal(sketch.estimate(7), FrequencySketch::most);
}

TEST(counters_are_halved_after_five_additions_a_key) {
    FrequencySketch sketch(1000, seed());
    for (int i = 0; i < 12; ++i) sketch.add(1);
    check_equal(sketch.estimate(1), 12);
    std::uint64_t other = 1000;
    for (int i = 0; i < 5000 - 12; ++i) sketch.add(++other);
    // Others may share a counter with it, so the estimate may be too large.
    const int once = sketch.estimate(1);
    check(once >= 6 && once <= 9, "halved once");
    for (int i = 0; i < 2500; ++i) sketch.add(++other);
    check(sketch.estimate(1) >= 3 && sketch.estimate(1) <= once, "halved twice");
}

TEST(a_block_that_was_not_used_for_long_catches_up) {
    constexpr std::uint64_t keys = 1500, blocks = 2 * keys / 30;
    const std::uint64_t number = seed();
    const auto block = [&](std::uint64_t hash) {
        return atomicdict::cache::scale(atomicdict::cache::mix(hash ^ number), blocks);
    };
    FrequencySketch sketch(keys, number);
    for (int i = 0; i < 12; ++i) sketch.add(0);
    std::uint64_t other = 0;
    // Each halving but the first takes half as many additions as the first.
    for (std::uint64_t added = 0; added < 2 * 5 * keys;)
        if (block(++other) != block(0)) {
            sketch.add(other);
            ++added;
        }
    check_equal(sketch.estimate(0), 12 / 8);
}

}  // namespace
}  // namespace cereggii::testing
