// SPDX-License-Identifier: BSD-2-Clause
// memcpy and its kin for the freestanding hosts: kernel and libOS.
//
// Plain C in 64-byte strides. Under QEMU's software emulation a loop of
// eight-byte moves beats `rep movs`, which re-enters the translated block for
// each element; on hardware both saturate the cache for the sizes that matter
// here (packets and pages). memcpy() lies within one page, because the emulator has to
// look for the block behind a branch that leaves one. Built with
// -fno-tree-loop-distribute-patterns, or GCC would turn these loops into calls to
// themselves.

#include "kernel/base/string.h"

typedef u64 word __attribute__((may_alias, aligned(1)));

aligned_(512) void *
memcpy(void *restrict target, const void *restrict source, size_t len)
{
	u8 *t = target;
	const u8 *s = source;

	for (; len >= 64; len -= 64, t += 64, s += 64) {
		word *tw = (word *)t;
		const word *sw = (const word *)s;

		for (int i = 0; i < 8; i += 4) {
			u64 a = sw[i], b = sw[i + 1];
			u64 c = sw[i + 2], d = sw[i + 3];

			tw[i] = a;
			tw[i + 1] = b;
			tw[i + 2] = c;
			tw[i + 3] = d;
		}
	}
	for (; len >= 8; len -= 8, t += 8, s += 8)
		*(word *)t = *(const word *)s;
	for (; len; len--)
		*t++ = *s++;
	return target;
}

void *
memmove(void *target, const void *source, size_t len)
{
	u8 *t = target;
	const u8 *s = source;

	if ((uintptr_t)t - (uintptr_t)s >= len)
		return memcpy(target, source, len);
	for (; len >= 8; len -= 8)
		*(word *)(t + len - 8) = *(const word *)(s + len - 8);
	while (len--)
		t[len] = s[len];
	return target;
}

void *
memset(void *target, int byte, size_t len)
{
	u8 *t = target;
	u64 pattern = (u8)byte * 0x0101010101010101ull;

	for (; len >= 32; len -= 32, t += 32) {
		word *tw = (word *)t;

		tw[0] = tw[1] = tw[2] = tw[3] = pattern;
	}
	for (; len >= 8; len -= 8, t += 8)
		*(word *)t = pattern;
	for (; len; len--)
		*t++ = (u8)byte;
	return target;
}

int
memcmp(const void *a, const void *b, size_t len)
{
	const u8 *x = a, *y = b;

	for (; len >= 8 && *(const word *)x == *(const word *)y; len -= 8)
		x += 8, y += 8;
	for (; len; len--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

size_t
strlen(const char *s)
{
	const char *end = s;

	while (*end)
		end++;
	return (size_t)(end - s);
}
