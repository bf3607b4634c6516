// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/matching.hpp"
#include "cereggii/atomics/python/update_methods.hpp"
#include "cereggii/atomics/python/values.hpp"
#include "types.hpp"

// The methods of AtomicRef, AtomicBool and their handles, as plain C functions for a method table.
namespace cereggii::atomicref {

template <class Accessor>
struct RefMethods : UpdateMethods<Accessor, RefMethods<Accessor>> {
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

    CEREGGII_ALWAYS_INLINE static PyObject* get_and_set(PyObject* self, PyObject* updated) {
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

    // ── functions and waiting (update_methods.hpp) ─────────────────────────────────────────────

    using Expected = PyObject*;

    static PyObject* load(Slot* slot) { return slot->load(); }
    static bool to_stored(PyObject*& updated) { return accepts(updated, "the result of fn"); }

    static bool store_over(Slot* slot, PyObject* current, PyObject* updated) {
        if (!compare_exchange_with_backoff(*slot, current, updated)) return false;
        Py_DECREF(current);  // the reference that the slot had
        return true;
    }

    static bool to_expected(PyObject* argument, PyObject*& expected) {
        expected = argument;
        return true;
    }

    static WaitResult wait(Slot* slot, PyObject* expected, const Deadline& deadline) {
        for (bool woken = false;; woken = true) {
            PyObject* seen = slot->load();
            if (!matches(seen, expected)) {
                Py_DECREF(seen);
                return WaitResult::changed;
            }
            // A notifying thread holds a lock, so it compares only addresses. Another object with
            // the same value wakes this thread for nothing. Then it passes the notification on:
            // another thread may be waiting for it.
            if (woken) WaitQueue::notify_one(slot);
            const WaitResult result = WaitQueue::wait_while(
                slot, deadline, [slot, seen]() noexcept { return slot->address() == seen; });
            Py_DECREF(seen);
            if (result != WaitResult::changed) return result;
        }
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

    // Only for AtomicBool and its handle.
    static int truth(PyObject* self) {
        const Slot* slot = Accessor::value(self);
        return slot ? slot->address() == Py_True : -1;
    }

private:
    static bool accepts(PyObject* object, const char* what) {
        return atomicref::accepts<typename Accessor::Shared>(object, what);
    }

    CEREGGII_ALWAYS_INLINE static bool parse_compared(const Signature<2>& signature,
                                                      PyObject* const* args, Py_ssize_t count,
                                                      PyObject* keywords,
                                                      std::array<PyObject*, 2>& given) {
        return signature.parse(args, count, keywords, given) && accepts(given[0], "expected") &&
               accepts(given[1], "updated");
    }
};

}  // namespace cereggii::atomicref
