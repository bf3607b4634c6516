// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <utility>

#include "cereggii/atomics/python/binding.hpp"
#include "thread_handle/attributes.hpp"
#include "thread_handle/descriptors.hpp"
#include "thread_handle/docs.hpp"
#include "thread_handle/operators.hpp"
#include "thread_handle/protocols.hpp"

// The type ThreadHandle: one thread's own reference to any object, and a transparent proxy for it.
namespace cereggii::atomicref {

namespace {

// ── life and death ─────────────────────────────────────────────────────────────────────────────

int init(PyObject* self, PyObject* args, PyObject* keywords) {
    static const char* names[] = {"obj", nullptr};
    PyObject* object = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:ThreadHandle", const_cast<char**>(names),
                                     &object))
        return -1;
    object = unwrapped(object);
    return object && construct_once<ThreadHandle>(self, object) ? 0 : -1;
}

int traverse_handle(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(payload<ThreadHandle>(self)->object.load(std::memory_order_relaxed));
    Py_VISIT(Py_TYPE(self));
    return 0;
}

// A handle that is made in two steps, by __new__ and __init__, can be a handle of a tuple that
// contains the handle. Then no other tp_clear breaks the cycle.
int clear_handle(PyObject* self) {
    Py_XDECREF(payload<ThreadHandle>(self)->object.exchange(nullptr, std::memory_order_relaxed));
    return 0;
}

PyObject* repr(PyObject* self) {
    PyObject* object = object_of(self);
    return object ? repr_of(self, Py_NewRef(object)) : nullptr;
}

// ── the method table ───────────────────────────────────────────────────────────────────────────

PyObject* unwrap(PyObject*, PyObject* handle) {
    if (is_handle(handle)) return Py_XNewRef(object_of(handle));
    if (PyObject_TypeCheck(handle, Types<AtomicRef>::handle))
        return Py_XNewRef(handle_target<AtomicRef>(handle));
    if (PyObject_TypeCheck(handle, Types<AtomicBool>::handle))
        return Py_XNewRef(handle_target<AtomicBool>(handle));
    set_error(PyExc_TypeError, "unwrap() needs a ThreadHandle, not %U", handle);
    return nullptr;
}

template <auto Function>
PyObject* with_argument(PyObject* self, PyObject* argument) {
    return guarded<Function>(self, argument);
}

