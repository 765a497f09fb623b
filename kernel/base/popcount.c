// SPDX-License-Identifier: BSD-2-Clause
// What the compiler calls for __builtin_popcountll() where the processor is not
// known to have the instruction: libgcc's function by that name, since nothing
// here is linked with libgcc. Sums of neighbouring bits, pairs, nibbles (Warren,
// Hacker's Delight, section 5-1).

#include "kernel/base/types.h"

int
__popcountdi2(i64 value);

int
__popcountdi2(i64 value)
{
	u64 v = (u64)value;

	v -= v >> 1 & 0x5555555555555555ull;
	v = (v & 0x3333333333333333ull) + (v >> 2 & 0x3333333333333333ull);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (int)(v * 0x0101010101010101ull >> 56);
}
