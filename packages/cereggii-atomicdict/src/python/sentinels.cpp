// SPDX-License-Identifier: Apache-2.0
#include "python/sentinels.hpp"

#include <array>

#include "cereggii/atomics/python/binding.hpp"
#include "python/types.hpp"

namespace cereggii::atomicdict {

PyObject sentinels[3];
PyObject* ExpectationFailed = nullptr;

namespace {

constexpr std::array<const char*, 3> names = {"NOT_FOUND", "ANY", "EXPECTATION_FAILED"};

const char* name_of(PyObject* sentinel) {
    return names[static_cast<std::size_t>(sentinel - sentinels)];
}

// The name of a sentinel in its module. copy and pickle find the object by this name. It is the
// repr, too.
PyObject* name_as_text(PyObject* self, PyObject*) { return PyUnicode_FromString(name_of(self)); }
PyObject* repr(PyObject* self) { return name_as_text(self, nullptr); }

PyObject* refuse_to_construct(PyTypeObject* type, PyObject*, PyObject*) {
    PyErr_Format(PyExc_RuntimeError, "%s cannot be instantiated", type->tp_name);
    return nullptr;
}

PyTypeObject* make_sentinel_type() {
    static PyMethodDef methods[] = {
        {"__reduce__", &name_as_text, METH_NOARGS, nullptr},
        {nullptr, nullptr, 0, nullptr},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc,
         const_cast<char*>("The type of NOT_FOUND, ANY and EXPECTATION_FAILED. It has no other "
                           "instances.")},
        {Py_tp_new, slot(&refuse_to_construct)},
        {Py_tp_repr, slot(&repr)},
        {Py_tp_methods, methods},
        {0, nullptr},
    };
    return make_internal_type("cereggii_atomicdict.Sentinel", sizeof(PyObject), slots, 0);
}

// PyObject_HEAD_INIT is made for the first field of a structure.
struct Header {
    PyObject object;
};

void make_sentinels(PyTypeObject* type) {
    for (PyObject& sentinel : sentinels) {
#if defined(Py_GIL_DISABLED)
        sentinel = PyObject{};
        sentinel.ob_tid = _Py_UNOWNED_TID;
        sentinel.ob_ref_local = _Py_IMMORTAL_REFCNT_LOCAL;
        sentinel.ob_type = type;
#elif PY_VERSION_HEX >= 0x030C0000
        const Header header{PyObject_HEAD_INIT(type)};
        sentinel = header.object;
#if PY_VERSION_HEX < 0x030D0000
        Py_SET_REFCNT(&sentinel, _Py_IMMORTAL_REFCNT);  // 3.12 makes only its own objects immortal
#endif
#else
        // There are no immortal objects in 3.11: the count is so large that it never reaches 0.
        Py_SET_REFCNT(&sentinel, PY_SSIZE_T_MAX / 2);
        Py_SET_TYPE(&sentinel, type);
#endif
    }
}

PyObject* make_exception(const char* name, const char* doc) {
    return owned_or_throw(PyErr_NewExceptionWithDoc(name, doc, nullptr, nullptr)).release().ptr();
}

}  // namespace

void refuse_sentinel(PyObject* object, const char* what) {
    PyErr_Format(PyExc_ValueError, "%s cannot be %s", name_of(object), what);
}

void bind_sentinels(nb::module_& module) {
    static PyTypeObject* type = nullptr;
    static PyObject* concurrent_usage_detected = nullptr;
    // Each object has a test of its own: an import that failed for lack of memory may be tried
    // again.
    if (!type) {
        type = make_sentinel_type();
        make_sentinels(type);
    }
    if (!ExpectationFailed)
        ExpectationFailed =
            make_exception("cereggii_atomicdict.ExpectationFailed",
                           "The value that was found does not match the expected one. Nothing was "
                           "changed.");
    if (!concurrent_usage_detected)
        concurrent_usage_detected =
            make_exception("cereggii_atomicdict.ConcurrentUsageDetected",
                           "Never raised. It exists for programs that were written for "
                           "cereggii 1.x.");
    for (PyObject& sentinel : sentinels) module.attr(name_of(&sentinel)) = nb::handle(&sentinel);
    module.attr("Sentinel") = nb::handle(reinterpret_cast<PyObject*>(type));
    module.attr("ExpectationFailed") = nb::handle(ExpectationFailed);
    module.attr("ConcurrentUsageDetected") = nb::handle(concurrent_usage_detected);
}

}  // namespace cereggii::atomicdict
