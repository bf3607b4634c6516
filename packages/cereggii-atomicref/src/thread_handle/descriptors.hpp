// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "thread_handle/thread_handle.hpp"

// A handle in a class body works as its object would there: a handle of a function binds, and a
// handle of a property computes. A handle of an object that is not a descriptor is a plain
// attribute.
//
// A *data descriptor* in a class hides the attribute of the same name that an instance has. To
// Python, an attribute of a class is a data descriptor if its type has tp_descr_set. So handles of
// data descriptors (of a property, say) have a type of their own, derived from ThreadHandle. All
// other handles are still hidden by an attribute of the instance.
namespace cereggii::atomicref {

// The type of the handles of data descriptors.
struct DataDescriptorHandle {
    // Set when the module is imported, and never freed.
    static inline PyTypeObject* type = nullptr;
    // The tp_new that bind() gave to ThreadHandle. allocate() calls it for all types.
    static inline newfunc allocate = nullptr;
};

// Whether the type is one that ThreadHandle(obj) makes, and not a user's subclass.
inline bool is_own_type(PyTypeObject* type) {
    return type == ThreadHandle::type || type == DataDescriptorHandle::type;
}

// The type of a new handle of an object that is not a handle itself. A user's subclass is kept.
inline PyTypeObject* type_for(PyTypeObject* type, PyObject* object) {
    if (!is_own_type(type)) return type;
    return Py_TYPE(object)->tp_descr_set ? DataDescriptorHandle::type : ThreadHandle::type;
}

// tp_new. Wrong arguments are refused later, by tp_init.
inline PyObject* allocate(PyTypeObject* asked, PyObject* args, PyObject* keywords) {
    PyObject* object = nullptr;  // borrowed
    if (PyTuple_GET_SIZE(args) > 0)
        object = PyTuple_GET_ITEM(args, 0);
    else if (keywords && !(object = PyDict_GetItemWithError(keywords, InternedNames::obj)) &&
             PyErr_Occurred())  // a keyword may be of a subclass of str whose __eq__ raises
        return nullptr;
    if (object && is_handle(object))
        object = payload<ThreadHandle>(object)->object.load(std::memory_order_acquire);
    PyTypeObject* type = object ? type_for(asked, object) : asked;
    // For `type(handle)(obj)`: Python calls tp_init only if the result is an instance of `asked`.
    if (type == ThreadHandle::type && type != asked)
        return PyObject_Call(reinterpret_cast<PyObject*>(type), args, keywords);
    return DataDescriptorHandle::allocate(type, args, keywords);
}

// ── __get__, __set__, __delete__, __set_name__ ─────────────────────────────────────────────────

inline PyObject* get_from_instance(PyObject* self, PyObject* instance, PyObject* owner) {
    PyObject* object = object_of(self);
    if (!object) return nullptr;
    const descrgetfunc get = Py_TYPE(object)->tp_descr_get;
    return get ? get(object, instance, owner) : Py_NewRef(self);
}

// Sets the value of the descriptor on an instance; deletes it if `value` is null.
inline int set_on_instance(PyObject* self, PyObject* instance, PyObject* value) {
    PyObject* object = object_of(self);
    if (!object) return -1;
    if (const descrsetfunc set = Py_TYPE(object)->tp_descr_set) return set(object, instance, value);
    PyErr_Format(PyExc_TypeError, "'%.200s' object is not a data descriptor",
                 Py_TYPE(object)->tp_name);
    return -1;
}

// Python calls __set_name__ of each object in a class body that has it. A handle always has it, but
// its object may not.
inline PyObject* set_name(PyObject* self, PyObject* args) {
    PyObject* object = object_of(self);
    if (!object) return nullptr;
    PyObject* method = find_special(object, "__set_name__");
    if (!method) return PyErr_Occurred() ? nullptr : Py_NewRef(Py_None);
    PyObject* result = PyObject_Call(method, args, nullptr);
    Py_DECREF(method);
    return result;
}

// ── the type of the handles of data descriptors ────────────────────────────────────────────────

inline void make_data_descriptor_type() {
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>("A ThreadHandle of a data descriptor, such as a property.")},
        {Py_tp_descr_set, slot(&set_on_instance)},
        {0, nullptr},
    };
    PyType_Spec spec{
        "cereggii_atomicref.ThreadHandle", 0, 0,
        static_cast<unsigned>(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE),
        slots};
    PyObject* base = reinterpret_cast<PyObject*>(ThreadHandle::type);
    PyObject* type = owned_or_throw(PyType_FromSpecWithBases(&spec, base)).release().ptr();
    make_immortal(type);  // like the types that bind() makes
    DataDescriptorHandle::type = reinterpret_cast<PyTypeObject*>(type);
}

}  // namespace cereggii::atomicref
