// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// For the scenarios of the checker, in the place of the header with this name.
namespace cereggii::atomicdict {

inline void prefetch(const void*) noexcept {}
template <class Table>
void prefetch_supposed_home(const Table*, std::uint32_t, std::uint64_t) noexcept {}

template <class Node>
void prefetch_objects(const Node*) noexcept {}
struct GroupPrefetch {
    template <class Table>
    explicit GroupPrefetch(Table&) noexcept {}
    void at(std::uint64_t) noexcept {}
};

}  // namespace cereggii::atomicdict
