// SPDX-License-Identifier: BSD-2-Clause
// Bugs for the checked kernel to find: panic=WAY on its command line, as
// harness/broken/provoke.c has ways that the processor finds. Each must end in a report
// of kasan.c or ubsan.c that names it, or in what lock.h says of the order of locks.

#include "harness/broken/ways.h"
#include "harness/checked/checked.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/string.h"
#include "kernel/sys/env.h"

static u32 words[5];
static struct {
	u32 before;
	u32 array[3];
} pair;

// What the compiler must not know.
static u64
opaque(u64 v)
{
	__asm__ volatile("" : "+r"(v));
	return v;
}

static u32 *
opaque_words(u32 *at)
{
	__asm__ volatile("" : "+r"(at));
	return at;
}

static void
global_overflow(void)
{
	opaque_words(words)[ARRAY_SIZE(words)] = 1;
}

static void
global_read(void)
{
	(void)*(volatile u32 *)(opaque_words(words) - 1);
}

static void
stack_overflow(void)
{
	u32 array[6];

	opaque_words(array)[opaque(6)] = 1;
}

static void
out_of_scope(void)
{
	u32 *left;

	{
		u32 inner[4];

		left = opaque_words(inner);
		left[0] = 1;
	}
	*(volatile u32 *)left = 2;	// cppcheck-suppress invalidLifetime
}

static void
free_frame(void)
{
	u64 frame = own_find(&frames, FRAME_ANY, 1);

	*(volatile u8 *)frame_memory(frame) = 1;
}

static void
copy_free_frame(void)
{
	u64 frame = own_find(&frames, FRAME_ANY, 1);

	memcpy(words, frame_memory(frame), sizeof(words));
}

static void
free_entry(void)
{
	(void)*(volatile u64 *)&caps.pool[caps.free].base;
}

static void
user_address(void)
{
	(void)*(volatile u8 *)opaque(envs[0].context.rip);
}

static void
long_copy(void)
{
	memset(words, 0, opaque(sizeof(words) + 1));
}

static void
add(void)
{
	i32 v = (i32)opaque(0x7fffffff);

	v++;
	opaque((u64)v);
}

static void
shift(void)
{
	opaque(1u << opaque(32));
}

static void
index_beyond(void)
{
	opaque(pair.array[opaque(3)]);
}

static void
divide(void)
{
	opaque((u64)(i64)(i32)(1 / (i32)opaque(0)));
}

static void
misaligned(void)
{
	opaque(*(u32 *)(opaque((u64)words) + 1));
}

// Where locks are not checked, these two would wait for themselves.
static void
lock_twice(void)
{
	kernel_lock();
}

static void
lock_beside(void)
{
	kernel_unlock();
	this_cpu()->in_kernel = BESIDE;
	kernel_lock();
}

static void
change_unlocked(void)
{
	kernel_unlock();
	env_hint(0);
}

bool
ways_run(const char *way)
{
	static const struct way ways[] = {
		{ "global-overflow", global_overflow },
		{ "global-read", global_read },
		{ "stack-overflow", stack_overflow },
		{ "out-of-scope", out_of_scope },
		{ "free-frame", free_frame },
		{ "copy-free-frame", copy_free_frame },
		{ "free-entry", free_entry },
		{ "user-address", user_address },
		{ "long-copy", long_copy },
		{ "add", add },
		{ "shift", shift },
		{ "index", index_beyond },
		{ "divide", divide },
		{ "misaligned", misaligned },
		{ "lock-twice", lock_twice },
		{ "lock-beside", lock_beside },
		{ "change-unlocked", change_unlocked },
	};

	return ways_go(ways, ARRAY_SIZE(ways), way);
}
