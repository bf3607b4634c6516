// SPDX-License-Identifier: Apache-2.0
#include "cache/atomic_cache.hpp"

#include <array>
#include <utility>

#include "cache/cache.hpp"
#include "cache/docs.hpp"
#include "cache/filling.hpp"
#include "cache/limits.hpp"
#include "cereggii/atomics/python/arguments.hpp"
#include "cereggii/atomics/python/binding.hpp"
#include "map/scan.hpp"
#include "python/key_methods.hpp"
#include "python/sentinels.hpp"

// The type AtomicCache.
namespace cereggii::atomicdict {

namespace {

using cache::Cache;
using cache::Event;
using cache::Limits;
using cache::Nanoseconds;
using cache::to_maxsize;
using cache::to_nanoseconds;

struct AtomicCache {
    static constexpr const char* name = "AtomicCache";
    using Sharing = DeferredPolicy;
    using Value = AtomicCache;

    Cache cache;
    std::atomic<PyObject*> fill;  // owned; null: there is none
    std::atomic<bool> is_constructed{false};

    AtomicCache(const Limits& limits, PyObject* function)
        : cache(limits), fill(Py_XNewRef(function)) {
        is_constructed.store(cache.ok(), std::memory_order_release);
    }
    ~AtomicCache() {
        note_destruction(this);
        dismantle();
    }
    AtomicCache(const AtomicCache&) = delete;
    AtomicCache& operator=(const AtomicCache&) = delete;

    void dismantle() {
        cache.destroy();
        Py_XDECREF(fill.exchange(nullptr, std::memory_order_relaxed));
        free_leftovers();
    }
    std::size_t memory() noexcept { return DeferredPolicy::size_of_anything; }
    bool constructed() const noexcept { return is_constructed.load(std::memory_order_acquire); }
    Value* value() noexcept { return this; }
    int traverse(visitproc visit, void* arg) {
        Py_VISIT(fill.load(std::memory_order_relaxed));
        return cache.traverse(visit, arg);
    }
    // For tp_clear: nothing but garbage refers to the cache, so no thread is about to call `fill`.
    void clear() {
        if (constructed() && !cache.clear()) PyErr_Clear();
        Py_XDECREF(fill.exchange(nullptr, std::memory_order_relaxed));
    }
};

using Accessor = AtomicAccessor<AtomicCache>;

// ── construction ──────────────────────────────────────────────────────────────────────────────

int init(PyObject* self, PyObject* args, PyObject* keywords) {
    static const char* names[] = {"fill", "ttl", "maxsize", "immortal", nullptr};
    PyObject *fill = Py_None, *ttl = nullptr, *maxsize = nullptr, *immortal = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OOO$O:AtomicCache",
                                     const_cast<char**>(names), &fill, &ttl, &maxsize, &immortal))
        return -1;
    if (fill != Py_None && !PyCallable_Check(fill)) {
        PyErr_Format(PyExc_TypeError, "fill must be callable or None, not %R", fill);
        return -1;
    }
    Limits limits;
    Immortality immortality{};
    if (!to_nanoseconds(ttl, "ttl", limits.ttl, limits.expires) ||
        !to_maxsize(maxsize, limits.maxsize) || !to_immortality(immortal, immortality))
        return -1;
    PyObject* function = fill == Py_None ? nullptr : fill;
    if (!construct_once<AtomicCache>(self, limits, function)) return -1;
    if (!payload<AtomicCache>(self)->constructed()) {
        PyErr_NoMemory();
        return -1;
    }
    note_creation(self, immortality);
    if (immortality == Immortality::always) make_immortal(self);
    return 0;
}

// ── methods ────────────────────────────────────────────────────────────────────────────────────

Cache* cache_of(PyObject* self) {
    AtomicCache* atomic = Accessor::value(self);
    return atomic ? &atomic->cache : nullptr;
}

