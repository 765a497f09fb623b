// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Fixed-width types and the handful of macros that every room uses.
//
// This is the ground under the whole house: kernel, libOS, sans-IO cores and
// host tools all include it, and it includes only the compiler's own
// freestanding headers. Nothing here has state.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;

#define STATIC_ASSERT(condition) _Static_assert(condition, #condition)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(pointer, type, field) \
	((type *)((char *)(pointer) - offsetof(type, field)))

// The lesser of what takes work to find: MIN() would find the one that it takes twice.
static inline u64
min_u64(u64 a, u64 b)
{
	return MIN(a, b);
}

// `align` must be a power of two.
#define ALIGN_DOWN(value, align) ((value) & ~((__typeof__(value))(align) - 1))
#define ALIGN_UP(value, align) ALIGN_DOWN((value) + (align) - 1, align)

#define must_check __attribute__((warn_unused_result))
#define noreturn_ __attribute__((noreturn))
#define packed_ __attribute__((packed))
#define aligned_(bytes) __attribute__((aligned(bytes)))
// Kernel data that does not change once boot is over: it is read-only from then on
// (kernel_map_seal()). Elsewhere this is nothing.
#ifdef DEOS_KERNEL
#define sealed_ __attribute__((section(".sealed")))
#else
#define sealed_
#endif
// What runs at every system call and fault of the usual kind lies together, in as few
// pages as it can: kernel.ld; rules.mk lists the files that have some of it.
#ifdef DEOS_KERNEL
#define hot_ __attribute__((hot))
#else
#define hot_
#endif
// A local that is written whole before it is read: it is not cleared first.
#define filled_ __attribute__((uninitialized))
#define printf_like(text, first) \
	__attribute__((__format__(__printf__, text, first)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_SECOND 1000000000ull

#define KIB 1024ull
#define MIB (1024ull * KIB)
