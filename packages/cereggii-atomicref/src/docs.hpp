// SPDX-License-Identifier: Apache-2.0
#pragma once

// The docstrings of the atomics of this package. Each constant has the name of its method.

// ── AtomicRef, AtomicBool and their handles ────────────────────────────────────────────────────

namespace cereggii::atomicref::docs {

inline constexpr const char* atomic_ref = R"(AtomicRef(initial_value=None, *, immortal=None)
--

A reference to an object that any number of threads can read and replace.

    config = AtomicRef(load())
    config.get().timeout  # while another thread calls config.set(load())

Every method is one atomic, linearizable, sequentially consistent step, and takes no lock. An
object that is replaced is released at once, after the step, so its finalizer may use the ref.
`compare_and_set` and `wait_while` match by identity. Exact int, str and bytes also match by
value, because their identity depends on caching.

Refs compare and hash by identity. A handle equals its ref, and has the same hash. Copying and
pickling take a snapshot.

`immortal=True`: the ref and the object that it refers to live as long as the process. Threads
that share the ref do not count references to it (PEP 683). This cannot be undone.
`immortal=False`: the ref is an ordinary object. It is freed with its last reference.
`immortal=None`: on free-threaded Python 3.14 and later, the reference count of the ref becomes
*deferred* after other threads than its maker have used it for some time: 0.1 seconds, and longer
if much is deferred already. It does not become deferred while the garbage collector is switched
off, for an instance of a subclass, or if too much is deferred already; in the last case a
collection is requested, which the main thread runs.

A deferred ref on a free-threaded build: `sys.getrefcount` gives a huge number. The ref, its object
and weak references to the ref live until a garbage collection finds that nothing refers to the
ref. Finalizers run in that collection. `gc.is_tracked` and `gc.get_objects` show it as before. An
immortal ref: weak references to it never die, no finalizer and no callback runs, and `gc` does
not know it.

After java.util.concurrent.atomic.AtomicReference.)";

inline constexpr const char* atomic_ref_handle = R"(AtomicRefHandle(target)
--

One thread's own reference to an AtomicRef, with the same methods.

    handle = config.get_handle()  # one for each thread
    handle.get()

To use it changes no reference count of the ref. It changes only the count of the handle, which
other threads do not touch. Any thread may use any handle: the results are the same, only slower.
Handles of one AtomicRef are equal, and have its hash. A handle keeps its AtomicRef alive.
`target` is an AtomicRef or a handle, otherwise TypeError.)";

inline constexpr const char* atomic_bool = R"(AtomicBool(initial_value=False, *, immortal=None)
--

A flag that any number of threads can read and change: an AtomicRef to True or False.

    if not started.get_and_set(True):  # in one thread only
        start()

It has the members and guarantees of AtomicRef. Whatever is stored or expected has to be a bool;
otherwise it raises TypeError, and nothing is changed. A flag is true if its value is. `immortal`
has the same meaning and effects as for AtomicRef.)";

inline constexpr const char* atomic_bool_handle = R"(AtomicBoolHandle(target)
--

One thread's own reference to an AtomicBool, with the same methods. See AtomicRefHandle.)";

inline constexpr const char* get = R"(get($self, /)
--

Return the current object.

It is always an object that was stored. Linearizable and lock-free.)";

inline constexpr const char* set = R"(set($self, updated, /)
--

Store `updated`, whatever the object was.

Linearizable and wait-free. The replaced object is released afterwards.)";

inline constexpr const char* get_and_set = R"(get_and_set($self, updated, /)
--

Store `updated` and return the object that it replaced, in one step.

Linearizable and wait-free.)";

inline constexpr const char* compare_and_set = R"(compare_and_set($self, /, expected, updated)
--

Store `updated` if the current object matches `expected`. Return whether it did.

    seen = ref.get()
    ref.compare_and_set(seen, changed(seen))  # False if another thread was faster

An object matches itself. An exact int, str or bytes also matches an equal object of the same
type. It never fails spuriously. Linearizable and lock-free.)";

inline constexpr const char* compare_and_exchange =
    R"(compare_and_exchange($self, /, expected, updated)
--

Store `updated` if the current object matches `expected`. Return the object that was found.

Matching and guarantees are those of `compare_and_set`.)";

inline constexpr const char* update_and_get = R"(update_and_get($self, /, fn)
--