PyObject* subscript(PyObject* self, PyObject* object) {
    AtomicCache* atomic = Accessor::value(self);
    Key key;
    if (!atomic || !check_key(object, key)) return nullptr;
    PyObject* value = nullptr;
    switch (atomic->cache.find<true>(key, value)) {
        case Found::present: cache::expire_once_in_a_while(atomic->cache); return value;
        case Found::error: return nullptr;
        case Found::absent: break;
    }
    PyObject* fill = atomic->fill.load(std::memory_order_relaxed);
    if (!fill) {
        PyErr_SetObject(PyExc_KeyError, object);
        return nullptr;
    }
    return cache::fill_in(
        atomic->cache, key, [&] { return PyObject_CallOneArg(fill, object); }, Deadline::never());
}

template <bool counts, MethodName method>
PyObject* get(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    static constexpr Signature<2> signature{method.text, {{{"key"}, {"default", false}}}};
    std::array<PyObject*, 2> given;
    if (!signature.parse(args, count, keywords, given)) return nullptr;
    Cache* cache = cache_of(self);
    Key key;
    if (!cache || !check_key(given[0], key)) return nullptr;
    PyObject* value = nullptr;
    switch (cache->find<counts>(key, value)) {
        case Found::present: return value;
        case Found::error: return nullptr;
        case Found::absent: break;
    }
    return Py_NewRef(given[1] ? given[1] : Py_None);
}

int contains(PyObject* self, PyObject* object) {
    Cache* cache = cache_of(self);
    Key key;
    if (!cache || !check_key(object, key)) return -1;
    PyObject* value = nullptr;
    const Found found = cache->find<false>(key, value);
    Py_XDECREF(value);
    return found == Found::error ? -1 : found == Found::present;
}

PyObject* get_or_fill(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    static constexpr Signature<3> signature{"get_or_fill",
                                            {{{"key"}, {"fill", false}, {"timeout", false}}}};
    std::array<PyObject*, 3> given;
    if (!signature.parse(args, count, keywords, given)) return nullptr;
    const auto deadline = Deadline::parse(given[2]);
    if (!deadline) return nullptr;
    AtomicCache* atomic = Accessor::value(self);
    Key key;
    if (!atomic || !check_key(given[0], key)) return nullptr;
    PyObject* fill =
        given[1] && given[1] != Py_None ? given[1] : atomic->fill.load(std::memory_order_relaxed);
    if (!fill || !PyCallable_Check(fill)) {
        PyErr_Format(PyExc_TypeError, "fill must be callable, not %R", fill ? fill : Py_None);
        return nullptr;
    }
    PyObject* value = nullptr;
    switch (atomic->cache.find<true>(key, value)) {
        case Found::present: cache::expire_once_in_a_while(atomic->cache); return value;
        case Found::error: return nullptr;
        case Found::absent: break;
    }
    return cache::fill_in(
        atomic->cache, key, [&] { return PyObject_CallOneArg(fill, given[0]); }, *deadline);
}

PyObject* invalidate(PyObject* self, PyObject* object) {
    Cache* cache = cache_of(self);
    Key key;
    if (!cache || !check_key(object, key)) return nullptr;
    const int had_value = cache->invalidate(key);
    return had_value < 0 ? nullptr : PyBool_FromLong(had_value);
}

PyObject* clear(PyObject* self, PyObject*) {
    Cache* cache = cache_of(self);
    if (!cache || !cache->clear()) return nullptr;
    Py_RETURN_NONE;
}

Py_ssize_t length(PyObject* self) {
    Cache* cache = cache_of(self);
    return cache ? static_cast<Py_ssize_t>(cache->size()) : -1;
}

// Calls `visit(key, value)` for the values that have not expired. False with an exception.
template <class Visit>
bool for_each_value(Cache& cache, const Visit& visit) {
    // What a scan still holds when it is left half-way.
    class LeftOver {
    public:
        explicit LeftOver(Scan& scan) noexcept : scan_(scan) {}
        ~LeftOver() noexcept(false) {
            for (const Scan::Item& item : scan_.take_all()) Scan::release(item);
        }
        LeftOver(const LeftOver&) = delete;
        LeftOver& operator=(const LeftOver&) = delete;

    private:
        Scan& scan_;
    };
    Scan scan(Part(), Scan::Start::first);
    const LeftOver left_over(scan);
    Pace pace;
    for (;;) {
        if (!pace.rest_for_signals()) return false;
        Scan::Item item;
        const Scan::Result result = scan.next(cache.map(), false, item);
        if (result == Scan::Result::end) return true;
        if (result == Scan::Result::error) return false;
        const nb::object owned_key = nb::steal(item.key);
        Py_XDECREF(item.value);
        Key key;
        PyObject* value = nullptr;
        if (!make_key(owned_key.ptr(), key)) return false;
        const Found found = cache.find<false>(key, value);
        const nb::object owned_value = nb::steal(value);
        if (found == Found::error) return false;
        if (found == Found::present && !visit(owned_key.ptr(), value)) return false;
    }
}