PyMethodDef method_table[] = {
    {"unwrap", &unwrap, METH_O | METH_STATIC, thread_handle_docs::unwrap},
    {"__round__", &rounded, METH_VARARGS,
     "__round__($self, ndigits=None, /)\n--\n\nround() of the object."},
    plain_method("__trunc__", &converted<PythonFunctions::trunc>,
                 "__trunc__($self, /)\n--\n\nmath.trunc() of the object."),
    plain_method("__floor__", &converted<PythonFunctions::floor>,
                 "__floor__($self, /)\n--\n\nmath.floor() of the object."),
    plain_method("__ceil__", &converted<PythonFunctions::ceil>,
                 "__ceil__($self, /)\n--\n\nmath.ceil() of the object."),
    plain_method("__complex__", &converted_to<PyComplex_Type>,
                 "__complex__($self, /)\n--\n\ncomplex() of the object."),
    plain_method("__bytes__", &converted_to<PyBytes_Type>,
                 "__bytes__($self, /)\n--\n\nbytes() of the object."),
    plain_method("__reversed__", &converted_to<PyReversed_Type>,
                 "__reversed__($self, /)\n--\n\nreversed() of the object."),
    plain_method("__length_hint__", &length_hint,
                 "__length_hint__($self, /)\n--\n\noperator.length_hint() of the object."),
    plain_method("__dir__", &asked<&PyObject_Dir>, "__dir__($self, /)\n--\n\ndir() of the object."),
    plain_method("__fspath__", &asked<&PyOS_FSPath>,
                 "__fspath__($self, /)\n--\n\nos.fspath() of the object."),
    {"__format__", &formatted, METH_O,
     "__format__($self, format_spec, /)\n--\n\nformat() of the object."},
    plain_method("__enter__", &enter<context>,
                 "__enter__($self, /)\n--\n\nThe beginning of `with` on the object."),
    {"__exit__", &leave<context>, METH_VARARGS,
     "__exit__($self, /, *args)\n--\n\nThe end of `with` on the object."},
    plain_method("__aenter__", &enter<async_context>,
                 "__aenter__($self, /)\n--\n\nThe beginning of `async with` on the object."),
    {"__aexit__", &leave<async_context>, METH_VARARGS,
     "__aexit__($self, /, *args)\n--\n\nThe end of `async with` on the object."},
    {"__instancecheck__", &check_class<&PyObject_IsInstance>, METH_O,
     "__instancecheck__($self, instance, /)\n--\n\nisinstance() with the object as the class."},
    {"__subclasscheck__", &check_class<&PyObject_IsSubclass>, METH_O,
     "__subclasscheck__($self, subclass, /)\n--\n\nissubclass() with the object as the class."},
    {"__mro_entries__", &mro_entries, METH_O,
     "__mro_entries__($self, bases, /)\n--\n\nThe object, as a base in a class statement."},
    {"__set_name__", &set_name, METH_VARARGS,
     "__set_name__($self, owner, name, /)\n--\n\nTell the object its class, and its name in the class."},
    cold_method<&shallow_copy>("__copy__",
                               "__copy__($self, /)\n--\n\nA handle of a copy of the object."),
    {"__deepcopy__", &with_argument<&deep_copy>, METH_O,
     "__deepcopy__($self, memo, /)\n--\n\nA handle of a deep copy of the object."},
    cold_method<&reduce>("__reduce__",
                         "__reduce__($self, /)\n--\n\nPickled as a handle of the object."),
    {"__reduce_ex__", [](PyObject* self, PyObject*) { return guarded<&reduce>(self); }, METH_O,
     "__reduce_ex__($self, protocol, /)\n--\n\nPickled as a handle of the object."},
    generic_alias_method(),
    {nullptr, nullptr, 0, nullptr},
};

PyMethodDef function_table[] = {
    {restore_name, [](PyObject*, PyObject* args) { return guarded<&restore>(args); }, METH_VARARGS,
     "Unpickles a handle of a subclass of ThreadHandle."},
    {nullptr, nullptr, 0, nullptr},
};

// ── the slot table ─────────────────────────────────────────────────────────────────────────────

