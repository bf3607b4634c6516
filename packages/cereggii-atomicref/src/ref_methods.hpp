// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "cereggii/atomics/python/matching.hpp"
#include "cereggii/atomics/python/values.hpp"
#include "types.hpp"

// The methods of AtomicRef, AtomicBool and their handles, as plain C functions for a method table.
namespace cereggii::atomicref {

// What a method returns of an update.
enum class Returns { before, after };

template <class Accessor>
struct RefMethods {
    // ── read and write ─────────────────────────────────────────────────────────────────────────

    static PyObject* get(PyObject* self, PyObject*) {
        Slot* slot = Accessor::value(self);
        return slot ? slot->load() : nullptr;
    }

    static PyObject* set(PyObject* self, PyObject* updated) {
        PyObject* replaced = get_and_set(self, updated);
        if (!replaced) return nullptr;
        Py_DECREF(replaced);
        Py_RETURN_NONE;
    }

    [[gnu::always_inline]] static PyObject* get_and_set(PyObject* self, PyObject* updated) {
        if (!accepts(updated, "updated")) return nullptr;
        Slot* slot = Accessor::value(self);
        if (!slot) return nullptr;
        PyObject* replaced = slot->exchange(updated);
        slot->note_update();
        return replaced;
    }

    // ── compare ────────────────────────────────────────────────────────────────────────────────

    static PyObject* compare_and_set(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                     PyObject* keywords) {
        static constexpr Signature<2> signature{"compare_and_set",
                                                {{{"expected"}, {"updated", true, "desired"}}}};
        std::array<PyObject*, 2> given;
        if (!parse_compared(signature, args, count, keywords, given)) return nullptr;
        Slot* slot = Accessor::value(self);
        if (!slot) return nullptr;
        return Py_NewRef(atomics::compare_and_set(*slot, given[0], given[1]) ? Py_True : Py_False);
    }

    static PyObject* compare_and_exchange(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                          PyObject* keywords) {
        static constexpr Signature<2> signature{"compare_and_exchange",
                                                {{{"expected"}, {"updated", true, "desired"}}}};
        std::array<PyObject*, 2> given;
        if (!parse_compared(signature, args, count, keywords, given)) return nullptr;
        Slot* slot = Accessor::value(self);
        return slot ? compare_exchange(*slot, given[0], given[1]).found : nullptr;
    }

    // ── functions ──────────────────────────────────────────────────────────────────────────────

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

    // ── waiting ────────────────────────────────────────────────────────────────────────────────

    static PyObject* wait_while(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                PyObject* keywords) {
        static constexpr Signature<2> signature{"wait_while", {{{"value"}, {"timeout", false}}}};
        std::array<PyObject*, 2> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        const auto deadline = Deadline::parse(given[1]);
        if (!deadline) return nullptr;
        Slot* slot = Accessor::value(self);
        if (!slot) return nullptr;
        for (bool woken = false;; woken = true) {
            PyObject* seen = slot->load();
            if (!matches(seen, given[0])) {
                Py_DECREF(seen);
                Py_RETURN_TRUE;
            }
            // Notifiers compare addresses, for they hold a lock: another object with the same value
            // wakes this thread for nothing, and somebody else may be waiting for the notification.
            if (woken) WaitQueue::notify_one(slot);
            const WaitResult result = WaitQueue::wait_while(
                slot, *deadline, [slot, seen]() noexcept { return slot->address() == seen; });
            Py_DECREF(seen);
            if (result == WaitResult::error) return nullptr;
            if (result == WaitResult::timed_out) Py_RETURN_FALSE;
        }
    }

    template <void (*Notify)(const void*) noexcept>
    static PyObject* notify(PyObject* self, PyObject*) {
        Slot* slot = Accessor::value(self);
        if (!slot) return nullptr;
        Notify(slot);
        Py_RETURN_NONE;
    }

    // ── repr ───────────────────────────────────────────────────────────────────────────────────

    static PyObject* repr(PyObject* self) {
        Slot* slot = Accessor::peek(self);
        if (!slot) return nullptr;
        PyObject* shown = nullptr;
        if constexpr (Accessor::is_handle)
            shown = Py_NewRef(Accessor::target(self));
        else
            shown = slot->load();
        return repr_of(self, shown);
    }

    // ── bool ───────────────────────────────────────────────────────────────────────────────────

    // Of an AtomicBool.
    static int truth(PyObject* self) {
        const Slot* slot = Accessor::value(self);
        return slot ? slot->address() == Py_True : -1;
    }

private:
    static bool accepts(PyObject* object, const char* what) {
        return atomicref::accepts<typename Accessor::Shared>(object, what);
    }

    [[gnu::always_inline]] static bool parse_compared(const Signature<2>& signature,
                                                      PyObject* const* args, Py_ssize_t count,
                                                      PyObject* keywords,
                                                      std::array<PyObject*, 2>& given) {
        return signature.parse(args, count, keywords, given) && accepts(given[0], "expected") &&
               accepts(given[1], "updated");
    }

    // Compare-and-set of fn(current) or fn(current, x), until no other thread came in between.
    template <Returns Which>
    static PyObject* call_until_stored(PyObject* self, const char* method, PyObject* fn,
                                       PyObject* x) {
        if (!PyCallable_Check(fn)) {
            set_error(PyExc_TypeError, "%s() needs a callable, not %U", method, fn);
            return nullptr;
        }
        Slot* slot = Accessor::value(self);
        if (!slot) return nullptr;
        for (;;) {
            PyObject* current = slot->load();
            PyObject* updated = x ? PyObject_CallFunctionObjArgs(fn, current, x, nullptr)
                                  : PyObject_CallOneArg(fn, current);
            if (!updated || !accepts(updated, "the result of fn")) {
                Py_XDECREF(updated);
                Py_DECREF(current);
                return nullptr;
            }
            if (compare_exchange_with_backoff(*slot, current, updated)) {
                Py_DECREF(current);  // one of two: the slot's and load()'s
                PyObject* result = Which == Returns::after ? updated : current;
                Py_DECREF(Which == Returns::after ? current : updated);
                return result;
            }
            Py_DECREF(updated);
            Py_DECREF(current);
        }
    }
};

}  // namespace cereggii::atomicref
