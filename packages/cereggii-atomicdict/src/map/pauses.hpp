// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <chrono>
#include <cstdint>
#include <thread>

#include "cereggii/atomics/compiler.hpp"
#include "map/tuning.hpp"

#if PY_VERSION_HEX < 0x030E0000 && defined(__GLIBCXX__) && defined(__GLIBC__)
#include <cxxabi.h>
#endif

// Long native sections let other threads stop the world. Otherwise a collection or a fork, or on
// builds with a GIL any other thread, would wait until they end. A section asks a `Pace` after each
// small piece of its work.
namespace cereggii::atomicdict {

// Knows when it is time for a pause.
class Pace {
public:
    // The clock is looked at after so many pieces.
    explicit Pace(std::uint32_t between_looks = tuning::pieces_between_looks) noexcept
        : between_looks_(between_looks) {}

    // To be called after a piece: pauses if it is time. True: it was.
    CEREGGII_ALWAYS_INLINE bool rest() {
        if (--left_ != 0) [[likely]]
            return false;
        left_ = between_looks_;
        return rest_if_due();
    }
    // The same, and after a pause it answers signals. False with an exception.
    CEREGGII_ALWAYS_INLINE bool rest_for_signals() { return !rest() || PyErr_CheckSignals() == 0; }

    // The same for a section that has to leave something before it pauses: whether it is time. Then
    // the section has to call pause().
    bool is_due() noexcept {
        if (--left_ != 0) return false;
        left_ = between_looks_;
        const Clock::time_point now = Clock::now();
        if (now - last_ < tuning::between_pauses) return false;
        last_ = now;
        return true;
    }

private:
    using Clock = std::chrono::steady_clock;

    bool rest_if_due();

    // How many pieces there are between two looks at the clock.
    std::uint32_t between_looks_;
    // How many pieces there are until the next look.
    std::uint32_t left_ = between_looks_;
    // When the last pause ended.
    Clock::time_point last_ = Clock::now();
};

// Attaches, as PyEval_RestoreThread does. When the interpreter has ended, that function unwinds a
// daemon thread up to Python 3.13, through destructors that would release objects then. Here the
// thread stays detached forever, as it does from 3.14 on.
inline void attach_again(PyThreadState* state) {
#if PY_VERSION_HEX < 0x030E0000 && defined(__GLIBCXX__) && defined(__GLIBC__)
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

#if PY_VERSION_HEX >= 0x030D0000

// What other threads want of a thread: bits of its eval breaker (pycore_ceval.h, 3.13 to 3.15).
inline constexpr std::uintptr_t gil_wanted = std::uintptr_t{1} << 0;
inline constexpr std::uintptr_t please_stop = std::uintptr_t{1} << 5;

inline bool is_asked(PyThreadState* state, std::uintptr_t what) noexcept {
    return (_Py_atomic_load_uintptr_relaxed(&state->eval_breaker) & what) != 0;
}

// A free-threaded build may have a GIL, too: an extension that is not marked as safe without it
// enables it.
inline void drop_gil_if_wanted(PyThreadState* state) {
    if (is_asked(state, gil_wanted)) attach_again(PyEval_SaveThread());
}

#else

// The builtin function sys.getswitchinterval.
inline PyObject* get_switch_interval = nullptr;

// Drops the GIL, but not more often than the switch interval. A thread that waits for the GIL is
// woken up each time that it is dropped, and as a rule finds it taken again. Only if it has not
// been dropped for the switch interval does that thread ask for it; and then the one that drops it
// waits until another has had it. So a thread that drops it more often lets no other thread in.
inline void drop_gil_if_it_is_time() {
    using Clock = std::chrono::steady_clock;
    static thread_local Clock::time_point last;
    double interval = 0.005;  // as it is by default
    if (!PyErr_Occurred()) {
        PyObject* seconds = PyObject_CallNoArgs(get_switch_interval);
        if (seconds) interval = PyFloat_AsDouble(seconds);
        PyErr_Clear();
        Py_XDECREF(seconds);
    }
#ifdef _WIN32
    constexpr auto late = std::chrono::milliseconds(16);  // a tick of the system's clock
#else
    constexpr auto late = std::chrono::milliseconds(1);
#endif
    if (Clock::now() - last <= late + std::chrono::duration<double>(interval)) return;
    attach_again(PyEval_SaveThread());
    last = Clock::now();
}

#endif

#if defined(Py_GIL_DISABLED)

// Detaches until the world was stopped and goes on. A thread that stops the world sets
// `please_stop` for all threads that are attached, and looks once a millisecond which of them are
// detached by then (`park_detached_threads` in CPython's pystate.c, 3.13 to 3.15). So it is not
// enough to be detached for a moment: it has to last until the other thread has looked.
CEREGGII_COLD CEREGGII_NEVER_INLINE inline void wait_to_be_stopped(PyThreadState* state) {
    constexpr int detached = 0;  // _Py_THREAD_DETACHED
    // As the interpreter's loop does when it answers. A thread that still waits sets the bit again.
    // If it were not cleared here, it would stay set when the world goes on, and each later pause
    // would wait in vain.
    _Py_atomic_and_uintptr(&state->eval_breaker, ~please_stop);
    PyEval_SaveThread();
    const auto end = std::chrono::steady_clock::now() + tuning::longest_wait_to_be_stopped;
    while (_Py_atomic_load_int_relaxed(&state->state) == detached &&
           std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(tuning::nap_until_stopped);
    attach_again(state);
}

#endif

}  // namespace detail

// To be called when the module is imported. False with an exception.
[[nodiscard]] inline bool prepare_pauses() {
#if PY_VERSION_HEX < 0x030D0000
    PyObject* sys = PyImport_ImportModule("sys");
    detail::get_switch_interval = sys ? PyObject_GetAttrString(sys, "getswitchinterval") : nullptr;
    Py_XDECREF(sys);
    return detail::get_switch_interval != nullptr;
#else
    return true;
#endif
}

// Detaches, if another thread waits for that, and attaches again. Runs no Python code. Not to be
// called while pinned, nor while holding a lock.
inline void pause() {
#if defined(Py_GIL_DISABLED)
    PyThreadState* state = PyThreadState_Get();
    if (detail::is_asked(state, detail::please_stop)) detail::wait_to_be_stopped(state);
    detail::drop_gil_if_wanted(state);
#elif PY_VERSION_HEX >= 0x030D0000
    detail::drop_gil_if_wanted(PyThreadState_Get());
#else
    detail::drop_gil_if_it_is_time();
#endif
}

inline bool Pace::rest_if_due() {
    if (Clock::now() - last_ < tuning::between_pauses) return false;
    pause();
    last_ = Clock::now();
    return true;
}

}  // namespace cereggii::atomicdict
