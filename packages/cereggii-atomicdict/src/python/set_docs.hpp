// SPDX-License-Identifier: Apache-2.0
#pragma once

// The docstrings of AtomicSet and AtomicSetHandle. Each constant has the name of its method.
namespace cereggii::atomicdict::set_docs {

// ── the classes ────────────────────────────────────────────────────────────────────────────────

inline constexpr const char* atomic_set = R"(AtomicSet(iterable=(), /, *, immortal=None)
--

A set that any number of threads can read and change at the same time.

    seen = AtomicSet()
    if seen.add(url):  # True for one of the threads that add it
        download(url)

It has the methods and operators of `set`. Elements are hashed and compared as in set. Exact
int, str and bytes are compared without Python code. NOT_FOUND, ANY and EXPECTATION_FAILED are
refused as elements (ValueError). It cannot be hashed, as a set cannot. The order of the elements
is not kept.

Guarantees. There are three kinds of operations:

- One atomic step: `add`, `discard`, `remove`, `pop`, `clear`, `in`. Each is linearizable.
  Readers never wait. Writers never wait for a resize.
- *Exact*: they read all elements at one instant. These are `len`, `snapshot`, `copy`, `repr`,
  pickling, comparisons, `issubset`, `issuperset`, `isdisjoint`, and the methods and operators
  that make a new set. To pass this set to a method or an operator of another one is exact, too.
  While an exact operation reads the elements, writers and other exact operations on this set
  wait, without a timeout. They also wait for a moment while an empty table is dropped, and while
  `pop` finds out that the set is empty. These waits end by themselves.
- A sequence of atomic steps, one for each element: the constructor, `update`,
  `intersection_update`, `difference_update`, `symmetric_difference_update`, `remove_if`, and the
  operators `|=`, `&=`, `-=` and `^=`. Other threads may see the set between two steps. If
  something raises, the elements that were changed before stay changed.

Two sets are read one after the other, each at an instant of its own. A builtin set, a dict or
another iterable that is passed to a method may be changed by other threads, too. A small builtin
set is read at one instant. Where it only has to tell which elements it has, it is asked for one
after the other.

`s | t`, `s & t`, `s - t` and `s ^ t` return an AtomicSet if `s` is an AtomicSet or a handle. If
`s` is a set or a frozenset, the result is one, too: the left operand decides, as for builtin
sets. The other operand may be any `collections.abc.Set`, and that of a method any iterable.

Iteration is *weak*: it never raises and never repeats an element. An element that is present
throughout is seen exactly once. Next to writers, use `snapshot()` to get a frozenset. Copying
and pickling take a snapshot.

`immortal=True`: the set and its elements live as long as the process. Threads that share it do
not count references to it (PEP 683). This cannot be undone.
`immortal=False`: the set is an ordinary object. It is freed with its last reference.
`immortal=None`: on free-threaded Python 3.14 and later, the reference count of the set becomes
*deferred* after other threads than its maker have used it for some time. Then
`sys.getrefcount` gives a huge number, and the set, its elements and weak references to it live
until a garbage collection finds that nothing refers to the set. AtomicDict says when this
happens, and what is seen of an immortal object.

An element that is removed is released at once if no other thread is executing an operation, and
otherwise soon afterwards, as a deleted key of an AtomicDict.

An AtomicSet is the table of an AtomicDict, in which no element has a value of its own.)";

inline constexpr const char* atomic_set_handle = R"(AtomicSetHandle(target)
--

One thread's own reference to an AtomicSet, with the same operations.

    handle = s.get_handle()  # one for each thread
    handle.add("element")

To use it changes no reference count of the set. It changes only the count of the handle, which
other threads do not touch. Any thread may use any handle: the results are the same, only slower.
A handle keeps its AtomicSet alive. `target` is an AtomicSet or a handle, otherwise TypeError.)";

// ── one element ────────────────────────────────────────────────────────────────────────────────

inline constexpr const char* add = R"(add($self, element, /)
--

Add `element` unless an equal one is there. Return whether it was added.

    if seen.add(url):  # of many threads, one gets True
        download(url)

An equal element that is there stays. Linearizable. Lock-free, except that it waits while an
exact operation reads all elements.)";

inline constexpr const char* discard = R"(discard($self, element, /)
--

Remove `element` if it is there. Return whether it was removed.

An unhashable set stands for a frozenset of its elements, as in set. Linearizable. Lock-free,
except that it waits while an exact operation reads all elements.)";

inline constexpr const char* remove = R"(remove($self, element, /)
--

Remove `element`. KeyError if it is not there. See `discard`.)";

inline constexpr const char* pop = R"(pop($self, /)
--

Remove any element. Return it.

Each element goes to one thread only. KeyError if the set was empty at one instant. Linearizable.
While there are elements, it is lock-free, except that it waits while an exact operation reads
all elements.)";

inline constexpr const char* remove_if = R"(remove_if($self, /, predicate)
--

Remove each element for which `predicate(element)` is true. Return how many were removed.

