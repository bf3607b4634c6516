// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <array>

#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "cereggii/atomics/python/values.hpp"

// The methods that the numbers and AtomicRef have in common: they update by a Python function, wait
// for a change, and notify the threads that wait.
namespace cereggii::atomics {

// Which value an update method returns.
enum class Returns { before, after };

// A base of `Methods`, which says what differs:
//
//     using Value = ...; using Expected = ...;
//     static PyObject* load(Value* value);          the current value: a new reference, or null
//     static bool to_stored(PyObject*& updated);    makes what fn has returned, an owned reference,
//                                                   what can be stored. False with an exception
//     static bool store_over(Value* value, PyObject* current, PyObject* updated);
//                                                   the compare-and-set. False: lost to a
//                                                   concurrent update
//     static bool to_expected(PyObject* argument, Expected& expected);   of wait_while()
//     static WaitResult wait(Value* value, Expected expected, const Deadline& deadline);
template <class Accessor, class Methods>
struct UpdateMethods {
    UpdateMethods() = delete;

    template <MethodName Method, Returns Which>
    static PyObject* update(PyObject* self, PyObject* const* args, Py_ssize_t count,
                            PyObject* keywords) {
        static constexpr Signature<1> signature{Method.text, {{{"fn", true, "callable"}}}};
        std::array<PyObject*, 1> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        return call_until_stored<Which>(self, Method.text, given[0], nullptr);
    }

    template <MethodName Method, Returns Which>
    static PyObject* accumulate(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                PyObject* keywords) {
        static constexpr Signature<2> signature{Method.text, {{{"x"}, {"fn", true, "callable"}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        return call_until_stored<Which>(self, Method.text, given[1], given[0]);
    }

    static PyObject* wait_while(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                PyObject* keywords) {
        static constexpr Signature<2> signature{"wait_while", {{{"value"}, {"timeout", false}}}};
        std::array<PyObject*, 2> given;
        typename Methods::Expected expected{};
        if (!signature.parse(args, count, keywords, given) ||
            !Methods::to_expected(given[0], expected))
            return nullptr;
        const auto deadline = Deadline::parse(given[1]);
        if (!deadline) return nullptr;
        auto* value = Accessor::value(self);
        if (!value) return nullptr;
        switch (Methods::wait(value, expected, *deadline)) {
            case WaitResult::changed: Py_RETURN_TRUE;
            case WaitResult::timed_out: Py_RETURN_FALSE;
            case WaitResult::error: break;
        }
        return nullptr;
    }

    template <void (*Notify)(const void*) noexcept>
    static PyObject* notify(PyObject* self, PyObject*) {
        const auto* value = Accessor::value(self);
        if (!value) return nullptr;
        Notify(value);
        Py_RETURN_NONE;
    }

private:
    // Stores fn(current) or fn(current, x). If another thread has changed the value meanwhile, it
    // calls fn again.
    template <Returns Which>
    static PyObject* call_until_stored(PyObject* self, const char* method, PyObject* fn,
                                       PyObject* x) {
        if (!PyCallable_Check(fn)) {
            set_error(PyExc_TypeError, "%s() needs a callable, not %U", method, fn);
            return nullptr;
        }
        auto* value = Accessor::value(self);
        if (!value) return nullptr;
        for (;;) {
            PyObject* current = Methods::load(value);
            if (!current) return nullptr;
            PyObject* updated = x ? PyObject_CallFunctionObjArgs(fn, current, x, nullptr)
                                  : PyObject_CallOneArg(fn, current);
            const bool ok = updated && Methods::to_stored(updated);
            if (ok && Methods::store_over(value, current, updated)) {
                Py_DECREF(Which == Returns::after ? current : updated);
                return Which == Returns::after ? updated : current;
            }
            Py_XDECREF(updated);
            Py_DECREF(current);
            if (!ok) return nullptr;
            // Lost to a concurrent update: call fn with the value that is there now.
        }
    }
};

}  // namespace cereggii::atomics
