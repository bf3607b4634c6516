// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <chrono>
#include <cstdint>
#include <thread>

#if PY_VERSION_HEX < 0x030E0000 && defined(__GLIBCXX__) && defined(__GLIBC__)
#include <cxxabi.h>
#endif

// Long native sections let others stop the world: a collection, a fork, or on builds with a GIL any
// other thread, would otherwise wait until they end.
namespace cereggii::atomicdict {

// When it is time for a pause. A section asks after each small piece of work.
class Pace {
public:
    // The clock is looked at after so many pieces.
    explicit Pace(std::uint32_t between_looks = 256) noexcept : between_looks_(between_looks) {}

    // If it is time, lets others in who wait for that, see pause(). True: it was.
    [[gnu::always_inline]] bool rest() {
        if (--left_ != 0) [[likely]]
            return false;
        left_ = between_looks_;
        return rest_if_due();
    }
    // The same, and then answers signals. False with an exception.
    [[gnu::always_inline]] bool rest_for_signals() { return !rest() || PyErr_CheckSignals() == 0; }

    // Whether it is time, for those who have to leave something first. They are taken to pause.
    bool is_due() noexcept {
        if (--left_ != 0) return false;
        left_ = between_looks_;
        const Clock::time_point now = Clock::now();
        if (now - last_ < between_pauses) return false;
        last_ = now;
        return true;
    }

private:
    using Clock = std::chrono::steady_clock;

    static constexpr Clock::duration between_pauses = std::chrono::milliseconds(2);

    bool rest_if_due();

    std::uint32_t between_looks_;
    std::uint32_t left_ = between_looks_;
    Clock::time_point last_ = Clock::now();
};

// As PyEval_RestoreThread. But up to Python 3.13 that unwinds a daemon thread when the interpreter
// has ended, through destructors that would release objects then; here it stays for ever, as it
// does from 3.14 on.
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

// What others want of a thread: bits of its eval breaker (pycore_ceval.h, 3.13 to 3.15).
inline constexpr std::uintptr_t gil_wanted = std::uintptr_t{1} << 0;
inline constexpr std::uintptr_t please_stop = std::uintptr_t{1} << 5;

inline bool is_asked(PyThreadState* state, std::uintptr_t what) noexcept {
    return (_Py_atomic_load_uintptr_relaxed(&state->eval_breaker) & what) != 0;
}

// A free-threaded build may have a GIL, too: for an extension that does not know better.
inline void drop_gil_if_wanted(PyThreadState* state) {
    if (is_asked(state, gil_wanted)) attach_again(PyEval_SaveThread());
}

#else

// The builtin function sys.getswitchinterval.
inline PyObject* get_switch_interval = nullptr;

// A thread that waits for the GIL is woken up each time that it is dropped, and as a rule finds it
// taken again. Only if that has not happened for the switch interval does it ask for it; and then
// who drops it waits until another has had it. So to drop it more often is to let nobody in.
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

// A thread that stops the world sets `please_stop` for all threads that are attached, and looks
// once a millisecond which of them are detached by then
// (`park_detached_threads` in CPython's pystate.c, 3.13 to 3.15). So to be detached for a moment is
// not enough: it has to last until the other has looked.
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

// When the module is imported. False with an exception.
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

// Detaches, if others wait for that; attached again afterwards. Runs no Python code. Not while
// pinned, nor with a lock.
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
    if (Clock::now() - last_ < between_pauses) return false;
    pause();
    last_ = Clock::now();
    return true;
}

}  // namespace cereggii::atomicdict
