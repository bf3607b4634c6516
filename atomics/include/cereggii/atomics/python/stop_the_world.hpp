// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#ifdef Py_GIL_DISABLED

#include <atomic>
#include <cstdint>

// Runs a native action while every other Python thread is stopped at a point where it is in the
// middle of nothing. For free-threaded builds: with a GIL every call of ours is such a moment.
//
// `PyUnstable_GC_VisitObjects` stops the world and calls back for each object that the collector
// knows. The first call runs the action and ends the visit. It raises no audit event and runs no
// Python code. That it stops the world is not documented: it was read in the sources of 3.14 and
// 3.15, so later versions do not rely on it. 3.13 is left out. There, a fork that meets a
// stop-the-world can leave the child unable to stop the world ever again (CPython issue 137433),
// and a plain `x += 1` must not cause that.
namespace cereggii::atomics {

inline constexpr bool world_can_be_stopped =
    0x030E0000 <= PY_VERSION_HEX && PY_VERSION_HEX < 0x03100000 && sizeof(void*) == 8;

namespace detail {

inline std::atomic<std::uint64_t> world_stops{0};

template <class Action>
struct Errand {
    Action& action;
    bool done = false;

    static int run(PyObject*, void* self) {
        auto* errand = static_cast<Errand*>(self);
        if (!errand->done) errand->action();
        errand->done = true;
        return 0;  // no more objects
    }
};

}  // namespace detail

// How often this module has stopped the world.
inline std::uint64_t count_of_world_stops() noexcept {
    return detail::world_stops.load(std::memory_order_relaxed);
}

// False: the action has not run, because the collector knows no object, or all of them are frozen
// (gc.freeze). The action must not allocate, drop a reference, block, or call anything of the
// interpreter that may do so: the interpreter holds the lock of its list of threads meanwhile. The
// calling thread must be attached. It is detached while it waits for the others.
template <class Action>
bool stop_the_world(Action&& action) {
    if constexpr (world_can_be_stopped) {
        detail::world_stops.fetch_add(1, std::memory_order_relaxed);
        detail::Errand<Action> errand{action};
        PyUnstable_GC_VisitObjects(&detail::Errand<Action>::run, &errand);
        return errand.done;
    } else {
        return false;
    }
}

}  // namespace cereggii::atomics

#endif
