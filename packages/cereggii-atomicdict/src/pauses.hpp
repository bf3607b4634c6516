// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <chrono>
#include <cstdint>
#include <thread>

// Long native sections let others stop the world: a collection, a fork, or on builds with a GIL any
// other thread, would otherwise wait until they end.
namespace cereggii::atomicdict {

// When it is time for a pause. A section asks after each small piece of work.
class Pace {
public:
    // The clock is looked at after so many pieces.
    explicit Pace(std::uint32_t between_looks = 256) noexcept : between_looks_(between_looks) {}

    [[gnu::always_inline]] bool is_due() noexcept {
        if (--left_ != 0) [[likely]]
            return false;
        left_ = between_looks_;
        return time_is_over();
    }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr Clock::duration between_pauses = std::chrono::milliseconds(2);

    [[gnu::noinline]] bool time_is_over() noexcept {
        const Clock::time_point now = Clock::now();
        if (now - last_ < between_pauses) return false;
        last_ = now;
        return true;
    }

    std::uint32_t between_looks_;
    std::uint32_t left_ = between_looks_;
    Clock::time_point last_ = Clock::now();
};

namespace detail {

#if defined(Py_GIL_DISABLED)

// A thread that stops the world sets this bit of all threads' eval breakers, and then looks once a
// millisecond which of them are detached (`park_detached_threads` in CPython's pystate.c, 3.13 to
// 3.15). So to be detached for a moment is not enough: it has to last until the other has looked.
inline constexpr std::uintptr_t please_stop = std::uintptr_t{1} << 5;

inline bool is_asked_to_stop(PyThreadState* state) noexcept {
    return (_Py_atomic_load_uintptr_relaxed(&state->eval_breaker) & please_stop) != 0;
}

[[gnu::cold, gnu::noinline]] inline void wait_to_be_stopped() {
    constexpr int detached = 0;  // _Py_THREAD_DETACHED
    constexpr auto longest = std::chrono::microseconds(1500);
    PyThreadState* state = PyEval_SaveThread();
    // The bit stays set until the thread is back in the interpreter's loop, also if the world has
    // been stopped and goes on: then nobody comes, and the wait is in vain.
    const auto end = std::chrono::steady_clock::now() + longest;
    while (_Py_atomic_load_int_relaxed(&state->state) == detached &&
           std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    PyEval_RestoreThread(state);
}

#endif

}  // namespace detail

// Detaches, if others wait for that; attached again afterwards. Runs no Python code. Not while
// pinned, nor with a lock.
inline void pause() {
#if defined(Py_GIL_DISABLED)
    if (detail::is_asked_to_stop(PyThreadState_Get())) detail::wait_to_be_stopped();
#else
    PyEval_RestoreThread(PyEval_SaveThread());
#endif
}

// The same, and answers signals. False with an exception.
inline bool pause_for_signals() {
    pause();
    return PyErr_CheckSignals() == 0;
}

}  // namespace cereggii::atomicdict
