// SPDX-License-Identifier: Apache-2.0
#pragma once

// The docstrings of the types of this package. Each constant has the name of its method.

// ── AtomicFloat and AtomicFloatHandle ──────────────────────────────────────────────────────────

namespace cereggii::atomicfloat::docs {

inline constexpr const char* atomic_float = R"(AtomicFloat(initial_value=0.0, *, immortal=None)
--

A float that any number of threads can change without losing an update.

    seconds = AtomicFloat()
    seconds += 0.25  # one atomic step; seconds is still the same AtomicFloat

The value is an IEEE 754 binary64 number, as that of every float. Arguments are real numbers: a
float, an int, or an object with `__float__` or `__index__`. A text and anything else raises
TypeError. An int that is too large for a float raises OverflowError. After an error the value is
unchanged.

Every method and every in-place operator (`+=` and the like) is one atomic, linearizable,
sequentially consistent step. An in-place operator keeps the same object, and raises what the
operator of float raises. Every other operator works on the current value and gives float's own
result. Comparisons are by value. The hash is by identity, and handles have the hash of their
AtomicFloat. Copying and pickling take a snapshot of the value.

Additions by many threads are rounded one after the other, so the order can change the last digits
of the sum. AtomicFloatSum is more exact, and faster under many threads.

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

After std::atomic<double> of C++20.)";

inline constexpr const char* atomic_float_handle = R"(AtomicFloatHandle(target)
--

One thread's own reference to an AtomicFloat, with the same methods and operators.

    handle = seconds.get_handle()  # one for each thread
    handle += 0.25  # changes seconds; handle is still the same handle

To use it changes no reference count except the count of the handle, which other threads do not
touch. That is why `handle += 0.25` is faster than the same on a shared AtomicFloat. Any thread may
use any handle: the results are the same, only slower. Handles of one AtomicFloat are equal, and
have its hash. A handle keeps its AtomicFloat alive. `target` is an AtomicFloat or a handle,
otherwise TypeError.)";

inline constexpr const char* get = R"(get($self, /)
--

Return the current value.

Linearizable and wait-free.)";

inline constexpr const char* set = R"(set($self, updated, /)
--

Store `updated`, whatever the value was.

`updated` is a real number. Otherwise it raises TypeError, or OverflowError for an int that is too
large, and the value is unchanged. Linearizable and wait-free.)";

inline constexpr const char* get_and_set = R"(get_and_set($self, updated, /)
--

Store `updated` and return the value that it replaced, in one step.

Errors and guarantees are those of `set`.)";

inline constexpr const char* compare_and_set = R"(compare_and_set($self, /, expected, updated)
--

Store `updated` if the value is `expected`. Return whether it was.

    price.compare_and_set(9.99, 8.99)  # True in one thread only

The value is `expected` if the two are equal, so 0.0 matches -0.0. NaN matches NaN. Both arguments
are real numbers. Otherwise it raises TypeError or OverflowError, and the value is unchanged. It
never fails spuriously. Linearizable and lock-free.)";

inline constexpr const char* compare_and_exchange =
    R"(compare_and_exchange($self, /, expected, updated)
--

Store `updated` if the value is `expected`. Return the value that was found.

The update took place if and only if the result matches `expected`, as in `compare_and_set`. Errors
and guarantees are those of `compare_and_set`.)";

inline constexpr const char* increment_and_get = R"(increment_and_get($self, /, amount=1)
--

Add `amount` (None means 1) and return the new value.

`amount` is a real number. Otherwise it raises TypeError or OverflowError, and the value is
unchanged. The sum is that of two floats, and may be inf. Linearizable and lock-free.)";

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

inline constexpr const char* get_and_max = R"(get_and_max($self, /, value)
--

Store the greater of `value` and the current value. Return the value before.

    slowest.get_and_max(seconds)  # keeps the maximum

A NaN is stored only if both are NaN, as by `math.fmax` of Python 3.15. 0.0 is greater than -0.0.
`value` is a real number. Otherwise it raises TypeError or OverflowError, and the stored value is
unchanged. Linearizable and lock-free.)";

inline constexpr const char* get_and_min = R"(get_and_min($self, /, value)
--

Store the smaller of `value` and the current value. Return the value before.

See `get_and_max`.)";

inline constexpr const char* update_and_get = R"(update_and_get($self, /, fn)
--

Store `fn(value)` and return it.

    level.update_and_get(lambda value: value * 0.9 + sample * 0.1)  # a moving average

`fn` takes a float and returns a real number. It is called again if another thread changed the
value in the meantime, so it should have no side effects. If it raises, the exception propagates.
If its result is not a real number, that is a TypeError. In both cases the value is unchanged.
Linearizable at the last call of `fn`. Lock-free apart from what `fn` does. No lock is held while
`fn` runs.)";

inline constexpr const char* get_and_update = R"(get_and_update($self, /, fn)
--

Store `fn(value)` and return the value before. See `update_and_get`.)";

inline constexpr const char* accumulate_and_get = R"(accumulate_and_get($self, /, x, fn)
--

Store `fn(value, x)` and return it. See `update_and_get`.

    length.accumulate_and_get(side, math.hypot))";

inline constexpr const char* get_and_accumulate = R"(get_and_accumulate($self, /, x, fn)
--