Store `fn(current)` and return it. `current` is the current object.

    ref.update_and_get(lambda names: names | {"spam"})  # a new set; no update is lost

`fn` is called again if another thread replaced the object in the meantime, so it should have no
side effects, and it must not change the object in place. If `fn` raises, the exception
propagates, and nothing is stored. TypeError if `fn` cannot be called. Linearizable at the last
call of `fn`. Lock-free apart from what `fn` does. No lock is held while `fn` runs.)";

inline constexpr const char* get_and_update = R"(get_and_update($self, /, fn)
--

Store `fn(current)` and return the object before. See `update_and_get`.)";

inline constexpr const char* accumulate_and_get = R"(accumulate_and_get($self, /, x, fn)
--

Store `fn(current, x)` and return it. See `update_and_get`.

    ref.accumulate_and_get({"spam"}, operator.or_))";

inline constexpr const char* get_and_accumulate = R"(get_and_accumulate($self, /, x, fn)
--

Store `fn(current, x)` and return the object before. See `update_and_get`.)";

inline constexpr const char* wait_while = R"(wait_while($self, /, value, timeout=None)
--

Block while the current object matches `value`. Return True once it does not.

    ref.wait_while(None)  # one thread sleeps here ...
    ref.set(result); ref.notify_all()  # ... until another one stores an object and notifies

Matching is that of `compare_and_set`. Return False if the object still matches after `timeout`
seconds, a real number from 0 to `threading.TIMEOUT_MAX`. None and inf mean no limit. ValueError if
the timeout is negative or nan, OverflowError if it is larger. A change alone does not have to wake
a waiting thread: the thread that stores an object calls `notify_one` or `notify_all`. The waiting
thread is detached from the interpreter, and a signal (Ctrl-C) wakes it at once.
After std::atomic::wait and WebKit's ParkingLot.)";

inline constexpr const char* notify_one = R"(notify_one($self, /)
--

Wake the thread that has waited longest in `wait_while` on this ref, if there is one.

The thread looks at the object again. Call it after a change. It never blocks.)";

inline constexpr const char* notify_all = R"(notify_all($self, /)
--

Wake all threads that wait in `wait_while` on this ref.

Each of them looks at the object again. Call it after a change. It never blocks.)";

inline constexpr const char* get_handle = R"(get_handle($self, /)
--

Return a new handle of this ref, for use by the calling thread.

    handle = config.get_handle()  # one for each thread
    handle.get())";

}  // namespace cereggii::atomicref::docs

// ── AtomicStampedRef ───────────────────────────────────────────────────────────────────────────

namespace cereggii::atomicref::stamped_docs {

inline constexpr const char* atomic_stamped_ref =
    R"(AtomicStampedRef(initial_value=None, stamp=0, *, immortal=None)
--

A reference to an object together with an integer, its stamp. Both change in one step.

    value, stamp = ref.get()
    ref.compare_and_set(value, changed(value), stamp, stamp + 1)

With a new stamp for each value, a thread can tell a value that stayed from a value that was
replaced and put back. The stamp is an int of any size; another object with `__index__` is
converted. No thread ever sees a value with a stamp that was not stored with it.

Every method is one linearizable, sequentially consistent step, and takes no lock. Stamped refs
compare and hash by identity. Copying and pickling take a snapshot. `immortal` has the same meaning
and effects as for AtomicRef.

After java.util.concurrent.atomic.AtomicStampedReference.)";

inline constexpr const char* get = R"(get($self, /)
--

Return the current (value, stamp), two objects that were stored together.

Linearizable and lock-free. It allocates nothing.)";

inline constexpr const char* set = R"(set($self, /, value, stamp)
--

Store both, whatever they were.

TypeError if the stamp is not an integer; then nothing is changed. Linearizable. Wait-free, except
for the allocation of the pair.)";

inline constexpr const char* compare_and_set =
    R"(compare_and_set($self, /, expected, updated, expected_stamp, updated_stamp)
--

Store `updated` and `updated_stamp` if the value matches `expected` and the stamp equals
`expected_stamp`. Return whether they did.

Values match as in AtomicRef.compare_and_set. TypeError if a stamp is not an integer; then nothing
is changed. Linearizable and lock-free.)";

inline constexpr const char* size_in_bytes = R"(__sizeof__($self, /)
--

Return the memory of the ref in bytes, with the memory of the pair.)";

}  // namespace cereggii::atomicref::stamped_docs
