// SPDX-License-Identifier: Apache-2.0
#pragma once

// The docstrings of the types of this package. Each constant has the name of its method.

// ── AtomicInt and AtomicIntHandle ──────────────────────────────────────────────────────────────

namespace cereggii::atomicint::docs {

inline constexpr const char* atomic_int = R"(AtomicInt(initial_value=0, *, immortal=None)
--

A signed 64-bit integer that any number of threads can change without losing an update.

    hits = AtomicInt()
    hits += 1  # one atomic step; hits is still the same AtomicInt

Values are in [-2**63, 2**63). An operation whose result is outside of this range raises
OverflowError and changes nothing. No thread ever sees a wrapped value. A value that is not an
integer raises TypeError.

Every method and every in-place operator (`+=` and the like) is one atomic, linearizable,
sequentially consistent step. An in-place operator keeps the same object. Every other operator
works on the current value and gives a plain int. Comparisons are by value. The hash is by
identity, and handles have the hash of their AtomicInt. Copying and pickling take a snapshot of
the value.

`immortal=True`: the object lives as long as the process. Threads that share it do not count
references to it (PEP 683). This cannot be undone.
`immortal=False`: the object never becomes immortal.
`immortal=None`: on free-threaded Python 3.14 and later, the object becomes immortal after other
threads than its maker have used it for some time: 20 ms for the first objects, minutes for the
last ones. Together they may take half a mebibyte. An object does not become immortal while it
has weak references, and an instance of a subclass never does.

An immortal object on a free-threaded build: `sys.getrefcount` gives a huge number that does not
change. Weak references to the object never die. Their callbacks and finalizers never run, but
`weakref.finalize` runs its own at exit. `gc.is_tracked` is False, `gc.get_objects` does not list
the object, and no collection frees it.

After java.util.concurrent.atomic.AtomicLong.)";

inline constexpr const char* atomic_int_handle = R"(AtomicIntHandle(target)
--

One thread's own reference to an AtomicInt, with the same methods and operators.

    handle = hits.get_handle()  # one for each thread
    handle += 1  # changes hits; handle is still the same handle

To use it changes no reference count except the count of the handle, which other threads do not
touch. That is why `handle += 1` is faster than the same on a shared AtomicInt. Any thread may use
any handle: the results are the same, only slower. Handles of one AtomicInt are equal, and have
its hash. A handle keeps its AtomicInt alive. `target` is an AtomicInt or a handle, otherwise
TypeError.)";

inline constexpr const char* get = R"(get($self, /)
--

Return the current value.

Linearizable and wait-free.)";

inline constexpr const char* set = R"(set($self, updated, /)
--

Store `updated`, whatever the value was.

`updated` is an integer in [-2**63, 2**63). Otherwise it raises TypeError or OverflowError, and
the value is unchanged. Linearizable and lock-free.)";

inline constexpr const char* get_and_set = R"(get_and_set($self, updated, /)
--

Store `updated` and return the value that it replaced, in one step.

Range, errors and guarantees are those of `set`.)";

inline constexpr const char* compare_and_set = R"(compare_and_set($self, /, expected, updated)
--

Store `updated` if the value is `expected`. Return whether it was.

    if state.compare_and_set(WAITING, RUNNING):  # True in one thread only
        run()

Both are integers in [-2**63, 2**63). Otherwise it raises TypeError or OverflowError, and the
value is unchanged. It never fails spuriously. Linearizable and lock-free.)";

inline constexpr const char* compare_and_exchange =
    R"(compare_and_exchange($self, /, expected, updated)
--

Store `updated` if the value is `expected`. Return the value that was found.

The update took place if and only if the result equals `expected`. Range, errors and guarantees
are those of `compare_and_set`.)";

inline constexpr const char* increment_and_get = R"(increment_and_get($self, /, amount=1)
--

Add `amount` (None means 1) and return the new value.

OverflowError if the sum is outside of [-2**63, 2**63). Then the value is unchanged, and no thread
ever sees a wrapped one. Linearizable. Wait-free (one fetch-and-add) while the value is within
2**61 of zero and the amount is within 2**32 of zero; otherwise lock-free.
After java.util.concurrent.atomic.AtomicLong.)";

inline constexpr const char* get_and_increment = R"(get_and_increment($self, /, amount=1)
--

Add `amount` (None means 1) and return the value before.

Errors and guarantees are those of `increment_and_get`.)";

inline constexpr const char* decrement_and_get = R"(decrement_and_get($self, /, amount=1)
--

Subtract `amount` (None means 1) and return the new value.

Errors and guarantees are those of `increment_and_get`.)";

inline constexpr const char* get_and_decrement = R"(get_and_decrement($self, /, amount=1)
--

Subtract `amount` (None means 1) and return the value before.

