// SPDX-License-Identifier: Apache-2.0
#include "cache/ghosts.hpp"

#include <cstdint>

#include "check.hpp"

namespace cereggii::testing {
namespace {

using atomicdict::cache::Ghosts;

TEST(a_key_that_was_put_is_taken_once) {
    Ghosts ghosts(100, seed());
    check(!ghosts.take(1));
    ghosts.put(1);
    check(ghosts.take(1));
    check(!ghosts.take(1));
}

TEST(nearly_all_of_the_last_evictions_are_remembered) {
    for (const std::uint64_t limit : {100, 10'000, 1'000'000}) {
        Ghosts ghosts(limit, seed());
        for (std::uint64_t hash = 0; hash < 3 * limit; ++hash) ghosts.put(hash);
        std::uint64_t known = 0;
        // The last tenth, since `take` makes room and is not part of the question.
        for (std::uint64_t hash = 3 * limit - limit / 10; hash < 3 * limit; ++hash)
            known += ghosts.take(hash);
        note("in a thousand are known", known * 1000 / (limit / 10));
        check(known >= limit / 10 * 95 / 100);
    }
}

TEST(what_is_older_than_the_limit_is_forgotten) {
    constexpr std::uint64_t limit = 1000;
    Ghosts ghosts(limit, seed());
    ghosts.put(0);
    for (std::uint64_t hash = 1; hash <= limit; ++hash) ghosts.put(hash);
    // The line of the first may have been full, so it is known or not; but now it is too old.
    ghosts.put(limit + 1);
    check(!ghosts.take(0));
}

TEST(keys_that_were_never_put_are_seldom_taken_for_known) {
    constexpr std::uint64_t limit = 10'000;
    Ghosts ghosts(limit, seed());
    for (std::uint64_t hash = 0; hash < limit; ++hash) ghosts.put(hash);
    std::uint64_t wrong = 0;
    for (std::uint64_t hash = 1 << 20; hash < (1 << 20) + 100'000; ++hash)
        wrong += ghosts.take(hash);
    note("of 100 000 are taken for known", wrong);
    check(wrong < 200);  // 12 words of 15 bits: 37 are expected
}

TEST(the_time_may_wrap) {
    Ghosts ghosts(10, seed());
    for (std::uint64_t hash = 0; hash < 200'000; ++hash) {
        ghosts.put(hash);
        check(ghosts.take(hash));
    }
}

}  // namespace
}  // namespace cereggii::testing
