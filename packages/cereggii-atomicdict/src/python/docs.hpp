// SPDX-License-Identifier: Apache-2.0
#pragma once

// The docstrings of AtomicDict and AtomicDictHandle. Each constant has the name of its method.
namespace cereggii::atomicdict::docs {

// ── the classes ────────────────────────────────────────────────────────────────────────────────

inline constexpr const char* atomic_dict =
    R"(AtomicDict(initial=(), /, *, min_size=None, immortal=None, **keywords)
--

A dict that any number of threads can read and change at the same time.

    hits = AtomicDict(home=0)
    hits.merge("home", 1, operator.add)  # no update is lost

`initial` is a mapping or an iterable of (key, value) pairs. `min_size` is the number of keys
to make room for at the start (ValueError if it is negative). Keys are hashed and compared as in
dict. Exact int, str and bytes are compared without Python code. NOT_FOUND, ANY and
EXPECTATION_FAILED are refused as keys and as values (ValueError). The order of the keys is not
kept.

Guarantees. Every method that works on one key is one linearizable step. Readers never wait.
Writers never wait for a resize. Some operations read all keys at one instant; they are called
*exact*: `len`, `snapshot`, `copy`, `==`, `|`, `repr`, pickling, and to pass this dict to
`update` or to a reduction of another one. While an exact operation reads the keys, writers and
other exact operations on this dict wait, without a timeout. They also wait for a moment while an
empty table is dropped, and while `popitem` finds out that the dict is empty. These waits end by
themselves.

Iteration is *weak*: it never raises and never repeats a key. A key that is present throughout
is seen exactly once. Next to writers, use `snapshot()` to get a plain dict. `dict(d)`, `{**d}`
and `f(**d)` read the keys first and then each value, so they may raise KeyError. Copying and
pickling take a snapshot.

`immortal=True`: the dict and its content live as long as the process. Threads that share it do
not count references to it (PEP 683). This cannot be undone.
`immortal=False`: the dict is an ordinary object. It is freed with its last reference.
`immortal=None`: on free-threaded Python 3.14 and later, the reference count of the dict becomes
*deferred* after other threads than its maker have used the dict for some time: 0.1 seconds for a
small dict, 1 second per 16 MiB, and longer if much is deferred already. It does not become
deferred while the garbage collector is switched off, for an instance of a subclass, or if too
much is deferred already; in the last case a collection is requested, which the main thread runs.

A deferred dict on a free-threaded build: `sys.getrefcount` gives a huge number. The dict, its
content and weak references to it live until a garbage collection finds that nothing refers to
the dict. Finalizers run in that collection. `gc.is_tracked` and `gc.get_objects` show it as
before. An immortal dict: weak references to it never die, no finalizer and no callback runs,
and `gc` does not know it.

A value that is replaced or deleted is released at once. A deleted key, and what `clear` removes,
is released at once if no other thread is executing an operation. Otherwise it is released when
those operations have ended: at the next deletion of the thread that removed it, or after about
10 ms by a helper thread that starts and ends on demand, and in any case by the next garbage
collection, when any AtomicDict is deallocated, or at exit. An operation that removes nothing
runs no finalizers of objects that another thread has removed.

After the dictionary of cereggii 1.x, Cliff Click's hash table and papaya; see
docs/architecture.md.)";

inline constexpr const char* atomic_dict_handle =
    R"(AtomicDictHandle(target)
--

One thread's own reference to an AtomicDict, with the same operations.

    handle = d.get_handle()  # one for each thread
    handle["key"] = "value"

To use it changes no reference count of the dict. It changes only the count of the handle, which
other threads do not touch. Any thread may use any handle: the results are the same, only slower.
A handle keeps its AtomicDict alive. `target` is an AtomicDict or a handle, otherwise TypeError.)";

// ── one key ────────────────────────────────────────────────────────────────────────────────────

inline constexpr const char* get = R"(get($self, /, key, default=None)
--

Return the value of `key`, or `default` if the key is absent.