Errors and guarantees are those of `increment_and_get`.)";

inline constexpr const char* get_and_or = R"(get_and_or($self, /, mask)
--

Store `value | mask` and return the value before.

    was_ready = flags.get_and_or(READY) & READY  # sets the flag

`mask` is an integer in [-2**63, 2**63). Otherwise it raises TypeError or OverflowError, and the
value is unchanged. Linearizable and lock-free.)";

inline constexpr const char* get_and_and = R"(get_and_and($self, /, mask)
--

Store `value & mask` and return the value before. See `get_and_or`.)";

inline constexpr const char* get_and_xor = R"(get_and_xor($self, /, mask)
--

Store `value ^ mask` and return the value before. See `get_and_or`.)";

inline constexpr const char* get_and_max = R"(get_and_max($self, /, value)
--

Store the greater of `value` and the current value. Return the value before.

    highest.get_and_max(temperature)  # keeps the maximum

`value` is an integer in [-2**63, 2**63). Otherwise it raises TypeError or OverflowError, and the
stored value is unchanged. Linearizable and lock-free.)";

inline constexpr const char* get_and_min = R"(get_and_min($self, /, value)
--

Store the smaller of `value` and the current value. Return the value before.

See `get_and_max`.)";

inline constexpr const char* update_and_get = R"(update_and_get($self, /, fn)
--

Store `fn(value)` and return it.

    n.update_and_get(lambda value: min(value + 1, 100))  # adds 1, up to 100

`fn` takes and returns an int. It is called again if another thread changed the value in the
meantime, so it should have no side effects. If it raises, the exception propagates. If its result
is not an integer in [-2**63, 2**63), that is a TypeError or an OverflowError. In both cases the
value is unchanged. Linearizable at the last call of `fn`. Lock-free apart from what `fn` does. No
lock is held while `fn` runs.)";

inline constexpr const char* get_and_update = R"(get_and_update($self, /, fn)
--

Store `fn(value)` and return the value before. See `update_and_get`.)";

inline constexpr const char* accumulate_and_get = R"(accumulate_and_get($self, /, x, fn)
--

Store `fn(value, x)` and return it. See `update_and_get`.

    n.accumulate_and_get(3, operator.mul)  # multiplies the value by 3)";

inline constexpr const char* get_and_accumulate = R"(get_and_accumulate($self, /, x, fn)
--

Store `fn(value, x)` and return the value before. See `update_and_get`.)";

inline constexpr const char* wait_while = R"(wait_while($self, /, value, timeout=None)
--

Block while the stored value equals `value`. Return True once it does not.

    state.wait_while(WAITING)  # one thread sleeps here ...
    state.set(READY); state.notify_all()  # ... until another one changes the value and notifies

Return False if the value still equals `value` after `timeout` seconds, a real number from 0 to
`threading.TIMEOUT_MAX`. None and inf mean no limit. ValueError if the timeout is negative or nan,
OverflowError if it is larger. A change alone does not have to wake a waiting thread: the thread
that changes the value calls `notify_one` or `notify_all`. The waiting thread is detached from the
interpreter, and a signal (Ctrl-C) wakes it at once.
After std::atomic::wait and WebKit's ParkingLot.)";

inline constexpr const char* notify_one = R"(notify_one($self, /)
--

Wake the thread that has waited longest in `wait_while` on this integer, if there is one.

The thread looks at the value again. Call it after a change of the value. It never blocks.)";

inline constexpr const char* notify_all = R"(notify_all($self, /)
--

Wake all threads that wait in `wait_while` on this integer.

Each of them looks at the value again. Call it after a change of the value. It never blocks.)";

inline constexpr const char* get_handle = R"(get_handle($self, /)
--

Return a new AtomicIntHandle of this integer, for use by the calling thread.

    handle = hits.get_handle()  # one for each thread
    handle += 1)";

inline constexpr const char* bit_length = R"(bit_length($self, /)
--

int.bit_length of the current value.)";

inline constexpr const char* bit_count = R"(bit_count($self, /)
--

int.bit_count of the current value.)";

inline constexpr const char* to_bytes = R"(to_bytes($self, /, *args, **kwargs)
--

int.to_bytes of the current value.)";

inline constexpr const char* as_integer_ratio = R"(as_integer_ratio($self, /)
--

int.as_integer_ratio of the current value.)";

inline constexpr const char* is_integer = R"(is_integer($self, /)
--

Return True: an AtomicInt is always an integer. It has the method because int has it.)";

inline constexpr const char* conjugate = R"(conjugate($self, /)
--

int.conjugate of the current value.)";

inline constexpr const char* round = R"(__round__($self, /, *args)
--

round() of the current value.)";

inline constexpr const char* trunc = R"(__trunc__($self, /)
--