PyObject* snapshot(PyObject* self, PyObject*) {
    Cache* cache = cache_of(self);
    if (!cache) return nullptr;
    PyObject* dict = PyDict_New();
    const bool ok = dict && for_each_value(*cache, [dict](PyObject* key, PyObject* value) {
                        return PyDict_SetItem(dict, key, value) == 0;
                    });
    if (!ok) Py_CLEAR(dict);
    return dict;
}

PyObject* sweep(PyObject* self, PyObject*) {
    Cache* cache = cache_of(self);
    if (!cache) return nullptr;
    const auto expirations = [cache] {
        return cache->statistics().sums()[static_cast<std::size_t>(Event::expirations)];
    };
    const std::uint64_t before = expirations();
    Pace pace;
    do {
        cache->maintain(cache::MaintenanceWork::sweep);
        if (!pace.rest_for_signals()) return nullptr;
    } while (cache->is_due());
    return PyLong_FromUnsignedLongLong(expirations() - before);
}

PyObject* counts(PyObject* self, PyObject*) {
    Cache* cache = cache_of(self);
    if (!cache) return nullptr;
    static const char* names[] = {"hits",     "misses",    "waits",       "fills",
                                  "failures", "evictions", "expirations", "invalidations"};
    static_assert(std::size(names) == cache::event_count);
    const cache::Statistics::Counts sums = cache->statistics().sums();
    PyObject* dict = PyDict_New();
    for (std::size_t i = 0; dict && i < cache::event_count; ++i) {
        PyObject* number = PyLong_FromUnsignedLongLong(sums[i]);
        if (!number || PyDict_SetItemString(dict, names[i], number) < 0) Py_CLEAR(dict);
        Py_XDECREF(number);
    }
    return dict;
}

PyObject* size_in_bytes(PyObject* self, PyObject*) {
    Cache* cache = cache_of(self);
    return cache ? PyLong_FromSize_t(cache->memory() + instance_size<AtomicCache>) : nullptr;
}

PyMethodDef methods[] = {
    fast_method("get", &get<true, "get">, cache::docs::get),
    fast_method("peek", &get<false, "peek">, cache::docs::peek),
    fast_method("get_or_fill", &get_or_fill, cache::docs::get_or_fill),
    one_argument_method("invalidate", &invalidate, cache::docs::invalidate),
    plain_method("clear", &clear, cache::docs::clear),
    plain_method("snapshot", &snapshot, cache::docs::snapshot),
    plain_method("sweep", &sweep, cache::docs::sweep),
    plain_method("_counts", &counts, nullptr),
    plain_method("__sizeof__", &size_in_bytes, nullptr),
    generic_alias_method(),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void bind_atomic_cache(nb::module_& module) {
    if (!cache::copy_function)
        cache::copy_function =
            nb::object(nb::module_::import_("copy").attr("copy")).release().ptr();
    static const PyType_Slot slots[] = {
        {Py_tp_init, slot(&init)},
        {Py_tp_methods, methods},
        {Py_tp_traverse, slot(&atomics::traverse<Accessor>)},
        {Py_tp_clear, slot(&atomics::clear<Accessor>)},
        {Py_mp_length, slot(&length)},
        {Py_mp_subscript, slot(&subscript)},
        {Py_sq_contains, slot(&contains)},
        {0, nullptr},
    };
    bind<AtomicCache>(module, "cereggii_atomicdict.AtomicCache", cache::docs::atomic_cache, slots,
                      Types<AtomicCache>::atomic, Py_TPFLAGS_MAPPING);
    module.def("_advance_cache_clock", [](double seconds) {
        cache::clock_offset.fetch_add(static_cast<Nanoseconds>(seconds * 1e9),
                                      std::memory_order_relaxed);
    });
}

}  // namespace cereggii::atomicdict
