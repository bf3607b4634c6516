// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>

#include "cereggii/atomics/never_destroyed.hpp"
#include "cereggii/atomics/parking_lot.hpp"
#include "cereggii/atomics/python/values.hpp"
#include "cereggii/atomics/tuning.hpp"

// Blocks a Python thread until a word in memory changes. The thread is detached from the
// interpreter meanwhile, there is a timeout, and a signal wakes the thread at once.
namespace cereggii::atomics {

// What one thread sleeps on. It is a lock that is taken at the start: to wait acquires it, and to
// post releases it.
class LockSignal {
public:
    LockSignal() noexcept : lock_(PyThread_allocate_lock()) {
        if (lock_) PyThread_acquire_lock(lock_, NOWAIT_LOCK);
    }
    ~LockSignal() {
        if (lock_) PyThread_free_lock(lock_);
    }
    LockSignal(const LockSignal&) = delete;
    LockSignal& operator=(const LockSignal&) = delete;

    bool allocated() const noexcept { return lock_ != nullptr; }
    void post() noexcept { PyThread_release_lock(lock_); }

    // Detaches, waits, and attaches again. When the interpreter ends, a daemon thread may not come
    // back from here: it hangs, or it is unwound.
    PyLockStatus wait(PY_TIMEOUT_T microseconds) {
        PyThreadState* state = PyEval_SaveThread();
        const PyLockStatus status = PyThread_acquire_lock_timed(lock_, microseconds, /*intr=*/1);
        PyEval_RestoreThread(state);
        return status;
    }

private:
    PyThread_type_lock lock_;
};

// How many seconds a wait may last. The argument `timeout` is a real number (anything with
// __float__ or __index__) from 0 to threading.TIMEOUT_MAX. None and inf stand for no limit, and
// give infinity. For anything else an exception is set that names the value. May run Python code.
class Timeout {
public:
    static std::optional<double> parse(PyObject* timeout) {
        if (timeout == nullptr || timeout == Py_None) return forever;
        const double seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0 && PyErr_Occurred()) return refuse_unconvertible(timeout);
        if (std::isnan(seconds) || seconds < 0) return refuse_negative(timeout);
        if (seconds > longest() && seconds != forever) return refuse_too_large(timeout);
        return seconds;
    }

    static constexpr double forever = std::numeric_limits<double>::infinity();

private:
    // threading.TIMEOUT_MAX: whole seconds that both CPython's locks and its clock can count.
    static double longest() noexcept {
        constexpr long long clock_max = std::numeric_limits<std::int64_t>::max() / 1000;
        const long long seconds = std::min<long long>(PY_TIMEOUT_MAX, clock_max) / 1'000'000;
        return static_cast<double>(seconds);
    }

    // Called when the conversion has set an exception.
    static std::nullopt_t refuse_unconvertible(PyObject* timeout) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError) && PyIndex_Check(timeout)) {
            PyErr_Clear();
            PyObject* integer = PyNumber_Index(timeout);
            if (!integer) return std::nullopt;
            const bool negative = int64_overflow(integer) < 0;
            Py_DECREF(integer);
            return negative ? refuse_negative(timeout) : refuse_too_large(timeout);
        }
        const PyNumberMethods* number = Py_TYPE(timeout)->tp_as_number;
        if (!number || !(number->nb_float || number->nb_index))
            set_error(PyExc_TypeError, "timeout must be a number of seconds or None, not %U",
                      timeout);
        return std::nullopt;
    }

    static std::nullopt_t refuse_negative(PyObject* timeout) {
        set_error(PyExc_ValueError, "timeout must be a non-negative number of seconds, not %U",
                  timeout);
        return std::nullopt;
    }

    static std::nullopt_t refuse_too_large(PyObject* timeout) {
        set_error(PyExc_OverflowError,
                  "timeout must be at most threading.TIMEOUT_MAX seconds, or None, not %U",
                  timeout);
        return std::nullopt;
    }
};

class Deadline {
public:
    // `timeout` as for Timeout::parse().
    static std::optional<Deadline> parse(PyObject* timeout) {
        const auto seconds = Timeout::parse(timeout);
        if (!seconds) return std::nullopt;
        return Deadline(*seconds);
    }

    static Deadline never() noexcept { return Deadline(Timeout::forever); }

    // How many microseconds are left, rounded up; -1 if there is no limit.
    PY_TIMEOUT_T remaining() const noexcept {
        if (!end_) return -1;
        const auto left = std::chrono::ceil<std::chrono::microseconds>(*end_ - Clock::now());
        return left.count() > 0 ? static_cast<PY_TIMEOUT_T>(left.count()) : 0;
    }

private:
    using Clock = std::chrono::steady_clock;

