// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "cache/policy.hpp"
#include "cache/timer_wheel.hpp"
#include "map/node.hpp"

// An entry of a cache: a node of its map, with more behind it.
//
// What the value word of the node means:
//
//     object            a stored value
//     computation | 2   a reservation: the value is being computed
//     link | 1          dead. The link is the next entry in the stack of removals, or 0.
//
// These have shares in an entry:
//
//     the tables    from the insertion on, until the entry has left them
//     the leader    the thread that computes the value, until it has ended
//     the lists     from the moment when the value is stored, until maintenance has seen both that
//                   it was stored and that it was removed. It is the leader's share until then.
//
// The thread that gives up the last share retires the entry (guard.hpp).
namespace cereggii::atomicdict::cache {

// Why an entry was removed.
enum class Cause : std::uint8_t { evicted, expired, invalidated, cleared, replaced, collected };

struct ListedNode : SharedNode {
    // Which events maintenance has seen. Under its lock.
    std::uint8_t events = 0;
    static constexpr std::uint8_t stored = 1;
    static constexpr std::uint8_t removed = 2;
    // Set by the thread that has chosen the entry to be removed, under the lock.
    Cause cause = Cause::evicted;
};

struct Entry : ListedNode, PolicyEntry {};

// An entry of a cache whose values expire.
struct TimedEntry : Entry, WheelEntry {};

#ifndef _MSC_VER  // it does not use the padding of a base
static_assert(sizeof(Entry) == 64);
static_assert(sizeof(TimedEntry) == 88);
#endif

}  // namespace cereggii::atomicdict::cache
