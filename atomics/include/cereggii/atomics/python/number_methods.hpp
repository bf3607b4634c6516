// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <array>
#include <cstddef>
#include <optional>

#include "cereggii/atomics/compiler.hpp"
#include "cereggii/atomics/python/accessors.hpp"
#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "cereggii/atomics/python/update_methods.hpp"
#include "cereggii/atomics/python/values.hpp"

// The methods that AtomicInt and AtomicFloat have in common, as plain C functions for a method
// table.
//
// A *number* is a class that says what differs. It has static members only:
//
//     using Atomic = ...;  using Word = ...;     the C++ object, and the word that is changed
//     using Value = ...;                         what a word holds
//     static constexpr Value one;                what is added if no amount is given
//     static PyTypeObject* builtin();            the builtin type whose results the operators give
//     static PyObject* to_python(Value value);   a new reference, or null with MemoryError
//     static Value unboxed(PyObject* object);    the value of what to_python() has returned
//     static bool to_value(PyObject* argument, Value* value, const char* name);
//                                                converts an argument. False with an exception
//     static bool matches(Value found, Value expected);
//     template <char Sign> static auto add(Word* word, Value amount);
//                                                adds ('+') or subtracts ('-'). The result has
//                                                `before` and `after`
//     static PyObject* refuse_sum(...);          only if the result also has `overflow`: sets the
//                                                exception, and returns null
//
// A word has load(), exchange(value), compare_exchange(expected, value), replace(found, value),
// modify(next) and note_update().
namespace cereggii::atomics {

// The repr `Name(value)`. It takes over the reference to `value`, which is null after an error.
inline PyObject* repr_with(PyObject* self, PyObject* value) {
    PyObject* text = value ? PyUnicode_FromFormat("%s(%R)", short_name(self), value) : nullptr;
    Py_XDECREF(value);
    return text;
}

template <class Accessor, class Number>
struct NumberMethods : UpdateMethods<Accessor, NumberMethods<Accessor, Number>> {
    using Word = typename Number::Word;
    using Value = typename Number::Value;

    // ── read and write ─────────────────────────────────────────────────────────────────────────

    static PyObject* get(PyObject* self, PyObject*) {
        Word* word = Accessor::value(self);
        return word ? Number::to_python(word->load()) : nullptr;
    }

    static PyObject* set(PyObject* self, PyObject* updated) {
        Value value{};
        if (!Number::to_value(updated, &value, "updated")) return nullptr;
        Word* word = Accessor::value(self);
        if (!word) return nullptr;
        word->exchange(value);
        Py_RETURN_NONE;
    }

    static PyObject* get_and_set(PyObject* self, PyObject* updated) {
        Value value{};
        if (!Number::to_value(updated, &value, "updated")) return nullptr;
        Word* word = Accessor::value(self);
        return word ? Number::to_python(word->exchange(value)) : nullptr;
    }

    // ── compare ────────────────────────────────────────────────────────────────────────────────

    static PyObject* compare_and_set(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                     PyObject* keywords) {
        static constexpr Signature<2> signature{"compare_and_set",
                                                {{{"expected"}, {"updated", true, "desired"}}}};
        Value expected{}, updated{};
        Word* word = begin(signature, self, args, count, keywords, &expected, &updated);
        if (!word) return nullptr;
        return Py_NewRef(Number::matches(compare_exchange(word, expected, updated), expected)
                             ? Py_True
                             : Py_False);
    }

    static PyObject* compare_and_exchange(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                          PyObject* keywords) {
        static constexpr Signature<2> signature{"compare_and_exchange",
                                                {{{"expected"}, {"updated", true, "desired"}}}};
        Value expected{}, updated{};
        Word* word = begin(signature, self, args, count, keywords, &expected, &updated);
        return word ? Number::to_python(compare_exchange(word, expected, updated)) : nullptr;
    }

    // ── add ────────────────────────────────────────────────────────────────────────────────────