Each element is removed in a step of its own. The elements are found as by iteration, which is
weak. An element that is removed and added again while `predicate` runs is removed. If something
raises, the elements that were removed before stay removed. Each removal waits while an exact
operation reads all elements.)";

// ── changing the set by other objects ──────────────────────────────────────────────────────────

inline constexpr const char* update = R"(update($self, /, *others)
--

Add all elements of these iterables.

Each element is added in a linearizable step of its own, as by `add`. If something raises, the
elements that were added before stay. If one of the iterables is an AtomicSet, its elements are
those of one instant.)";

inline constexpr const char* difference_update = R"(difference_update($self, /, *others)
--

Remove all elements of these iterables.

Each element is removed in a linearizable step of its own, as by `discard`. See `update`.)";

inline constexpr const char* intersection_update = R"(intersection_update($self, /, *others)
--

Remove the elements that are not in all of these iterables.

The iterables are read first, then the elements of this set at one instant. Each of them that has
to go is removed in a linearizable step of its own. So an element that another thread adds
meanwhile may stay.)";

inline constexpr const char* symmetric_difference_update =
    R"(symmetric_difference_update($self, other, /)
--

Remove the elements that are also in `other`, and add those of `other` that were absent.

Each different element of `other` is either removed or added, in one linearizable step.)";

// ── new sets ───────────────────────────────────────────────────────────────────────────────────

inline constexpr const char* copy = R"(copy($self, /)
--

Return a new AtomicSet with the elements at one instant. See `snapshot`.)";

inline constexpr const char* snapshot = R"(snapshot($self, /)
--

Return a frozenset of the elements at one instant.

Linearizable. Writers and other exact operations wait while the elements are read, about 0.1
microseconds for each. Readers do not wait. The garbage collector, a fork and Ctrl-C wait for
some milliseconds at most, or as long as a builtin set takes to grow.)";

inline constexpr const char* union_of = R"(union($self, /, *others)
--

Return a new AtomicSet with the elements of this set and of the others, which are iterables.

The elements of this set are those of one instant. The result is an AtomicSet, even if this is
an instance of a subclass.)";

inline constexpr const char* intersection = R"(intersection($self, /, *others)
--

Return a new AtomicSet with the elements that are also in all others, which are iterables.

The elements are objects of this set. See `union`.)";

inline constexpr const char* difference = R"(difference($self, /, *others)
--

Return a new AtomicSet with the elements that are in none of the others, which are iterables.

See `union`.)";

inline constexpr const char* symmetric_difference = R"(symmetric_difference($self, other, /)
--

Return a new AtomicSet with the elements that are either in this set or in `other`, an iterable.

See `union`.)";

// ── questions ──────────────────────────────────────────────────────────────────────────────────

inline constexpr const char* issubset = R"(issubset($self, other, /)
--

Return whether all elements of this set, at one instant, are in `other`, an iterable.

It takes references to all elements of this set, as `snapshot` does. So do `issuperset`,
`isdisjoint` and comparisons. To ask for a few elements, `in` is faster.)";

inline constexpr const char* issuperset = R"(issuperset($self, other, /)
--

Return whether all elements of `other`, an iterable, were in this set at one instant.

See `issubset`.)";

inline constexpr const char* isdisjoint = R"(isdisjoint($self, other, /)
--

Return whether no element of `other`, an iterable, was in this set at one instant.

See `issubset`.)";

// ── the set as a whole ─────────────────────────────────────────────────────────────────────────

inline constexpr const char* clear = R"(clear($self, /)
--

Remove all elements, in one step.

Linearizable. Lock-free, except that it waits while an exact operation reads all elements. It
needs no memory. The elements are freed before it returns, or soon afterwards if other threads
are executing an operation.)";

inline constexpr const char* approx_len = R"(approx_len($self, /)
--

Return about how many elements there are. The result is exact while no thread adds or removes.

Weak: additions and removals that happen at the same time are counted or not. It never waits.
Its cost does not depend on how many threads have used the set.)";

inline constexpr const char* reserve = R"(reserve($self, /, n)
--

Make room for `n` elements in all, until the set is cleared.

ValueError if `n` is negative. MemoryError if there is not enough memory.)";

inline constexpr const char* fast_iter = R"(fast_iter($self, /, partitions=1, this_partition=0)
--

Iterate over the elements of one part of the set.

    for element in s.fast_iter(partitions=4, this_partition=i):  # in thread number i of 4
        ...

There are `partitions` parts with the numbers 0 <= this_partition < partitions. They are
disjoint, and together they are the whole set. ValueError if the part does not exist.

Weak, as all iteration is: it never raises, never blocks and never repeats an element. An element
that is present throughout is seen exactly once. Each thread has an order of its own.)";

inline constexpr const char* get_handle = R"(get_handle($self, /)
--

Return a new AtomicSetHandle of this set, for use by the calling thread.

    handle = s.get_handle()  # one for each thread
    handle.add("element"))";

inline constexpr const char* size_in_bytes = R"(__sizeof__($self, /)
--

Return the memory of the set in bytes, without the memory of its elements.)";

}  // namespace cereggii::atomicdict::set_docs
