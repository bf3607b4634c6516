// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

#include "cereggii/atomics/compiler.hpp"

// The constants NOT_FOUND, ANY and EXPECTATION_FAILED, and the exceptions of this package.
namespace cereggii::atomicdict {

// Objects that stand for no value. They are static and immortal, and lie next to each other, so
// that is_sentinel() is one comparison.
extern PyObject sentinels[3];
inline PyObject* const not_found = &sentinels[0];
inline PyObject* const any = &sentinels[1];
inline PyObject* const expectation_failed = &sentinels[2];

inline bool is_sentinel(const PyObject* object) noexcept {
    return reinterpret_cast<std::uintptr_t>(object) - reinterpret_cast<std::uintptr_t>(sentinels) <
           sizeof(sentinels);
}

// Sets the ValueError that a sentinel cannot be `what`: "a key", say.
CEREGGII_COLD void refuse_sentinel(PyObject* object, const char* what);

// The class of the exception, set when the module is imported.
extern PyObject* ExpectationFailed;

// Puts the constants, their type and the exceptions into the module.
void bind_sentinels(nanobind::module_& module);

}  // namespace cereggii::atomicdict
