// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model.hpp"

// Checks of the order in which threads see the operations on words, such as a CheckedInt64.
namespace cereggii::model {

// At least one of two threads that write, and then read the other one's word, sees the other one's
// write.
template <class Word, class Value, class Write, class Read>
void store_buffering(Value before, const Write& write, const Read& read) {
    Word x(before), y(before);
    Value a{}, b{};
    threads(
        [&] {
            write(x);
            a = read(y);
        },
        [&] {
            write(y);
            b = read(x);
        });
    check(a != before || b != before, "both threads have read the old value");
}

// A thread that sees a write sees what the writer wrote before.
template <class Word, class Value, class Write, class Read>
void message_passing(Value before, const Write& write, const Read& read) {
    Word x(before);
    Plain<int> message{0};
    threads(
        [&] {
            message = 7;
            write(x);
        },
        [&] {
            if (read(x) != before) check(message == 7);
        });
}

// Reads of one word by two threads, beside writes of two others.
template <class Word>
void one_order() {
    Word x(0), y(0);
    int a = 0, b = 0, c = 0, d = 0;
    threads([&] { x.exchange(1); }, [&] { y.exchange(1); },
            [&] {
                a = static_cast<int>(x.load());
                b = static_cast<int>(y.load());
            },
            [&] {
                c = static_cast<int>(y.load());
                d = static_cast<int>(x.load());
            });
    check(!(a == 1 && b == 0 && c == 1 && d == 0), "two threads have seen two orders");
}

}  // namespace cereggii::model