math.trunc() of the current value.)";

inline constexpr const char* floor = R"(__floor__($self, /)
--

math.floor() of the current value.)";

inline constexpr const char* ceil = R"(__ceil__($self, /)
--

math.ceil() of the current value.)";

inline constexpr const char* format = R"(__format__($self, format_spec, /)
--

format() of the current value.)";

}  // namespace cereggii::atomicint::docs

// ── AtomicCounter and AtomicCounterHandle ──────────────────────────────────────────────────────

namespace cereggii::atomicint::counter_docs {

inline constexpr const char* atomic_counter = R"(AtomicCounter(initial_value=0, *, immortal=None)
--

A counter that many threads add to and few threads read, such as a statistic.

    requests = AtomicCounter()
    requests += 1  # in many threads; requests.sum() is the total

Threads that meet get cells of their own, so adding does not become slower with more threads. In
exchange, the total is *weak*: it is exact only while no thread adds. If the count decides
anything, or has to be exact while it changes, use AtomicInt. The total is an int of any size: it
neither wraps nor overflows. Amounts are in [-2**63, 2**63), and `initial_value` is in
[-2**124, 2**124); otherwise TypeError or OverflowError.

`+=` and `-=` keep the same object. Counters compare and hash by identity. A handle equals its
counter, and has the same hash. `immortal` has the same meaning and effects as for AtomicInt. The
cells that a counter has when it becomes immortal count towards the half mebibyte.

After java.util.concurrent.atomic.LongAdder.)";

inline constexpr const char* atomic_counter_handle = R"(AtomicCounterHandle(target)
--

One thread's own reference to an AtomicCounter, with the same methods and operators.

    handle = requests.get_handle()  # one for each thread
    handle += 1

See AtomicIntHandle.)";

inline constexpr const char* add = R"(add($self, /, n=1)
--

Add `n`, an integer in [-2**63, 2**63). Return None.

For any other `n` it raises TypeError or OverflowError, and nothing is added. Threads that meet get
cells of their own, so they do not slow each other down. Wait-free if `n` is within 2**32 of
zero.)";

inline constexpr const char* sum = R"(sum($self, /)
--

Return the total, an int of any size.

Weak: additions that happen at the same time are counted or not. It is exact while no thread
adds.)";

inline constexpr const char* get = R"(get($self, /)
--

The same as `sum`.)";

inline constexpr const char* reset = R"(reset($self, /)
--

Set the total to 0.

Additions that happen at the same time are lost or not. If none may be lost, use
`sum_and_reset`.)";

inline constexpr const char* sum_and_reset = R"(sum_and_reset($self, /)
--

Set the total to 0 and return what it was.

    per_minute = requests.sum_and_reset()  # once a minute

Every addition is in exactly one such sum, this one or a later one.)";

inline constexpr const char* get_handle = R"(get_handle($self, /)
--

Return a new AtomicCounterHandle of this counter, for use by the calling thread.

    handle = requests.get_handle()  # one for each thread
    handle += 1)";

inline constexpr const char* size_in_bytes = R"(__sizeof__($self, /)
--

Return the memory of the counter in bytes, with the cells that it has so far.)";

}  // namespace cereggii::atomicint::counter_docs

// ── AtomicEvent ────────────────────────────────────────────────────────────────────────────────

namespace cereggii::atomicint::event_docs {

inline constexpr const char* atomic_event = R"(AtomicEvent(initial_value=False, *, immortal=None)
--

An event that threads wait for. It is set or not set.

    ready.wait()  # threads sleep here ...
    ready.set()  # ... until another thread sets the event

A thread that waits when the event is set goes on, even if the event is cleared afterwards. Every
method is one linearizable step. Events compare and hash by identity. Copying and pickling take a
snapshot. `immortal` has the same meaning and effects as for AtomicInt.

After threading.Event, without a lock.)";

inline constexpr const char* is_set = R"(is_set($self, /)
--

Return whether the event is set. Linearizable and wait-free.)";

inline constexpr const char* set = R"(set($self, /)
--

Set the event, and wake all threads that wait for it.

They go on even if the event is cleared at once. Linearizable. It never blocks.)";

inline constexpr const char* clear = R"(clear($self, /)
--

Make the event not set: threads that call `wait` afterwards wait. Linearizable and wait-free.)";

inline constexpr const char* wait = R"(wait($self, /, timeout=None)
--

Block until the event is set. Return True then.

Return False if the event is not set after `timeout` seconds, a real number from 0 to
`threading.TIMEOUT_MAX`. None and inf mean no limit. ValueError if the timeout is negative or nan,
OverflowError if it is larger. The waiting thread is detached from the interpreter, and a signal
(Ctrl-C) wakes it at once.)";

}  // namespace cereggii::atomicint::event_docs
