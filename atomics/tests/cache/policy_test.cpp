// SPDX-License-Identifier: Apache-2.0
#include "cache/policy.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "check.hpp"
#include "reference_policy.hpp"

namespace cereggii::testing {
namespace {

using atomicdict::cache::Policy;
using atomicdict::cache::PolicyEntry;
using Keys = std::vector<std::uint32_t>;

// A cache of one thread: which keys are in it, and what its policy knows of them.
class Cache {
public:
    Cache(std::uint64_t capacity, std::uint32_t keys, std::uint64_t seed)
        : entries_(keys), policy_(capacity, capacity, seed) {
        for (std::uint32_t key = 0; key < keys; ++key) entries_[key].key = key;
    }

    // A hit, or an insertion, with what it evicts.
    bool request(std::uint32_t key, Keys* evicted = nullptr) {
        ++requests_;
        Entry& entry = entries_[key];
        if (entry.is_in) {
            ++hits_;
            entry.note_use();
            return true;
        }
        policy_.note_requests(requests_, hits_);
        requests_ = hits_ = 0;
        entry.hash = key;
        entry.used = 0;
        entry.is_in = true;
        ++size_;
        policy_.insert(entry, [&](PolicyEntry& gone) {
            auto& other = static_cast<Entry&>(gone);
            check(other.is_in && &other != &entry && gone.queue == PolicyEntry::Queue::none);
            other.is_in = false;
            --size_;
            if (evicted) evicted->push_back(other.key);
        });
        check(size_ <= policy_.capacity() && policy_.weight() == size_, "it is within its bound");
        return false;
    }

    void remove(std::uint32_t key) {
        Entry& entry = entries_[key];
        if (!entry.is_in) return;
        policy_.remove(entry);
        entry.is_in = false;
        --size_;
    }

