// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "cereggii/atomics/compiler.hpp"

// Checks the arguments of a METH_FASTCALL | METH_KEYWORDS method against its parameters.
namespace cereggii::atomics {

// A string as a template argument: the name of a method that is generated from a template.
template <std::size_t N>
struct MethodName {
    char text[N];
    constexpr MethodName(const char (&literal)[N]) { std::copy_n(literal, N, text); }  // NOLINT
};

struct Parameter {
    const char* name;
    bool required = true;
    const char* alias = nullptr;  // another keyword for the same parameter

    bool is(PyObject* keyword) const {
        return PyUnicode_CompareWithASCIIString(keyword, name) == 0 ||
               (alias && PyUnicode_CompareWithASCIIString(keyword, alias) == 0);
    }
};

template <std::size_t N>
struct Signature {
    const char* method;
    std::array<Parameter, N> parameters;

    // Fills `values` with borrowed references; null where an optional argument is absent. False
    // with TypeError. Runs no Python code, since keywords are str.
    CEREGGII_ALWAYS_INLINE bool parse(PyObject* const* args, Py_ssize_t positional,
                                      PyObject* keywords, std::array<PyObject*, N>& values) const {
        if (positional == static_cast<Py_ssize_t>(N) && !keywords) [[likely]] {
            for (std::size_t i = 0; i < N; ++i) values[i] = args[i];
            return true;
        }
        return parse_general(args, positional, keywords, values);
    }

private:
    CEREGGII_NEVER_INLINE bool parse_general(PyObject* const* args, Py_ssize_t positional,
                                             PyObject* keywords,
                                             std::array<PyObject*, N>& values) const {
        values.fill(nullptr);
        const auto most = static_cast<Py_ssize_t>(N);
        if (positional > most) {
            PyErr_Format(PyExc_TypeError, "%s() takes at most %zd argument%s (%zd given)", method,
                         most, most == 1 ? "" : "s", positional);
            return false;
        }
        for (Py_ssize_t i = 0; i < positional; ++i) values[static_cast<std::size_t>(i)] = args[i];
        const Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
        for (Py_ssize_t i = 0; i < named; ++i)
            if (!take_keyword(PyTuple_GET_ITEM(keywords, i), args[positional + i], values))
                return false;
        for (std::size_t i = 0; i < N; ++i) {
            if (parameters[i].required && !values[i]) {
                PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s' (pos %zu)",
                             method, parameters[i].name, i + 1);
                return false;
            }
        }
        return true;
    }

    bool take_keyword(PyObject* keyword, PyObject* value, std::array<PyObject*, N>& values) const {
        for (std::size_t i = 0; i < N; ++i) {
            if (!parameters[i].is(keyword)) continue;
            if (values[i]) {
                PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", method,
                             keyword);
                return false;
            }
            values[i] = value;
            return true;
        }
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", method,
                     keyword);
        return false;
    }
};

}  // namespace cereggii::atomics
