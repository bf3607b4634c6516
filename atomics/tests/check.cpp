// SPDX-License-Identifier: Apache-2.0
#include "check.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>

namespace cereggii::testing {
namespace {

struct State {
    Test* first = nullptr;
    Test** last = &first;
    std::mutex lock;  // guards what follows, and the output
    int failed_checks = 0;
};

State& state() noexcept {
    static State instance;
    return instance;
}

// The number of checks that failed.
int run(const Test& test) {
    state().failed_checks = 0;
    test.body();
    const int failed = state().failed_checks;
    std::printf("%s %s\n", failed ? "FAILED" : "passed", test.name);
    if (failed) std::printf("    %d checks failed\n", failed);
    std::fflush(stdout);
    return failed;
}

std::uint64_t choose_seed() {
    if (const char* chosen = std::getenv("CEREGGII_TEST_SEED"))
        return std::strtoull(chosen, nullptr, 10);
    return std::random_device()();
}

int run_all_or_named(int count, char* const* names) {
    std::printf("CEREGGII_TEST_SEED=%" PRIu64 "\n", seed());
    int passed = 0;
    int failed = 0;
    const auto run_one = [&](const Test& test) { ++(run(test) ? failed : passed); };
    for (int i = 0; i < count; ++i) {
        const Test* test = state().first;
        while (test && std::strcmp(test->name, names[i]) != 0) test = test->next;
        if (!test) {
            std::fprintf(stderr, "no such test: %s\n", names[i]);
            return 2;
        }
        run_one(*test);
    }
    if (count == 0)
        for (const Test* test = state().first; test; test = test->next) run_one(*test);
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}

}  // namespace

Test::Test(const char* test_name, void (*test_body)()) noexcept : name(test_name), body(test_body) {
    *state().last = this;
    state().last = &next;
}

void fail(std::string_view what, const Location& where) noexcept {
    constexpr int most_shown = 10;
    const std::lock_guard guard(state().lock);
    if (++state().failed_checks > most_shown) return;
    std::printf("%s:%u: %.*s\n", where.file_name(), static_cast<unsigned>(where.line()),
                static_cast<int>(what.size()), what.data());
    std::fflush(stdout);
}

void fail_unequal(Int128 actual, Int128 expected, const Location& where) noexcept {
    fail("got " + actual.to_string() + ", expected " + expected.to_string(), where);
}

void note(std::string_view what, std::uint64_t number) noexcept {
    const std::lock_guard guard(state().lock);
    std::printf("    %.*s: %" PRIu64 "\n", static_cast<int>(what.size()), what.data(), number);
}

std::uint64_t seed() noexcept {
    static const std::uint64_t instance = choose_seed();
    return instance;
}

}  // namespace cereggii::testing

int main(int argc, char** argv) { return cereggii::testing::run_all_or_named(argc - 1, argv + 1); }