Linearizable and lock-free. It never waits for writers or for an exact operation. It writes
nothing that is shared except the reference count of the value.)";

inline constexpr const char* pop = R"(pop($self, /, key, default=...)
--

Remove `key` and return its value, in one step.

If the key is absent, return `default`; without a default, raise KeyError.
Linearizable. Lock-free, except that it waits while an exact operation reads all keys.)";

inline constexpr const char* setdefault = R"(setdefault($self, /, key, default=None)
--

Return the value of `key`. If the key is absent, insert it with the value `default` first.

If many threads call it for one absent key, one of them inserts its default, and all of them get
that object. Linearizable. Lock-free, except that it waits while an exact operation reads all
keys.)";

inline constexpr const char* get_and_set = R"(get_and_set($self, /, key, updated)
--

Store `updated` and return the value that it replaced, or NOT_FOUND if the key was absent.

Linearizable. Lock-free, except that it waits while an exact operation reads all keys.)";

inline constexpr const char* compare_and_set =
    R"(compare_and_set($self, /, key, expected, updated)
--

Store `updated` if the value of `key` matches `expected`; otherwise raise ExpectationFailed.

    d.compare_and_set("job", "waiting", "running")  # only one thread succeeds
    d.compare_and_set("new job", NOT_FOUND, "waiting")  # only inserts

A value matches itself. An exact int, str or bytes also matches an equal one of the same type.
`expected=NOT_FOUND` matches if the key is absent; `expected=ANY` always matches. If it raises,
nothing is changed. Linearizable. Lock-free, except that it waits while an exact operation reads
all keys.)";

inline constexpr const char* compare_and_exchange =
    R"(compare_and_exchange($self, /, key, expected, updated)
--

Store `updated` if the value of `key` matches `expected`. Return the value that was found.

The result is NOT_FOUND if the key was absent. Matching and guarantees are those of
`compare_and_set`.)";

inline constexpr const char* compare_and_delete = R"(compare_and_delete($self, /, key, expected)
--

Remove `key` if its value matches `expected`; otherwise raise ExpectationFailed.

It also raises ExpectationFailed if the key is absent. `expected=ANY` matches every value;
NOT_FOUND is refused (ValueError). Matching and guarantees are those of `compare_and_set`.)";

// ── computing a value ──────────────────────────────────────────────────────────────────────────

inline constexpr const char* get_or_compute =
    R"(get_or_compute($self, /, key, factory, timeout=None)
--

Return the value of `key`. If the key is absent, insert the result of `factory(key)` first.

    page = pages.get_or_compute("https://example.org", download)
    # many threads may ask at the same time: one of them downloads

If many threads ask for one absent key, one of them calls its factory. The others wait and get
the same object. If the factory raises, its caller gets the exception, nothing is inserted, and
one of the waiting threads tries next. If another operation stores a value of the key in the
meantime, that value is kept and returned.

TimeoutError if another thread has not finished after `timeout` seconds, a real number from 0 to
`threading.TIMEOUT_MAX`. None and inf mean no limit. ValueError if the timeout is negative or
nan, OverflowError if it is larger. RuntimeError if the thread would wait for itself: its factory
asks for its own key, directly or through other threads. A signal (Ctrl-C) ends the wait.

Lock-free if the key is present. After computeIfAbsent of
java.util.concurrent.ConcurrentHashMap, which locks other keys, too.)";

inline constexpr const char* compute = R"(compute($self, /, key, fn)
--

Set the value of `key` to `fn(key, current)` and return it.

    d.compute("n", lambda key, n: 1 if n is NOT_FOUND else n + 1)

`current` is NOT_FOUND if the key is absent. If `fn` returns NOT_FOUND, the key is removed, and
the result is NOT_FOUND. `fn` is called again if another thread changed the value in the
meantime, so it should have no side effects. If `fn` raises, nothing is changed.

Linearizable at the last call of `fn`. Lock-free apart from what `fn` does, except that it waits
while an exact operation reads all keys. No lock is held while `fn` runs.)";

