// SPDX-License-Identifier: Apache-2.0
#pragma once

// The docstrings of AtomicCache.
namespace cereggii::atomicdict::cache::docs {

inline constexpr const char* atomic_cache =
    "A cache that computes missing values, once for each key.";

inline constexpr const char* get =
    "get($self, /, key, default=None)\n--\n\n"
    "The value of the key, or `default`. Computes nothing, and never blocks. It is a use of the value.";

inline constexpr const char* peek =
    "peek($self, /, key, default=None)\n--\n\n"
    "As `get`, but it is not a use of the value, and is not counted.";

inline constexpr const char* get_or_fill =
    "get_or_fill($self, /, key, fill=None, timeout=None)\n--\n\n"
    "The value of the key. If there is none, `fill(key)` computes it, once for all that ask.";

inline constexpr const char* invalidate =
    "invalidate($self, key, /)\n--\n\n"
    "Remove the value of the key. True if there was one. Waits for nothing.";

inline constexpr const char* clear =
    "clear($self, /)\n--\n\n"
    "Remove all values. What is being computed is not stored any more.";

inline constexpr const char* snapshot = "snapshot($self, /)\n--\n\nA dict of the values. Weak.";

inline constexpr const char* sweep =
    "sweep($self, /)\n--\n\nRemove the values that have expired, and return how many there were.";

inline constexpr const char* memoized_function =
    "A function whose results are cached by its arguments. See `AtomicCache.memoize`.";

inline constexpr const char* invalidate_call =
    "invalidate($self, /, *args, **kwargs)\n--\n\n"
    "Forget the result for these arguments. True if there was one. Waits for nothing.";

inline constexpr const char* clear_results =
    "cache_clear($self, /)\n--\n\nForget all results, and the statistics.";

inline constexpr const char* cache_info =
    "cache_info($self, /)\n--\n\n"
    "`CacheInfo(hits, misses, maxsize, currsize)`, as that of functools.lru_cache.";

inline constexpr const char* cache_parameters =
    "cache_parameters($self, /)\n--\n\n"
    "A dict with `maxsize` and `typed`, as that of functools.lru_cache.";

}  // namespace cereggii::atomicdict::cache::docs
