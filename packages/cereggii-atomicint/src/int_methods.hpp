// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/update_methods.hpp"
#include "cereggii/atomics/python/values.hpp"
#include "types.hpp"

// The methods of AtomicInt and AtomicIntHandle, as plain C functions for a method table.
namespace cereggii::atomicint {

inline PyObject* to_python(std::int64_t value) {
    if constexpr (sizeof(long) == sizeof(std::int64_t))
        return PyLong_FromLong(static_cast<long>(value));
    return PyLong_FromLongLong(value);
}

CEREGGII_COLD inline PyObject* set_sum_overflow(std::int64_t value, char sign,
                                                std::int64_t amount) {
    return PyErr_Format(PyExc_OverflowError, "%lld %c %lld does not fit in a signed 64-bit integer",
                        static_cast<long long>(value), sign, static_cast<long long>(amount));
}

// All additions ('+') and subtractions ('-') go through this function.
template <char Sign>
CEREGGII_ALWAYS_INLINE Update add_to(SharedInt* integer, std::int64_t amount) noexcept {
    const Update update = Sign == '+' ? integer->add(amount) : integer->subtract(amount);
    integer->note_update();
    return update;
}

// All compare-and-swaps of methods go through this function. Returns the value that was found.
inline std::int64_t compare_exchange(SharedInt* integer, std::int64_t expected,
                                     std::int64_t updated) noexcept {
    const std::int64_t found = integer->compare_exchange(expected, updated);
    integer->note_update();
    return found;
}

template <class Accessor>
struct IntMethods : UpdateMethods<Accessor, IntMethods<Accessor>> {
    // ── read and write ─────────────────────────────────────────────────────────────────────────

    static PyObject* get(PyObject* self, PyObject*) {
        SharedInt* integer = Accessor::value(self);
        return integer ? to_python(integer->load()) : nullptr;
    }

    static PyObject* set(PyObject* self, PyObject* updated) {
        std::int64_t value = 0;
        if (!to_int64(updated, &value, "updated")) return nullptr;
        SharedInt* integer = Accessor::value(self);
        if (!integer) return nullptr;
        integer->exchange(value);
        Py_RETURN_NONE;
    }

    static PyObject* get_and_set(PyObject* self, PyObject* updated) {
        std::int64_t value = 0;
        if (!to_int64(updated, &value, "updated")) return nullptr;
        SharedInt* integer = Accessor::value(self);
        return integer ? to_python(integer->exchange(value)) : nullptr;
    }

    // ── compare ────────────────────────────────────────────────────────────────────────────────

    static PyObject* compare_and_set(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                     PyObject* keywords) {
        static constexpr Signature<2> signature{"compare_and_set",
                                                {{{"expected"}, {"updated", true, "desired"}}}};
        std::int64_t expected = 0, updated = 0;
        SharedInt* integer = begin(signature, self, args, count, keywords, &expected, &updated);
        if (!integer) return nullptr;
        return Py_NewRef(compare_exchange(integer, expected, updated) == expected ? Py_True
                                                                                  : Py_False);
    }

    static PyObject* compare_and_exchange(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                          PyObject* keywords) {
        static constexpr Signature<2> signature{"compare_and_exchange",
                                                {{{"expected"}, {"updated", true, "desired"}}}};
        std::int64_t expected = 0, updated = 0;
        SharedInt* integer = begin(signature, self, args, count, keywords, &expected, &updated);
        return integer ? to_python(compare_exchange(integer, expected, updated)) : nullptr;
    }

    // ── add ────────────────────────────────────────────────────────────────────────────────────

    template <MethodName Method, char Sign, Returns Which>
    static PyObject* add(PyObject* self, PyObject* const* args, Py_ssize_t count,
                         PyObject* keywords) {
        static constexpr Signature<1> signature{Method.text, {{{"amount", false}}}};
        std::int64_t amount = 1;
        if (count != 0 || keywords) {
            std::array<PyObject*, 1> given;
            if (!signature.parse(args, count, keywords, given)) return nullptr;
            if (given[0] && given[0] != Py_None && !to_int64(given[0], &amount, "amount"))
                return nullptr;
        }
        SharedInt* integer = Accessor::value(self);
        if (!integer) return nullptr;
        const Update update = add_to<Sign>(integer, amount);
        if (update.overflow) [[unlikely]]
            return set_sum_overflow(update.before, Sign, amount);
        return to_python(Which == Returns::after ? update.after : update.before);
    }

    // ── bits and bounds ────────────────────────────────────────────────────────────────────────

    template <MethodName Method, MethodName Argument,
              std::int64_t (*Combine)(std::int64_t, std::int64_t)>
    static PyObject* get_and(PyObject* self, PyObject* const* args, Py_ssize_t count,
                             PyObject* keywords) {
        static constexpr Signature<1> signature{Method.text, {{{Argument.text}}}};
        std::int64_t operand = 0;
        SharedInt* integer = begin(signature, self, args, count, keywords, &operand);
        if (!integer) return nullptr;
        return to_python(integer
                             ->modify([operand](std::int64_t found) {
                                 return std::optional(Combine(found, operand));
                             })
                             .before);
    }

    // ── functions and waiting (update_methods.hpp) ─────────────────────────────────────────────

    using Expected = std::int64_t;

    static PyObject* load(SharedInt* integer) { return to_python(integer->load()); }

    static bool to_stored(PyObject*& updated) {
        std::int64_t value = 0;
        if (!to_int64(updated, &value, "the result of fn")) return false;
        // The result of an update is an exact int, even if fn has returned a bool, an instance of a
        // subclass of int, or another object with __index__.
        if (!PyLong_CheckExact(updated)) Py_SETREF(updated, to_python(value));
        return updated != nullptr;
    }

    static bool store_over(SharedInt* integer, PyObject* current, PyObject* updated) noexcept {
        std::int64_t expected = 0, value = 0;
        exceeds_int64(current, &expected);
        exceeds_int64(updated, &value);
        return compare_exchange(integer, expected, value) == expected;
    }

    static bool to_expected(PyObject* argument, std::int64_t& expected) {
        return to_int64(argument, &expected, "value");
    }

    static WaitResult wait(SharedInt* integer, std::int64_t expected, const Deadline& deadline) {
        return WaitQueue::wait_while(integer, deadline, [integer, expected]() noexcept {
            return integer->load() == expected;
        });
    }

private:
    // The common beginning of methods whose arguments are all integers: parses and converts the
    // arguments, and returns the integer to work on; null with an exception.
    template <std::size_t N, class... Out>
    static SharedInt* begin(const Signature<N>& signature, PyObject* self, PyObject* const* args,
                            Py_ssize_t count, PyObject* keywords, Out*... out) {
        static_assert(sizeof...(out) == N);
        std::array<PyObject*, N> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        std::size_t i = 0;
        const auto read = [&](std::int64_t* value) {
            const std::size_t at = i++;
            return to_int64(given[at], value, signature.parameters[at].name);
        };
        if (!(read(out) && ...)) return nullptr;
        return Accessor::value(self);
    }
};

}  // namespace cereggii::atomicint