    template <MethodName Method, char Sign, Returns Which>
    static PyObject* add(PyObject* self, PyObject* const* args, Py_ssize_t count,
                         PyObject* keywords) {
        static constexpr Signature<1> signature{Method.text, {{{"amount", false}}}};
        Value amount = Number::one;
        if (count != 0 || keywords) {
            std::array<PyObject*, 1> given;
            if (!signature.parse(args, count, keywords, given)) return nullptr;
            if (given[0] && given[0] != Py_None && !Number::to_value(given[0], &amount, "amount"))
                return nullptr;
        }
        Word* word = Accessor::value(self);
        if (!word) return nullptr;
        const auto update = Number::template add<Sign>(word, amount);
        if constexpr (requires { update.overflow; })
            if (update.overflow) [[unlikely]]
                return Number::refuse_sum(update.before, Sign, amount);
        return Number::to_python(Which == Returns::after ? update.after : update.before);
    }

    // ── bits and bounds ────────────────────────────────────────────────────────────────────────

    template <MethodName Method, MethodName Argument, Value (*Combine)(Value, Value)>
    static PyObject* get_and(PyObject* self, PyObject* const* args, Py_ssize_t count,
                             PyObject* keywords) {
        static constexpr Signature<1> signature{Method.text, {{{Argument.text}}}};
        Value operand{};
        Word* word = begin(signature, self, args, count, keywords, &operand);
        if (!word) return nullptr;
        return Number::to_python(
            word->modify([operand](Value found) { return std::optional(Combine(found, operand)); })
                .before);
    }

    // ── functions and waiting (update_methods.hpp) ─────────────────────────────────────────────

    using Expected = Value;

    static PyObject* load(Word* word) { return Number::to_python(word->load()); }

    static bool to_stored(PyObject*& updated) {
        Value value{};
        if (!Number::to_value(updated, &value, "the result of fn")) return false;
        // The result of an update is of the exact builtin type, even if fn has returned a bool, an
        // instance of a subclass, or another object that is converted.
        if (!Py_IS_TYPE(updated, Number::builtin())) Py_SETREF(updated, Number::to_python(value));
        return updated != nullptr;
    }

    static bool store_over(Word* word, PyObject* current, PyObject* updated) noexcept {
        Value found = Number::unboxed(current);
        const bool stored = word->replace(found, Number::unboxed(updated));
        word->note_update();
        return stored;
    }

    static bool to_expected(PyObject* argument, Value& expected) {
        return Number::to_value(argument, &expected, "value");
    }

    static WaitResult wait(Word* word, Value expected, const Deadline& deadline) {
        return WaitQueue::wait_while(word, deadline, [word, expected]() noexcept {
            return Number::matches(word->load(), expected);
        });
    }

    // ── repr ───────────────────────────────────────────────────────────────────────────────────

    static PyObject* repr(PyObject* self) {
        Word* word = Accessor::peek(self);
        if (!word) return nullptr;
        if constexpr (Accessor::is_handle)
            return repr_with(self, Py_NewRef(Accessor::target(self)));
        else
            return repr_with(self, Number::to_python(word->load()));
    }

private:
    // All compare-and-swaps with an expected value go through this function. Returns the value that
    // was found.
    static Value compare_exchange(Word* word, Value expected, Value updated) noexcept {
        const Value found = word->compare_exchange(expected, updated);
        word->note_update();
        return found;
    }

    // The common beginning of methods whose arguments are all numbers: parses and converts the
    // arguments, and returns the word to work on; null with an exception.
    template <std::size_t N, class... Out>
    static Word* begin(const Signature<N>& signature, PyObject* self, PyObject* const* args,
                       Py_ssize_t count, PyObject* keywords, Out*... out) {
        static_assert(sizeof...(out) == N);
        std::array<PyObject*, N> given;
        if (!signature.parse(args, count, keywords, given)) return nullptr;
        std::size_t i = 0;
        const auto read = [&](Value* value) {
            const std::size_t at = i++;
            return Number::to_value(given[at], value, signature.parameters[at].name);
        };
        if (!(read(out) && ...)) return nullptr;
        return Accessor::value(self);
    }
};

}  // namespace cereggii::atomics