const PyType_Slot slot_table[] = {
    {Py_tp_init, slot(&init)},
    {Py_tp_methods, method_table},
    {Py_tp_traverse, slot(&traverse_handle)},
    {Py_tp_clear, slot(&clear_handle)},
    {Py_tp_repr, slot(&repr)},
    {Py_tp_str, slot(&unary<&PyObject_Str>)},
    {Py_tp_getattro, slot(&get_attribute)},
    {Py_tp_setattro, slot(&set_attribute)},
    {Py_tp_call, slot(&call_with_tuple)},
    {Py_tp_richcompare, slot(&compare)},
    {Py_tp_hash, slot(&hash)},
    {Py_tp_descr_get, slot(&get_from_instance)},

    {Py_sq_length, slot(&length)},
    {Py_sq_contains, slot(&contains)},
    {Py_sq_item, slot(&get_at)},
    {Py_sq_ass_item, slot(&set_at)},
    {Py_sq_concat, slot(&binary<&PySequence_Concat>)},
    {Py_sq_repeat, slot(&repeat)},
    {Py_sq_inplace_concat, slot(&in_place<&PySequence_InPlaceConcat>)},
    {Py_sq_inplace_repeat, slot(&repeat_in_place)},
    {Py_mp_length, slot(&length)},
    {Py_mp_subscript, slot(&get_item)},
    {Py_mp_ass_subscript, slot(&set_item)},
    {Py_tp_iter, slot(&unary<&PyObject_GetIter>)},
    {Py_tp_iternext, slot(&next)},
    {Py_am_await, slot(&await_object)},
    {Py_am_aiter, slot(&unary<&PyObject_GetAIter>)},
    {Py_am_anext, slot(&async_next)},
    {Py_am_send, slot(&send)},
    {Py_bf_getbuffer, slot(&get_buffer)},

    {Py_nb_bool, slot(&truth)},
    {Py_nb_int, slot(&unary<&PyNumber_Long>)},
    {Py_nb_index, slot(&index)},
    {Py_nb_float, slot(&unary<&PyNumber_Float>)},
    {Py_nb_negative, slot(&unary<&PyNumber_Negative>)},
    {Py_nb_positive, slot(&unary<&PyNumber_Positive>)},
    {Py_nb_absolute, slot(&unary<&PyNumber_Absolute>)},
    {Py_nb_invert, slot(&unary<&PyNumber_Invert>)},

    {Py_nb_add, slot(&binary<&PyNumber_Add>)},
    {Py_nb_subtract, slot(&binary<&PyNumber_Subtract>)},
    {Py_nb_multiply, slot(&binary<&PyNumber_Multiply>)},
    {Py_nb_matrix_multiply, slot(&binary<&PyNumber_MatrixMultiply>)},
    {Py_nb_true_divide, slot(&binary<&PyNumber_TrueDivide>)},
    {Py_nb_floor_divide, slot(&binary<&PyNumber_FloorDivide>)},
    {Py_nb_remainder, slot(&binary<&PyNumber_Remainder>)},
    {Py_nb_divmod, slot(&binary<&PyNumber_Divmod>)},
    {Py_nb_power, slot(&power)},
    {Py_nb_lshift, slot(&binary<&PyNumber_Lshift>)},
    {Py_nb_rshift, slot(&binary<&PyNumber_Rshift>)},
    {Py_nb_and, slot(&binary<&PyNumber_And>)},
    {Py_nb_or, slot(&binary<&PyNumber_Or>)},
    {Py_nb_xor, slot(&binary<&PyNumber_Xor>)},

    {Py_nb_inplace_add, slot(&in_place<&PyNumber_InPlaceAdd>)},
    {Py_nb_inplace_subtract, slot(&in_place<&PyNumber_InPlaceSubtract>)},
    {Py_nb_inplace_multiply, slot(&in_place<&PyNumber_InPlaceMultiply>)},
    {Py_nb_inplace_matrix_multiply, slot(&in_place<&PyNumber_InPlaceMatrixMultiply>)},
    {Py_nb_inplace_true_divide, slot(&in_place<&PyNumber_InPlaceTrueDivide>)},
    {Py_nb_inplace_floor_divide, slot(&in_place<&PyNumber_InPlaceFloorDivide>)},
    {Py_nb_inplace_remainder, slot(&in_place<&PyNumber_InPlaceRemainder>)},
    {Py_nb_inplace_power, slot(&power_in_place)},
    {Py_nb_inplace_lshift, slot(&in_place<&PyNumber_InPlaceLshift>)},
    {Py_nb_inplace_rshift, slot(&in_place<&PyNumber_InPlaceRshift>)},
    {Py_nb_inplace_and, slot(&in_place<&PyNumber_InPlaceAnd>)},
    {Py_nb_inplace_or, slot(&in_place<&PyNumber_InPlaceOr>)},
    {Py_nb_inplace_xor, slot(&in_place<&PyNumber_InPlaceXor>)},
    {0, nullptr},
};

}  // namespace

void bind_thread_handle(nb::module_& module) {
    if (!ThreadHandle::type) {
        if (!InternedNames::intern()) throw nb::python_error();
        PythonFunctions::find();
    }
    const bool first = !ThreadHandle::type;
    bind<ThreadHandle>(module, "cereggii_atomicref.ThreadHandle", thread_handle_docs::thread_handle,
                       slot_table, ThreadHandle::type);
    if (first) {  // no other code has seen the type yet
        ThreadHandle::type->tp_vectorcall_offset =
            static_cast<Py_ssize_t>(payload_offset + offsetof(ThreadHandle, vectorcall));
        DataDescriptorHandle::allocate = std::exchange(ThreadHandle::type->tp_new, &allocate);
        ThreadHandle::type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE;
        make_data_descriptor_type();
    }
    if (PyModule_AddFunctions(module.ptr(), function_table) < 0) throw nb::python_error();
}

}  // namespace cereggii::atomicref
