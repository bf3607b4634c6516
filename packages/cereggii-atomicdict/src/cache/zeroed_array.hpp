// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace cereggii::atomicdict::cache {

// An array that is filled with zeros. The system provides the memory of a large one when it is used
// first. So an array that is larger than needed costs little.
template <class T>
class ZeroedArray {
public:
    // No memory, or too much: it is null.
    explicit ZeroedArray(std::size_t size) noexcept
        : memory_(size < SIZE_MAX / sizeof(T) ? std::calloc(size + 1, sizeof(T)) : nullptr) {
        // One more than needed, so that the first one can be aligned.
        const auto address = reinterpret_cast<std::uintptr_t>(memory_);
        array_ = reinterpret_cast<T*>((address + sizeof(T) - 1) / sizeof(T) * sizeof(T));
    }
    ~ZeroedArray() { std::free(memory_); }
    ZeroedArray(const ZeroedArray&) = delete;
    ZeroedArray& operator=(const ZeroedArray&) = delete;

    explicit operator bool() const noexcept { return memory_ != nullptr; }
    T& operator[](std::size_t index) const noexcept { return array_[index]; }

private:
    static_assert((sizeof(T) & (sizeof(T) - 1)) == 0, "each element is aligned to its size");
    void* memory_;
    T* array_;
};

}  // namespace cereggii::atomicdict::cache
