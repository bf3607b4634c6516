// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <new>

namespace cereggii::atomics {

// A static object that is made without an allocation, so that cannot fail, and never destroyed:
// daemon threads use what they are waiting for after static destructors have run.
//
//     static NeverDestroyed<Object> object;      in a function: made when it is called first
template <class Object>
class NeverDestroyed {
public:
    NeverDestroyed() noexcept(noexcept(Object())) { ::new (static_cast<void*>(memory_)) Object; }
    NeverDestroyed(const NeverDestroyed&) = delete;
    NeverDestroyed& operator=(const NeverDestroyed&) = delete;

    Object& get() noexcept { return *std::launder(reinterpret_cast<Object*>(memory_)); }

private:
    alignas(Object) std::byte memory_[sizeof(Object)];
};

}  // namespace cereggii::atomics
