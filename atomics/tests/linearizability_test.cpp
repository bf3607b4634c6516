// SPDX-License-Identifier: Apache-2.0
#include "linearizability.hpp"

#include "check.hpp"

// Checks the checker: histories of one register, written by hand.
namespace cereggii::testing {
namespace {

struct Call {
    bool write;
    int value;  // to write
};
using Step = Event<Call, int, 2>;
using Histories = History<Call, int, 2, 2>;

Step write(int value, std::array<std::size_t, 2> ended_before) {
    return {{true, value}, 0, ended_before};
}
Step read(int result, std::array<std::size_t, 2> ended_before) {
    return {{false, 0}, result, ended_before};
}

bool explains(const Step& step, int& state) {
    if (!step.call.write) return step.outcome == state;
    state = step.call.value;
    return true;
}

bool accepts(const Histories& history, int end) {
    return linearizable(history, 0, explains, [=](int state) { return state == end; });
}

TEST(one_after_the_other_is_linearizable) {
    const Histories history = {{{write(1, {0, 0}), write(2, {1, 0})},  //
                                {read(2, {2, 0}), read(2, {2, 1})}}};
    check(accepts(history, 2));
    check(!overlapped(history));
}

TEST(overlapping_operations_may_take_effect_in_either_order) {
    for (const int seen : {0, 1, 2}) {
        const Histories history = {{{write(1, {0, 0}), write(2, {1, 0})},  //
                                    {read(seen, {0, 0}), read(2, {2, 1})}}};
        check(accepts(history, 2));
        check(overlapped(history));
    }
}

TEST(a_stale_read_is_not_linearizable) {
    check(!accepts({{{write(1, {0, 0}), write(2, {1, 0})},  //
                     {read(1, {2, 0}), read(2, {2, 1})}}},
                   2));
}

TEST(a_value_that_comes_back_is_not_linearizable) {
    check(!accepts({{{write(1, {0, 0}), write(2, {1, 0})},  //
                     {read(2, {0, 0}), read(1, {0, 1})}}},
                   2));
}

TEST(a_value_that_nobody_wrote_is_not_linearizable) {
    check(!accepts({{{write(1, {0, 0}), write(2, {1, 0})},  //
                     {read(3, {0, 0}), read(2, {2, 1})}}},
                   2));
}

TEST(a_lost_last_write_is_not_linearizable) {
    const Histories history = {{{read(0, {0, 0}), write(1, {1, 0})},  //
                                {read(0, {0, 0}), read(0, {0, 1})}}};
    check(accepts(history, 1));
    check(!accepts(history, 0));
}

TEST(the_recorder_counts_what_has_ended) {
    Recorder<2> recorder;
    Histories history{};
    recorder.record(0, history[0][0], [] { return 7; });
    recorder.record(1, history[1][0], [&] {
        recorder.record(0, history[0][1], [] { return 8; });
        return 9;
    });
    recorder.record(1, history[1][1], [] { return 10; });
    check_equal(history[0][0].outcome, 7);
    check_equal(history[1][1].outcome, 10);
    check(history[0][0].ended_before == std::array<std::size_t, 2>{0, 0});
    check(history[0][1].ended_before == std::array<std::size_t, 2>{1, 0});
    check(history[1][0].ended_before == std::array<std::size_t, 2>{1, 0});
    check(history[1][1].ended_before == std::array<std::size_t, 2>{2, 1});
    check(overlapped(history));
}

}  // namespace
}  // namespace cereggii::testing
