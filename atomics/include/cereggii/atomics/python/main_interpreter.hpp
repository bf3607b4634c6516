// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>

#include <cstddef>

// Refuses to load an extension module in subinterpreters: there its static state would belong to
// another interpreter. From 3.12 on, the definition of a module can say so, but interpreters of the
// legacy kind do not look at it, and earlier versions do not know it.
namespace cereggii::atomics {

inline int refuse_subinterpreters(PyObject* module) {
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) return 0;
    PyErr_Format(PyExc_ImportError, "%s does not support loading in subinterpreters",
                 PyModule_GetName(module));
    return -1;
}

// `definition` is what a multi-phase PyInit function has returned. The check becomes the first step
// of its execution. Call it from the PyInit function that Python finds.
inline PyObject* main_interpreter_only(PyObject* definition) {
    static PyModuleDef_Slot slots[16] = {};
    auto* def = reinterpret_cast<PyModuleDef*>(definition);
    if (!def || def->m_slots == slots) return definition;
    slots[0] = {Py_mod_exec, reinterpret_cast<void*>(&refuse_subinterpreters)};
    for (std::size_t i = 0;; ++i) {
        if (i + 1 == sizeof(slots) / sizeof(slots[0])) {
            PyErr_SetString(PyExc_ImportError, "too many module slots");
            return nullptr;
        }
        slots[i + 1] = def->m_slots[i];
        if (def->m_slots[i].slot == 0) break;
    }
    def->m_slots = slots;
    return definition;
}

}  // namespace cereggii::atomics