    explicit Deadline(double seconds) noexcept {
        if (seconds == Timeout::forever) return;
        const auto now = Clock::now();
        const auto wait =
            std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
        // The longest timeout is as long as the clock can count, so the sum has to saturate.
        const auto room = Clock::time_point::max() - now;
        end_ = wait < room ? now + wait : Clock::time_point::max();
    }

    std::optional<Clock::time_point> end_;  // none: there is no limit
};

enum class WaitResult { changed, timed_out, error };

class WaitQueue {
public:
    // Blocks while `unchanged()` is true and the deadline is not over. `unchanged` looks at the
    // word at `address`. It must neither block nor run Python code, and other threads call it, too.
    // A change that has to be seen must be followed by a notification on the address. Any other
    // change may be seen at any later time.
    template <class Predicate>
    static WaitResult wait_while(const void* address, const Deadline& deadline,
                                 const Predicate& unchanged) {
        while (unchanged()) {
            const std::unique_ptr<Parked<Predicate>> parked(
                new (std::nothrow) Parked<Predicate>(address, unchanged));
            if (!parked || !parked->waiter.signal.allocated()) {
                PyErr_NoMemory();
                return WaitResult::error;
            }
            if (!lot().enqueue(parked->waiter)) break;
            const bool interrupted = !sleep(parked->waiter.signal, deadline);
            const bool notified = !lot().cancel(parked->waiter);
            if (!interrupted && !unchanged()) break;
            // This thread has no use for the notification, so another waiter gets it.
            if (notified) lot().notify(address, 1);
            if (interrupted) return WaitResult::error;
            if (deadline.remaining() == 0) return WaitResult::timed_out;
        }
        return WaitResult::changed;
    }

    static void notify_one(const void* address) noexcept { lot().notify(address, 1); }
    static void notify_all(const void* address) noexcept { lot().notify(address, SIZE_MAX); }

    // For the child of a fork: see ParkingLot::forget_all(). If a signal handler forked, the thread
    // that forked may itself be waiting. It finds that its process is another one, and parks again.
    static void forget_all() noexcept {
        lot().forget_all();
        forks_.fetch_add(1, std::memory_order_relaxed);
    }

private:
    using Lot = ParkingLot<LockSignal>;

    // A waiter that leaves its queue when it is destroyed, however the scope is left. Up to Python
    // 3.12, a daemon thread that tries to attach after the interpreter has ended is unwound from
    // within sleep(). It is not on the stack, because some platforms end such a thread without
    // unwinding it.
    template <class Predicate>
    struct Parked {
        Parked(const void* address, const Predicate& predicate)
            : unchanged(predicate), waiter(address, &check, &unchanged) {}
        ~Parked() { lot().cancel(waiter); }
        static bool check(const void* context) {
            return (*static_cast<const Predicate*>(context))();
        }
        Predicate unchanged;
        Lot::Waiter waiter;
    };

    // Sleeps until the signal comes, or the deadline is over, or a signal handler has forked and
    // this is the child. False with an exception that a signal handler has raised.
    static bool sleep(LockSignal& signal, const Deadline& deadline) {
        const unsigned forks = forks_.load(std::memory_order_relaxed);
        for (;;) {
            const PyLockStatus status = signal.wait(slice(deadline.remaining()));
            if (PyErr_CheckSignals() < 0) return false;
            if (status == PY_LOCK_ACQUIRED || deadline.remaining() == 0 ||
                forks != forks_.load(std::memory_order_relaxed))
                return true;
        }
    }

    static inline std::atomic<unsigned> forks_{0};

    // One for the module.
    static Lot& lot() noexcept {
        static NeverDestroyed<Lot> instance;
        return instance.get();
    }

    // A wait is cut into slices. On Windows, Ctrl-C does not interrupt a slice, so it is answered
    // at its end. Elsewhere the same is true for a signal that comes in the few instructions before
    // the thread sleeps.
    static PY_TIMEOUT_T slice(PY_TIMEOUT_T microseconds) noexcept {
#ifdef MS_WINDOWS
        constexpr PY_TIMEOUT_T longest = tuning::waiting::longest_sleep_windows;
#else
        constexpr PY_TIMEOUT_T longest = tuning::waiting::longest_sleep;
#endif
        return microseconds < 0 || microseconds > longest ? longest : microseconds;
    }
};

}  // namespace cereggii::atomics