inline constexpr const char* merge = R"(merge($self, /, key, value, fn)
--

Set the value of `key` to `fn(current, value)`, or to `value` if the key is absent. Return it.

    d.merge("visits", 1, operator.add)  # counts; no update is lost

If `fn` returns NOT_FOUND, the key is removed. `fn` may be called again. Errors and guarantees
are those of `compute`.)";

inline constexpr const char* remove_if = R"(remove_if($self, /, predicate)
--

Remove each item for which `predicate(key, value)` is true. Return the number of removed items.

    sessions.remove_if(lambda key, session: session.has_expired())

Each item is removed in a step of its own, and only with the value that `predicate` has seen: if
another thread changes the value in the meantime, `predicate` is called again. The items are
found as by iteration, which is weak. If something raises, the items that were removed before
stay removed. Each removal waits while an exact operation reads all keys.)";

// ── reducing many inputs ───────────────────────────────────────────────────────────────────────

inline constexpr const char* reduce = R"(reduce($self, /, pairs, fn)
--

Aggregate (key, value) pairs: each pair sets the value of its key to `fn(key, current, value)`.

    def add(key, current, value):
        return value if current is NOT_FOUND else current + value
    d.reduce([("a", 1), ("b", 2), ("a", 3)], add)  # adds 4 to d["a"], and 2 to d["b"]

`current` is NOT_FOUND for the first value of a key. Many threads may aggregate into one dict.
The values of one key are combined with each other before they are combined with the value in
the dict. So `fn` has to be associative and commutative, may be called more often than there are
pairs, and should have no side effects. The memory that is needed does not depend on the number
of pairs.

Each pair counts once, even if something raises. Then everything that was taken from `pairs` is
in the dict, except the (key, value) pairs in the attribute `not_reduced` of the exception, if it
has one. These are the pair for which `fn` raised, or aggregates of several pairs.
Each aggregate is stored in a linearizable step. Lock-free apart from what `fn` does, except that
it waits while an exact operation reads all keys.)";

inline constexpr const char* reduce_sum = R"(reduce_sum($self, /, pairs)
--

`reduce` with `current + value`. Ints of up to 64 bits are added without Python code.

    d.reduce_sum([("a", 1), ("b", 2), ("a", 3)])  # adds 4 to d["a"], and 2 to d["b"])";

inline constexpr const char* reduce_and = R"(reduce_and($self, /, pairs)
--

`reduce` with `current and bool(value)`. The first value of a key counts as `bool(value)`.)";

inline constexpr const char* reduce_or = R"(reduce_or($self, /, pairs)
--

`reduce` with `current or bool(value)`. The first value of a key counts as `bool(value)`.)";

inline constexpr const char* reduce_max = R"(reduce_max($self, /, pairs)
--

`reduce` with `max(value, current)`.)";

inline constexpr const char* reduce_min = R"(reduce_min($self, /, pairs)
--

`reduce` with `min(value, current)`.)";

inline constexpr const char* reduce_list = R"(reduce_list($self, /, pairs)
--

`reduce` to lists of all values. A value that is a list counts as its items.

    d.reduce_list([("a", 1), ("a", [2, 3])])  # d["a"] is [1, 2, 3] if "a" was absent

The values of one call keep their order. There is no order between the values of several calls.
The lists in the dict are never changed: a longer list replaces them.)";

inline constexpr const char* reduce_count = R"(reduce_count($self, /, keys_or_mapping)
--

Count the keys of an iterable, or add the counts that a mapping has for its keys.

    d.reduce_count(["a", "b", "a"])  # adds 2 to d["a"], and 1 to d["b"]

It works like collections.Counter.update, from many threads at once. See `reduce`.)";

// ── many keys ──────────────────────────────────────────────────────────────────────────────────

inline constexpr const char* batch_getitem = R"(batch_getitem($self, /, batch, chunk_size=128)
--

