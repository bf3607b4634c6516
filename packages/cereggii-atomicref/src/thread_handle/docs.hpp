// SPDX-License-Identifier: Apache-2.0
#pragma once

// The docstrings of ThreadHandle that are longer than a line.
namespace cereggii::atomicref::thread_handle_docs {

inline constexpr const char* thread_handle = R"(ThreadHandle(obj)
--

One thread's own reference to an object of any type, and a transparent proxy for the object.

    handle = ThreadHandle(queue)  # one for each thread
    handle.put(1)  # as queue.put(1)

When a thread uses the handle, the interpreter counts references to the handle, not to the object.
So threads that share an object, each through a handle of its own, do not contend for the
reference count of the object. A bound method does count references to the object it is bound to:
in a loop, look it up once (`append = handle.append`), or use the type's own handle (`get_handle`)
if it has one.

Any thread may use any handle: the results are the same, only slower. A handle keeps its object
alive, and always refers to the same object. It adds no synchronization: what is not thread-safe on
the object is not thread-safe through a handle. A handle of a handle is a handle of the object.

Attributes, operators on either side, comparisons, hash, str, calls, items, iteration, `with`,
`await`, conversions and buffers are those of the object, with its results and its errors. asyncio
runs a handle of a coroutine as the coroutine. In a class body, a handle of a function binds, and a
handle of a property computes. A handle of a class can be a base class. `isinstance(handle, C)` is
true if it is true for the object. `handle.__class__` is the class of the object. `type(handle)` is
ThreadHandle, or, for an object with `__set__` such as a property, a subclass with the same name.
An in-place operator that gives the object itself gives the handle. Copying and pickling give a
handle of a copy. `repr` shows that it is a handle. `ThreadHandle.unwrap(handle)` is the object.

Limits: a function in C that looks at the type sees a ThreadHandle. So `''.join([handle])` and
`json.dumps(handle)` raise TypeError, sequence and mapping patterns do not match, `raise` refuses a
handle of an exception, and `a_list += handle` makes a new list. `callable(handle)` and
`isinstance(handle, collections.abc.Iterable)` are always true, because the class has all methods.
A method runs with the object as its `self`. docs/thread-handle.md has the whole list, and says what
to do instead. `unwrap` always helps.

The names that a subclass defines are attributes of its handles, before those of the object. All
other attributes are those of the object, including what the subclass's methods store in `self`.

After cereggii 1.x, and wrapt.ObjectProxy.)";

inline constexpr const char* unwrap = R"(unwrap(handle, /)
--

Return the object that `handle` stands for; for an AtomicRefHandle, the AtomicRef.

    ThreadHandle.unwrap(handle) is obj  # handle is obj would be False

Use it where a proxy does not work: with the `is` operator, and with functions in C that need an
instance of exactly one type. TypeError if `handle` is not a handle. Call it on the class: on a
handle, the name means the attribute of the object.)";

}  // namespace cereggii::atomicref::thread_handle_docs