Store `fn(value, x)` and return the value before. See `update_and_get`.)";

inline constexpr const char* wait_while = R"(wait_while($self, /, value, timeout=None)
--

Block while the stored value matches `value`, as in `compare_and_set`. Return True once it does not.

    progress.wait_while(0.0)  # one thread sleeps here ...
    progress.set(0.5); progress.notify_all()  # ... until another one changes it and notifies

Return False if the value still matches after `timeout` seconds, a real number from 0 to
`threading.TIMEOUT_MAX`. None and inf mean no limit. ValueError if the timeout is negative or nan,
OverflowError if it is larger. A change alone does not have to wake a waiting thread: the thread
that changes the value calls `notify_one` or `notify_all`. The waiting thread is detached from the
interpreter, and a signal (Ctrl-C) wakes it at once.
After std::atomic::wait and WebKit's ParkingLot.)";

inline constexpr const char* notify_one = R"(notify_one($self, /)
--

Wake the thread that has waited longest in `wait_while` on this float, if there is one.

The thread looks at the value again. Call it after a change of the value. It never blocks.)";

inline constexpr const char* notify_all = R"(notify_all($self, /)
--

Wake all threads that wait in `wait_while` on this float.

Each of them looks at the value again. Call it after a change of the value. It never blocks.)";

inline constexpr const char* get_handle = R"(get_handle($self, /)
--

Return a new AtomicFloatHandle of this float, for use by the calling thread.

    handle = seconds.get_handle()  # one for each thread
    handle += 0.25)";

inline constexpr const char* as_integer_ratio = R"(as_integer_ratio($self, /)
--

float.as_integer_ratio of the current value.)";

inline constexpr const char* is_integer = R"(is_integer($self, /)
--

float.is_integer of the current value.)";

inline constexpr const char* hex = R"(hex($self, /)
--

float.hex of the current value.)";

inline constexpr const char* conjugate = R"(conjugate($self, /)
--

float.conjugate of the current value.)";

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

}  // namespace cereggii::atomicfloat::docs

// ── AtomicFloatSum and AtomicFloatSumHandle ────────────────────────────────────────────────────

namespace cereggii::atomicfloat::sum_docs {

inline constexpr const char* atomic_float_sum =
    R"(AtomicFloatSum(initial_value=0.0, *, immortal=None)
--

A sum of floats that many threads add to and few threads read, such as a statistic.

    seconds = AtomicFloatSum()
    seconds += 0.1  # in many threads; seconds.sum() is the total

Threads that meet get cells of their own, so adding does not become slower with more threads. In
exchange, the total is *weak*: it is exact only while no thread adds. If the value decides
anything, or has to be right while it changes, use AtomicFloat.

The summation is compensated: the rounding error of each addition is kept, too. While no thread
adds, the total is the exact sum of the amounts, rounded once, up to an error of second order: at
most about (n * 2**-53)**2 times the sum of the absolute amounts, for n additions. A million times
0.1 is 100000.0, as by math.fsum. inf and NaN act as in IEEE 754: once one of them is added, or the
sum of a cell overflows, the total is inf or NaN until it is reset. A zero is 0.0, never -0.0.

Amounts and `initial_value` are real numbers, otherwise TypeError; OverflowError for an int that is
too large. `+=` and `-=` keep the same object. Sums compare and hash by identity. A handle equals
its sum, and has the same hash. `immortal` has the same meaning and effects as for AtomicFloat. The
cells that a sum has when it becomes immortal count towards the half mebibyte.

After java.util.concurrent.atomic.DoubleAdder, with the summation of A. Neumaier (1974).)";

inline constexpr const char* atomic_float_sum_handle = R"(AtomicFloatSumHandle(target)
--

One thread's own reference to an AtomicFloatSum, with the same methods and operators.

    handle = seconds.get_handle()  # one for each thread
    handle += 0.1

See AtomicFloatHandle.)";

inline constexpr const char* add = R"(add($self, /, n=1)
--

Add `n`, a real number. Return None.

For any other `n` it raises TypeError or OverflowError, and nothing is added. Threads that meet get
cells of their own, so they do not slow each other down. Lock-free.)";

inline constexpr const char* sum = R"(sum($self, /)
--

Return the total, a float.

Weak: additions that happen at the same time are counted or not. It is exact up to the error of the
compensated summation while no thread adds.)";

inline constexpr const char* get = R"(get($self, /)
--

The same as `sum`.)";

inline constexpr const char* reset = R"(reset($self, /)
--

Set the total to 0.0.

Additions that happen at the same time are lost or not. If none may be lost, use
`sum_and_reset`.)";

inline constexpr const char* sum_and_reset = R"(sum_and_reset($self, /)
--

Set the total to 0.0 and return what it was.

    per_minute = seconds.sum_and_reset()  # once a minute

Every addition is in exactly one such sum, this one or a later one.)";

inline constexpr const char* get_handle = R"(get_handle($self, /)
--

Return a new AtomicFloatSumHandle of this sum, for use by the calling thread.

    handle = seconds.get_handle()  # one for each thread
    handle += 0.1)";

inline constexpr const char* size_in_bytes = R"(__sizeof__($self, /)
--

Return the memory of the sum in bytes, with the cells that it has so far.)";

}  // namespace cereggii::atomicfloat::sum_docs
