// SPDX-License-Identifier: Apache-2.0
#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "cereggii/atomics/python/blocking.hpp"
#include "docs.hpp"
#include "types.hpp"

// The type AtomicEvent: a flag that threads wait for.
namespace cereggii::atomicint {

namespace {

using Accessor = AtomicAccessor<AtomicEvent>;
using EventState = AtomicEvent::Value;

bool to_initial(PyObject* initial_value, bool& is_set) {
    const int truth = initial_value ? PyObject_IsTrue(initial_value) : 0;
    is_set = truth > 0;
    return truth >= 0;
}

PyObject* is_set(PyObject* self, PyObject*) {
    const EventState* state = Accessor::value(self);
    return state ? PyBool_FromLong(AtomicEvent::is_set(state->load(std::memory_order_seq_cst)))
                 : nullptr;
}

PyObject* set(PyObject* self, PyObject*) {
    EventState* state = Accessor::value(self);
    if (!state) return nullptr;
    // Relaxed: it is only a guess, which the compare-and-swap checks.
    std::uint64_t before = state->load(std::memory_order_relaxed);
    while (!state->compare_exchange_weak(before, AtomicEvent::after_set(before),
                                         std::memory_order_seq_cst)) {
        // Lost to a concurrent set or clear: `before` is the new state now.
    }
    WaitQueue::notify_all(state);
    Py_RETURN_NONE;
}

PyObject* clear_flag(PyObject* self, PyObject*) {
    EventState* state = Accessor::value(self);
    if (!state) return nullptr;
    state->fetch_and(~AtomicEvent::flag, std::memory_order_seq_cst);
    Py_RETURN_NONE;
}

PyObject* wait(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    static constexpr Signature<1> signature{"wait", {{{"timeout", false}}}};
    std::array<PyObject*, 1> given{};
    if ((count != 0 || keywords) && !signature.parse(args, count, keywords, given)) return nullptr;
    const auto deadline = Deadline::parse(given[0]);
    if (!deadline) return nullptr;
    const EventState* state = Accessor::value(self);
    if (!state) return nullptr;
    const std::uint64_t seen = state->load(std::memory_order_seq_cst);
    if (AtomicEvent::is_set(seen)) Py_RETURN_TRUE;
    // The state has a count of how often the event was set. So any set since then ends the wait,
    // even if the flag has been cleared again.
    const WaitResult result = WaitQueue::wait_while(state, *deadline, [state, seen]() noexcept {
        return state->load(std::memory_order_seq_cst) == seen;
    });
    if (result == WaitResult::error) return nullptr;
    return PyBool_FromLong(result == WaitResult::changed);
}

PyObject* repr(PyObject* self) {
    const EventState* state = Accessor::peek(self);
    if (!state) return nullptr;
    // Relaxed: the text is only shown, nothing is read because of it.
    const bool set = AtomicEvent::is_set(state->load(std::memory_order_relaxed));
    return PyUnicode_FromFormat("<%s at %p: %s>", short_name(self), static_cast<void*>(self),
                                set ? "set" : "unset");
}

PyMethodDef method_table[] = {
    plain_method("is_set", &is_set, event_docs::is_set),
    plain_method("set", &set, event_docs::set),
    plain_method("clear", &clear_flag, event_docs::clear),
    fast_method("wait", &wait, event_docs::wait),
    cold_method<&new_arguments<Accessor, &is_set>>("__getnewargs__", nullptr),
    {nullptr, nullptr, 0, nullptr},
};

const PyType_Slot slot_table[] = {
    init_slot<Accessor, &to_initial>(),
    {Py_tp_methods, method_table},
    {Py_tp_traverse, slot(&traverse<Accessor>)},
    {Py_tp_clear, slot(&clear<Accessor>)},
    {Py_tp_repr, slot(&repr)},
    {0, nullptr},
};

}  // namespace

void bind_atomic_event(nb::module_& module) {
    bind<AtomicEvent>(module, "cereggii_atomicint.AtomicEvent", event_docs::atomic_event,
                      slot_table, Types<AtomicEvent>::atomic);
    Types<AtomicEvent>::atomic->tp_vectorcall = &call_class<AtomicEvent, &to_initial>;
}

}  // namespace cereggii::atomicint
