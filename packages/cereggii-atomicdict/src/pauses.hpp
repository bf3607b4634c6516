// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <chrono>
#include <cstdint>
#include <thread>

#if PY_VERSION_HEX < 0x030E0000 && defined(__GLIBC__)
#include <cxxabi.h>
#endif

// Long native sections let others stop the world: a collection, a fork, or on builds with a GIL any
// other thread, would otherwise wait until they end.
namespace cereggii::atomicdict {

// The builtin function sys.getswitchinterval: see Pace::is_long().
inline PyObject* get_switch_interval = nullptr;

// When the module is imported. False with an exception.
[[nodiscard]] inline bool prepare_pauses() {
    PyObject* sys = PyImport_ImportModule("sys");
    get_switch_interval = sys ? PyObject_GetAttrString(sys, "getswitchinterval") : nullptr;
    Py_XDECREF(sys);
    return get_switch_interval != nullptr;
}

// When it is time for a pause. A section asks after each small piece of work.
class Pace {
public:
    // The clock is looked at after so many pieces.
    explicit Pace(std::uint32_t between_looks = 256) noexcept : between_looks_(between_looks) {}

    // Pauses if it is time, see pause(). True: it did.
    [[gnu::always_inline]] bool rest() {
        if (--left_ != 0) [[likely]]
            return false;
        left_ = between_looks_;
        return rest_if_due();
    }
    // The same, and then answers signals. False with an exception.
    [[gnu::always_inline]] bool rest_for_signals() { return !rest() || PyErr_CheckSignals() == 0; }

    // Whether it is time, for those who have to leave something first. They are taken to pause.
    bool is_due() {
        if (--left_ != 0) return false;
        left_ = between_looks_;
        const Clock::time_point now = Clock::now();
        if (!is_long(now - last_)) return false;
        last_ = now;
        return true;
    }

private:
    using Clock = std::chrono::steady_clock;

    static bool is_long(Clock::duration time) {
        if (time < std::chrono::milliseconds(2)) return false;
#if defined(Py_GIL_DISABLED)
        return true;
#else
        // A thread that waits for the GIL is woken up each time that it is dropped, and as a rule
        // finds it taken again. Only if that has not happened for this interval does it ask for it;
        // and then who drops it waits until another has had it. So to pause more often is to let
        // nobody in.
        double interval = 0.005;  // as it is by default
        if (!PyErr_Occurred()) {
            PyObject* seconds = PyObject_CallNoArgs(get_switch_interval);
            if (seconds) interval = PyFloat_AsDouble(seconds);
            PyErr_Clear();
            Py_XDECREF(seconds);
        }
        return time > std::chrono::milliseconds(1) + std::chrono::duration<double>(interval);
#endif
    }

    bool rest_if_due();

    std::uint32_t between_looks_;
    std::uint32_t left_ = between_looks_;
    Clock::time_point last_ = Clock::now();
};

// As PyEval_RestoreThread. But up to Python 3.13 that unwinds a daemon thread when the interpreter
// has ended, through destructors that would release objects then; here it stays for ever, as it
// does from 3.14 on.
inline void attach_again(PyThreadState* state) {
#if PY_VERSION_HEX < 0x030E0000 && defined(__GLIBC__)
    try {
        PyEval_RestoreThread(state);
    } catch (const abi::__forced_unwind&) {
        for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
#else
    PyEval_RestoreThread(state);
#endif
}

namespace detail {

#if defined(Py_GIL_DISABLED)

// A thread that stops the world sets this bit of the eval breakers of all threads that are
// attached, and looks once a millisecond which of them are detached by then
// (`park_detached_threads` in CPython's pystate.c, 3.13 to 3.15). So to be detached for a moment is
// not enough: it has to last until the other has looked.
inline constexpr std::uintptr_t please_stop = std::uintptr_t{1} << 5;

inline bool is_asked_to_stop(PyThreadState* state) noexcept {
    return (_Py_atomic_load_uintptr_relaxed(&state->eval_breaker) & please_stop) != 0;
}

[[gnu::cold, gnu::noinline]] inline void wait_to_be_stopped(PyThreadState* state) {
    constexpr int detached = 0;  // _Py_THREAD_DETACHED
    constexpr auto longest = std::chrono::microseconds(1500);
    // As the interpreter's loop does when it answers. Who still waits sets the bit again; without
    // this it would stay set when the world goes on, and each later pause would wait in vain.
    _Py_atomic_and_uintptr(&state->eval_breaker, ~please_stop);
    PyEval_SaveThread();
    const auto end = std::chrono::steady_clock::now() + longest;
    while (_Py_atomic_load_int_relaxed(&state->state) == detached &&
           std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    attach_again(state);
}

#endif

}  // namespace detail

// Detaches, if others wait for that; attached again afterwards. Runs no Python code. Not while
// pinned, nor with a lock.
inline void pause() {
#if defined(Py_GIL_DISABLED)
    PyThreadState* state = PyThreadState_Get();
    if (detail::is_asked_to_stop(state)) detail::wait_to_be_stopped(state);
#else
    attach_again(PyEval_SaveThread());
#endif
}

inline bool Pace::rest_if_due() {
    if (!is_long(Clock::now() - last_)) return false;
    pause();
    last_ = Clock::now();
    return true;
}

}  // namespace cereggii::atomicdict