    std::uint64_t size() const { return size_; }
    Policy& policy() { return policy_; }
    bool has(std::uint32_t key) const { return entries_[key].is_in; }

private:
    struct Entry : PolicyEntry {
        std::uint32_t key = 0;
        bool is_in = false;
    };
    std::vector<Entry> entries_;
    Policy policy_;
    std::uint64_t size_ = 0;
    std::uint64_t requests_ = 0, hits_ = 0;
};

// The keys 0, 1, … with the frequencies of Zipf's law.
class Zipf {
public:
    Zipf(std::uint32_t keys, double exponent, std::uint64_t seed) : sums_(keys), random_(seed) {
        double sum = 0;
        for (std::uint32_t i = 0; i < keys; ++i) sums_[i] = sum += std::pow(i + 1, -exponent);
    }
    std::uint32_t operator()() {
        const double at = std::uniform_real_distribution<>(0, sums_.back())(random_);
        const auto found = std::ranges::lower_bound(sums_, at);
        return static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(
            found - sums_.begin(), static_cast<std::ptrdiff_t>(sums_.size()) - 1));
    }

private:
    std::vector<double> sums_;
    std::mt19937_64 random_;
};

// Percent of hits; the first fifth of the requests is not counted.
double hit_ratio(std::uint64_t capacity, std::uint32_t keys, int requests,
                 const std::function<std::uint32_t(int)>& key) {
    Cache cache(capacity, keys, 12345);
    int hits = 0;
    for (int i = 0; i < requests; ++i) {
        const bool hit = cache.request(key(i));
        hits += hit && i >= requests / 5;
    }
    const double percent = 125.0 * hits / requests;
    note("hits of 10 000", static_cast<std::uint64_t>(100 * percent));
    return percent;
}

void check_ratio(double percent, double expected) {
    check(percent > expected - 1.5, "not more than 1.5 points below what the design has measured");
}

TEST(it_evicts_what_the_simple_implementation_evicts) {
    std::mt19937_64 random(seed());
    for (const std::uint64_t capacity : {1, 2, 3, 7, 8, 9, 30, 100, 1000}) {
        for (int kind = 0; kind < 4; ++kind) {
            const auto keys = static_cast<std::uint32_t>(5 * capacity);
            const std::uint64_t number = random();
            Zipf zipf(keys, 0.6 + 0.2 * kind, random());
            Cache cache(capacity, keys, number);
            ReferencePolicy reference(capacity, number);
            for (int i = 0; i < 20'000; ++i) {
                // Three Zipf's laws with loops in between; and few keys, all of which are used often.
                std::uint32_t key = zipf();
                if (kind == 3)
                    key = static_cast<std::uint32_t>(i) / 8 % (6 * keys / 25 + 1);
                else if (i / 3000 % 3 == kind)
                    key = static_cast<std::uint32_t>(i) % keys;
                Keys evicted, expected;
                const bool hit = cache.request(key, &evicted);
                check(hit == reference.request(key, expected), "the same hits");
                check(evicted == expected, "the same victims");
                if (evicted != expected) return;
                if (random() % 50 == 0) {
                    cache.remove(key);
                    reference.remove(key);
                }
            }
        }
    }
}

TEST(zipf) {
    Zipf small(100'000, 0.9, 21);
    check_ratio(hit_ratio(1000, 100'000, 1'000'000, [&](int) { return small(); }), 42.4);
    Zipf large(100'000, 1.0, 22);
    check_ratio(hit_ratio(10'000, 100'000, 1'000'000, [&](int) { return large(); }), 78.6);
}

TEST(a_loop_that_is_too_large_keeps_a_part_of_itself) {
    check_ratio(hit_ratio(1000, 1100, 333'333, [](int i) { return i % 1100; }), 87.1);
    check_ratio(hit_ratio(1000, 2000, 333'333, [](int i) { return i % 2000; }), 48.0);
}

TEST(keys_that_come_twice_are_hit_once) {
    const auto key = [](int i) {
        return static_cast<std::uint32_t>(i % 2 ? std::max(0, i / 2 - 250) : i / 2);
    };
    check_ratio(hit_ratio(1000, 500'001, 1'000'000, key), 41.2);
}

TEST(a_scan_does_not_evict_what_is_used) {
    Zipf zipf(10'000, 0.9, 23);
    Cache cache(1000, 1'000'000, 5);
    for (int i = 0; i < 200'000; ++i) cache.request(zipf());
    std::vector<std::uint32_t> top;
    for (std::uint32_t key = 0; key < 100; ++key)
        if (cache.has(key)) top.push_back(key);
    check(top.size() >= 95);
    for (std::uint32_t key = 100'000; key < 102'000; ++key) cache.request(key);
    const auto left = std::ranges::count_if(top, [&](auto key) { return cache.has(key); });
    check(left >= static_cast<std::ptrdiff_t>(top.size()) - 2);
}

TEST(a_cache_of_one_entry_keeps_the_newest) {
    Cache cache(1, 10, 1);
    for (std::uint32_t key = 0; key < 10; ++key) {
        cache.request(key);
        check(cache.has(key));
        check_equal(cache.size(), 1);
    }
}

TEST(removed_entries_make_room) {
    Cache cache(100, 10'000, 1);
    for (std::uint32_t key = 0; key < 100; ++key) cache.request(key);
    for (std::uint32_t key = 0; key < 50; ++key) cache.remove(key);
    Keys evicted;
    for (std::uint32_t key = 1000; key < 1050; ++key) cache.request(key, &evicted);
    check(evicted.empty());
    check_equal(cache.size(), 100);
}

TEST(a_smaller_capacity_evicts_the_rest) {
    Cache cache(1000, 10'000, 1);
    for (std::uint32_t key = 0; key < 1000; ++key) cache.request(key);
    std::size_t evicted = 0;
    cache.policy().resize(10, [&](PolicyEntry&) { ++evicted; });
    check_equal(static_cast<std::int64_t>(evicted), 990);
    check_equal(static_cast<std::int64_t>(cache.policy().weight()), 10);
}

TEST(the_weights_of_the_entries_are_within_the_capacity) {
    struct Weighed : PolicyEntry {
        bool is_in = false;
    };
    std::vector<Weighed> entries(2000);
    Policy policy(1000, 200, 1);
    std::mt19937_64 random(seed());
    std::uint64_t weight = 0;
    for (int i = 0; i < 100'000; ++i) {
        Weighed& entry = entries[random() % 2000 & random()];
        if (entry.is_in) {
            entry.note_use();
            continue;
        }
        entry.hash = static_cast<std::uint64_t>(&entry - entries.data());
        entry.used = 0;
        entry.weight =
            static_cast<std::uint32_t>(random() % 10 == 0 ? random() % 1001 : random() % 4);
        entry.is_in = true;
        weight += entry.weight;
        policy.insert(entry, [&](PolicyEntry& gone) {
            static_cast<Weighed&>(gone).is_in = false;
            weight -= gone.weight;
        });
        check(weight <= 1000 && weight == policy.weight());
    }
}

}  // namespace
}  // namespace cereggii::testing
