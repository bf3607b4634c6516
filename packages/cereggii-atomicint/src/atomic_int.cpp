// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/binding.hpp"
#include "int_protocol.hpp"

// AtomicInt and AtomicIntHandle: one method table and one slot table, generated for each accessor.
namespace cereggii::atomicint {

namespace {

std::int64_t bit_or(std::int64_t a, std::int64_t b) { return a | b; }
std::int64_t bit_and(std::int64_t a, std::int64_t b) { return a & b; }
std::int64_t bit_xor(std::int64_t a, std::int64_t b) { return a ^ b; }
std::int64_t greater(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
std::int64_t lesser(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

bool to_initial(PyObject* initial_value, std::int64_t& value) {
    return !initial_value || to_int64(initial_value, &value, "the value");
}

template <class Accessor>
PyMethodDef* method_table() {
    using M = IntMethods<Accessor>;
    using P = IntProtocol<Accessor>;
    constexpr Returns before = Returns::before, after = Returns::after;
    static PyMethodDef table[] = {
        plain_method("get", &M::get,
                     "get($self, /)\n--\n\n"
                     "The current value.\n\n"
                     "Linearizable and wait-free."),
        one_argument_method(
            "set", &M::set,
            "set($self, updated, /)\n--\n\n"
            "Store `updated`, whatever the value was.\n\n"
            "`updated` is an integer in [-2**63, 2**63): otherwise TypeError or\n"
            "OverflowError, and the value is unchanged. Linearizable and lock-free."),
        one_argument_method("get_and_set", &M::get_and_set,
                            "get_and_set($self, updated, /)\n--\n\n"
                            "Store `updated` and return the value it replaced, in one step.\n\n"
                            "Range, errors and guarantees are those of `set`."),
        fast_method("compare_and_set", &M::compare_and_set,
                    "compare_and_set($self, /, expected, updated)\n--\n\n"
                    "Store `updated` if the value is `expected`; return whether it was.\n\n"
                    "Both are integers in [-2**63, 2**63): otherwise TypeError or OverflowError,\n"
                    "and the value is unchanged. Never fails spuriously. Linearizable and\n"
                    "lock-free."),
        fast_method("compare_and_exchange", &M::compare_and_exchange,
                    "compare_and_exchange($self, /, expected, updated)\n--\n\n"
                    "Store `updated` if the value is `expected`; return the value found.\n\n"
                    "The update took place exactly if the result equals `expected`. Range, errors\n"
                    "and guarantees are those of `compare_and_set`."),

        fast_method(
            "increment_and_get", &M::template add<"increment_and_get", '+', after>,
            "increment_and_get($self, /, amount=1)\n--\n\n"
            "Add `amount` (None means 1) and return the new value.\n\n"
            "OverflowError if the sum is outside [-2**63, 2**63); the value is then\n"
            "unchanged, and no thread ever sees a wrapped one. Linearizable; wait-free (one\n"
            "fetch-and-add) while the value is within 2**61 and the amount within 2**32 of\n"
            "zero, lock-free beyond. After java.util.concurrent.atomic.AtomicLong."),
        fast_method("get_and_increment", &M::template add<"get_and_increment", '+', before>,
                    "get_and_increment($self, /, amount=1)\n--\n\n"
                    "Add `amount` (None means 1) and return the value before.\n\n"
                    "Errors and guarantees are those of `increment_and_get`."),
        fast_method("decrement_and_get", &M::template add<"decrement_and_get", '-', after>,
                    "decrement_and_get($self, /, amount=1)\n--\n\n"
                    "Subtract `amount` (None means 1) and return the new value.\n\n"
                    "Errors and guarantees are those of `increment_and_get`."),
        fast_method("get_and_decrement", &M::template add<"get_and_decrement", '-', before>,
                    "get_and_decrement($self, /, amount=1)\n--\n\n"
                    "Subtract `amount` (None means 1) and return the value before.\n\n"
                    "Errors and guarantees are those of `increment_and_get`."),

        fast_method(
            "get_and_or", &M::template get_and<"get_and_or", "mask", &bit_or>,
            "get_and_or($self, /, mask)\n--\n\n"
            "Store the value | `mask` and return the value before.\n\n"
            "`mask` is an integer in [-2**63, 2**63): otherwise TypeError or OverflowError,\n"
            "and the value is unchanged. Linearizable and lock-free."),
        fast_method("get_and_and", &M::template get_and<"get_and_and", "mask", &bit_and>,
                    "get_and_and($self, /, mask)\n--\n\n"
                    "Store the value & `mask` and return the value before. See `get_and_or`."),
        fast_method("get_and_xor", &M::template get_and<"get_and_xor", "mask", &bit_xor>,
                    "get_and_xor($self, /, mask)\n--\n\n"
                    "Store the value ^ `mask` and return the value before. See `get_and_or`."),
        fast_method("get_and_max", &M::template get_and<"get_and_max", "value", &greater>,
                    "get_and_max($self, /, value)\n--\n\n"
                    "Store the greater of the value and `value`; return the value before.\n\n"
                    "`value` is an integer in [-2**63, 2**63): otherwise TypeError or\n"
                    "OverflowError, and the value is unchanged. Linearizable and lock-free."),
        fast_method("get_and_min", &M::template get_and<"get_and_min", "value", &lesser>,
                    "get_and_min($self, /, value)\n--\n\n"
                    "Store the lesser of the value and `value`; return the value before.\n\n"
                    "See `get_and_max`."),

        fast_method(
            "update_and_get", &M::template update<"update_and_get", after>,
            "update_and_get($self, /, fn)\n--\n\n"
            "Store fn(value) and return it.\n\n"
            "`fn` takes and returns an int; it runs again if another thread changed the\n"
            "value meanwhile, so it should have no side effects. What it raises\n"
            "propagates; a result that is no integer in [-2**63, 2**63) is a TypeError or\n"
            "an OverflowError; either leaves the value unchanged. Linearizable at the last\n"
            "run, lock-free, and no lock is held while `fn` runs."),
        fast_method("get_and_update", &M::template update<"get_and_update", before>,
                    "get_and_update($self, /, fn)\n--\n\n"
                    "Store fn(value) and return the value before. See `update_and_get`."),
        fast_method("accumulate_and_get", &M::template accumulate<"accumulate_and_get", after>,
                    "accumulate_and_get($self, /, x, fn)\n--\n\n"
                    "Store fn(value, x) and return it. See `update_and_get`."),
        fast_method("get_and_accumulate", &M::template accumulate<"get_and_accumulate", before>,
                    "get_and_accumulate($self, /, x, fn)\n--\n\n"
                    "Store fn(value, x) and return the value before. See `update_and_get`."),

        fast_method(
            "wait_while", &M::wait_while,
            "wait_while($self, /, value, timeout=None)\n--\n\n"
            "Block while the stored value equals `value`; True once it does not.\n\n"
            "False if it still does after `timeout` seconds: a real number from 0 to\n"
            "`threading.TIMEOUT_MAX`; None and inf stand for no limit. A change alone need\n"
            "not wake anyone: whoever changes the value calls `notify_one` or `notify_all`.\n"
            "Sleeps detached from the interpreter and answers signals (Ctrl-C) at once.\n"
            "ValueError for a negative timeout or nan, OverflowError for a larger one.\n"
            "After std::atomic::wait and WebKit's ParkingLot."),
        plain_method(
            "notify_one", &M::template notify<&WaitQueue::notify_one>,
            "notify_one($self, /)\n--\n\n"
            "Wake the thread that has been blocked longest in `wait_while` on this integer,\n"
            "if any; it looks at the value again. Never blocks."),
        plain_method(
            "notify_all", &M::template notify<&WaitQueue::notify_all>,
            "notify_all($self, /)\n--\n\n"
            "Wake all threads that are blocked in `wait_while` on this integer; each looks\n"
            "at the value again. Never blocks."),
        plain_method("get_handle", &get_handle<Accessor>,
                     "get_handle($self, /)\n--\n\n"
                     "A new AtomicIntHandle on this integer, for the calling thread's own use."),

        fast_method("bit_length", &forward<"bit_length">,
                    "bit_length($self, /)\n--\n\nint.bit_length of the current value."),
        fast_method("bit_count", &forward<"bit_count">,
                    "bit_count($self, /)\n--\n\nint.bit_count of the current value."),
        fast_method(
            "to_bytes", &forward<"to_bytes">,
            "to_bytes($self, /, *args, **kwargs)\n--\n\nint.to_bytes of the current value."),
        fast_method("as_integer_ratio", &forward<"as_integer_ratio">,
                    "as_integer_ratio($self, /)\n--\n\nint.as_integer_ratio of the current value."),
        plain_method("is_integer", &P::is_integer,
                     "is_integer($self, /)\n--\n\nAlways True, as it is for every int."),
        fast_method("conjugate", &forward<"conjugate">,
                    "conjugate($self, /)\n--\n\nint.conjugate of the current value."),
        fast_method("__round__", &forward<"__round__">,
                    "__round__($self, /, *args)\n--\n\nround() of the current value."),
        fast_method("__trunc__", &forward<"__trunc__">,
                    "__trunc__($self, /)\n--\n\nmath.trunc() of the current value."),
        fast_method("__floor__", &forward<"__floor__">,
                    "__floor__($self, /)\n--\n\nmath.floor() of the current value."),
        fast_method("__ceil__", &forward<"__ceil__">,
                    "__ceil__($self, /)\n--\n\nmath.ceil() of the current value."),
        fast_method("__format__", &forward<"__format__">,
                    "__format__($self, format_spec, /)\n--\n\nformat() of the current value."),
        cold_method<&new_arguments<Accessor, &M::get>>("__getnewargs__", nullptr),
        {nullptr, nullptr, 0, nullptr},
    };
    return table;
}

PyGetSetDef property_table[] = {
    {"real", &forward_property<"real">, nullptr, "The current value.", nullptr},
    {"imag", &forward_property<"imag">, nullptr, "0, as for every int.", nullptr},
    {"numerator", &forward_property<"numerator">, nullptr, "The current value.", nullptr},
    {"denominator", &forward_property<"denominator">, nullptr, "1, as for every int.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

template <class Accessor>
const PyType_Slot* slot_table() {
    using I = IntInPlace<Accessor>;
    using P = IntProtocol<Accessor>;
    static const PyType_Slot table[] = {
        init_slot<Accessor, &to_initial>(),
        {Py_tp_methods, method_table<Accessor>()},
        {Py_tp_getset, property_table},
        {Py_tp_traverse, slot(&traverse<Accessor>)},
        {Py_tp_clear, slot(&clear<Accessor>)},
        {Py_tp_richcompare, slot(&compare)},
        {Py_tp_hash, slot(&hash_identity<Accessor>)},
        {Py_tp_repr, slot(&P::repr)},
        {Py_tp_str, slot(&unary<&PyObject_Str>)},

        {Py_nb_bool, slot(&truth)},
        {Py_nb_int, slot(&plain)},
        {Py_nb_index, slot(&plain)},
        {Py_nb_float, slot(&unary<&PyNumber_Float>)},
        {Py_nb_negative, slot(&unary<&PyNumber_Negative>)},
        {Py_nb_positive, slot(&unary<&PyNumber_Positive>)},
        {Py_nb_absolute, slot(&unary<&PyNumber_Absolute>)},
        {Py_nb_invert, slot(&unary<&PyNumber_Invert>)},

        {Py_nb_add, slot(&binary<&PyNumberMethods::nb_add>)},
        {Py_nb_subtract, slot(&binary<&PyNumberMethods::nb_subtract>)},
        {Py_nb_multiply, slot(&binary<&PyNumberMethods::nb_multiply>)},
        {Py_nb_true_divide, slot(&binary<&PyNumberMethods::nb_true_divide>)},
        {Py_nb_floor_divide, slot(&binary<&PyNumberMethods::nb_floor_divide>)},
        {Py_nb_remainder, slot(&binary<&PyNumberMethods::nb_remainder>)},
        {Py_nb_divmod, slot(&binary<&PyNumberMethods::nb_divmod>)},
        {Py_nb_power, slot(&power)},
        {Py_nb_lshift, slot(&binary<&PyNumberMethods::nb_lshift>)},
        {Py_nb_rshift, slot(&binary<&PyNumberMethods::nb_rshift>)},
        {Py_nb_and, slot(&binary<&PyNumberMethods::nb_and>)},
        {Py_nb_or, slot(&binary<&PyNumberMethods::nb_or>)},
        {Py_nb_xor, slot(&binary<&PyNumberMethods::nb_xor>)},

        {Py_nb_inplace_add, slot(&I::template add<'+'>)},
        {Py_nb_inplace_subtract, slot(&I::template add<'-'>)},
        {Py_nb_inplace_multiply, slot(&I::template generic<IntOperator::multiply>)},
        {Py_nb_inplace_floor_divide, slot(&I::template generic<IntOperator::floor_divide>)},
        {Py_nb_inplace_remainder, slot(&I::template generic<IntOperator::remainder>)},
        {Py_nb_inplace_power, slot(&I::power)},
        {Py_nb_inplace_lshift, slot(&I::template generic<IntOperator::lshift>)},
        {Py_nb_inplace_rshift, slot(&I::template generic<IntOperator::rshift>)},
        {Py_nb_inplace_and, slot(&I::template generic<IntOperator::and_>)},
        {Py_nb_inplace_or, slot(&I::template generic<IntOperator::or_>)},
        {Py_nb_inplace_xor, slot(&I::template generic<IntOperator::xor_>)},
        {Py_nb_inplace_true_divide, slot(&I::template refused<"/=">)},
        {Py_nb_inplace_matrix_multiply, slot(&I::template refused<"@=">)},
        {0, nullptr},
    };
    return table;
}

constexpr const char* int_doc =
    "AtomicInt(initial_value=0, *, immortal=None)\n--\n\n"
    "A signed 64-bit integer that any number of threads can change without losing an update.\n\n"
    "Values are in [-2**63, 2**63): whatever would leave the range raises OverflowError and changes\n"
    "nothing, and no thread ever sees a wrapped value. What is no integer raises TypeError.\n\n"
    "Every method and every in-place operator (`+=` and the like) is one atomic, linearizable,\n"
    "sequentially consistent step, and keeps the same object. Every other operator works on the\n"
    "value of the moment and gives a plain int. Comparisons are by value; the hash is by identity,\n"
    "and is shared with the handles. Copying and pickling take a snapshot of the value.\n\n"
    "`immortal=True`: the object lives as long as the process, and threads that share it do not count\n"
    "references to it (PEP 683). This cannot be undone. `immortal=False`: it never becomes immortal.\n"
    "`immortal=None`: on free-threaded 3.14 and later, it becomes immortal when threads that did not\n"
    "make it have used it for some time: 20 ms for the first objects, and minutes for the last that\n"
    "share half a mebibyte. It does not while it has weak references; instances of subclasses never\n"
    "do.\n\n"
    "What shows of an immortal object on free-threaded builds: `sys.getrefcount` gives a huge number\n"
    "that does not change. Weak references to it never die, and their callbacks never run, nor do\n"
    "finalizers (`weakref.finalize` runs its own at exit). `gc.is_tracked` is False, `gc.get_objects`\n"
    "does not list it, and no collection frees it.\n\n"
    "After java.util.concurrent.atomic.AtomicLong.";

constexpr const char* handle_doc =
    "AtomicIntHandle(target)\n--\n\n"
    "One thread's own reference to an AtomicInt, with the same methods and operators.\n\n"
    "Using it touches no reference count but the handle's own, which only one thread counts; that is\n"
    "what makes `handle += 1` faster than the same on a shared AtomicInt, and it stays a handle. Any\n"
    "thread may use any handle: results are the same, only slower. Handles of one AtomicInt are\n"
    "equal, and hash as it does. A handle keeps its AtomicInt alive.";

}  // namespace

void bind_atomic_int(nb::module_& module) {
    bind<AtomicInt>(module, "cereggii_atomicint.AtomicInt", int_doc,
                    slot_table<AtomicAccessor<AtomicInt>>(), Types<AtomicInt>::atomic);
    Types<AtomicInt>::atomic->tp_vectorcall = &call_class<AtomicInt, &to_initial>;
    bind<AtomicIntHandle>(module, "cereggii_atomicint.AtomicIntHandle", handle_doc,
                          slot_table<HandleAccessor<AtomicInt>>(), Types<AtomicInt>::handle);
}

}  // namespace cereggii::atomicint
