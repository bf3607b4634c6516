// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <vector>

namespace cereggii::model {

// A thread of a scenario: a context on a stack of its own, so that the checker decides which thread
// runs next.
class Fiber {
public:
    Fiber() : stack_(stack_size) {}

    // `body` must not return.
    void prepare(void (*body)()) {
        getcontext(&context_);
        context_.uc_stack.ss_sp = stack_.data();
        context_.uc_stack.ss_size = stack_.size();
        context_.uc_link = nullptr;
        makecontext(&context_, body, 0);
    }
    void switch_to(Fiber& other) noexcept { swapcontext(&context_, &other.context_); }

    bool has_on_stack(const void* address) const noexcept {
        return address >= stack_.data() && address < stack_.data() + stack_.size();
    }

    // From the program into an execution and back. The rest of the execution is given up.
    void enter_from(ucontext_t& outside) noexcept { swapcontext(&outside, &context_); }
    [[noreturn]] static void leave_to(const ucontext_t& outside) noexcept {
        setcontext(&outside);
        __builtin_unreachable();
    }

private:
    static constexpr std::size_t stack_size = std::size_t{128} << 10;

    ucontext_t context_{};
    std::vector<char> stack_;
};

}  // namespace cereggii::model