Set each value of the dict `batch` to the value of the same key in this dict. Return `batch`.

    found = d.batch_getitem(dict.fromkeys(["a", "b"]))
    found["a"]  # the value, or NOT_FOUND if d has no such key

It is faster than a loop of lookups: `chunk_size` lookups (at most 1024) wait for memory at the
same time. Each lookup is linearizable by itself, lock-free, and never waits for writers. If the
`__eq__` of a key raises, the earlier chunks are filled in. TypeError if `batch` is not a dict,
ValueError if `chunk_size` is less than 1.)";

inline constexpr const char* popitem = R"(popitem($self, /)
--

Remove any key. Return it and its value as a tuple.

Each item goes to one thread only. KeyError if the dict was empty at one instant. Linearizable.
While there are items, it is lock-free, except that it waits while an exact operation reads all
keys.)";

inline constexpr const char* clear = R"(clear($self, /)
--

Remove all keys, in one step.

Linearizable. Lock-free, except that it waits while an exact operation reads all keys. It needs
no memory. The content is freed before it returns, or soon afterwards if other threads are
executing an operation.)";

inline constexpr const char* copy = R"(copy($self, /)
--

Return a new AtomicDict with the content of this dict at one instant. See `snapshot`.)";

inline constexpr const char* snapshot = R"(snapshot($self, /)
--

Return a plain dict with the content of this dict at one instant.

Use it to get a plain dict next to writers. `dict(d)`, `{**d}` and `f(**d)` read the keys first
and then each value: their result is not of one instant, and they raise KeyError if a key is
deleted in the meantime.

Linearizable. Writers and other exact operations wait while the items are read, about 0.1
microseconds for each item. Readers do not wait. The garbage collector, a fork and Ctrl-C wait for
some milliseconds at most, or as long as a builtin dict takes to grow.)";

inline constexpr const char* update = R"(update($self, other=(), /, **keywords)
--

Set the items of a mapping, of an iterable of (key, value) pairs, and of the keyword arguments.

Each key is set in a linearizable step of its own, which is lock-free, except that it waits while
an exact operation reads all keys. If something raises, the keys that were set before stay set.
If `other` is an AtomicDict, its items are those of one instant.)";

inline constexpr const char* fromkeys = R"(fromkeys($type, /, iterable, value=None)
--

Return a new dict with the keys from `iterable`, all with the same `value`.)";

inline constexpr const char* approx_len = R"(approx_len($self, /)
--

Return about how many keys there are. The result is exact while no thread inserts or deletes.

Weak: insertions and deletions that happen at the same time are counted or not. It never waits.
Its cost does not depend on how many threads have used the dict.)";

inline constexpr const char* len_bounds = R"(len_bounds($self, /)
--

Return (len(self), len(self)). It exists for programs that were written for cereggii 1.x.)";

inline constexpr const char* reserve = R"(reserve($self, /, n)
--

Make room for `n` keys in all, until the dict is cleared.

ValueError if `n` is negative. MemoryError if there is not enough memory.)";

inline constexpr const char* fast_iter = R"(fast_iter($self, /, partitions=1, this_partition=0)
--

Iterate over the (key, value) pairs of one part of the dict.

    for key, value in d.fast_iter(partitions=4, this_partition=i):  # in thread number i of 4
        ...

There are `partitions` parts with the numbers 0 <= this_partition < partitions. They are
disjoint, and together they are the whole dict. ValueError if the part does not exist.

Weak, as all iteration is: it never raises, never blocks and never repeats a key. A key that is
present throughout is seen exactly once. Each thread has an order of its own, and starts at
another place of the part. So threads that iterate over the same part do not keep meeting at the
same keys.)";

inline constexpr const char* get_handle = R"(get_handle($self, /)
--

Return a new AtomicDictHandle of this dict, for use by the calling thread.

    handle = d.get_handle()  # one for each thread
    handle["key"] = "value")";

inline constexpr const char* size_in_bytes = R"(__sizeof__($self, /)
--

Return the memory of the dict in bytes, without the memory of its keys and values.)";

}  // namespace cereggii::atomicdict::docs
