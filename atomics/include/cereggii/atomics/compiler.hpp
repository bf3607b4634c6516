// SPDX-License-Identifier: Apache-2.0
#pragma once

// Attributes of functions, which each compiler spells differently. They stand first in a
// declaration, before `static`, `explicit` and the return type:
//
//     CEREGGII_ALWAYS_INLINE   inlined into each caller, and `inline` for the linker as well
//     CEREGGII_NEVER_INLINE    never inlined, so that a caller keeps its state in registers
//     CEREGGII_COLD            seldom called: placed apart, and optimized for size
//
// Only speed depends on them. MSVC has no attribute for the last one.
#if defined(__GNUC__) || defined(__clang__)
#define CEREGGII_ALWAYS_INLINE [[gnu::always_inline]] inline
#define CEREGGII_NEVER_INLINE [[gnu::noinline]]
#define CEREGGII_COLD [[gnu::cold]]
#elif defined(_MSC_VER)
#define CEREGGII_ALWAYS_INLINE __forceinline
#define CEREGGII_NEVER_INLINE __declspec(noinline)
#define CEREGGII_COLD
#else
#define CEREGGII_ALWAYS_INLINE inline
#define CEREGGII_NEVER_INLINE
#define CEREGGII_COLD
#endif
