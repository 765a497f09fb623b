// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Accesses to memory-mapped device registers, of their natural width, in
// program order (the window is mapped uncached; volatile keeps the compiler
// from merging or moving them).

#include "kernel/base/types.h"

static inline u8
mmio_read8(const void *at)
{
	return *(const volatile u8 *)at;
}

static inline u16
mmio_read16(const void *at)
{
	return *(const volatile u16 *)at;
}

static inline u32
mmio_read32(const void *at)
{
	return *(const volatile u32 *)at;
}

static inline void
mmio_write8(void *at, u8 v)
{
	*(volatile u8 *)at = v;
}

static inline void
mmio_write16(void *at, u16 v)
{
	*(volatile u16 *)at = v;
}

static inline void
mmio_write32(void *at, u32 v)
{
	*(volatile u32 *)at = v;
}

// Two 32-bit halves, as virtio 1.x (section 4.1.3.1) asks for 64-bit fields.
static inline void
mmio_write64(void *at, u64 v)
{
	mmio_write32(at, (u32)v);
	mmio_write32((u8 *)at + 4, (u32)(v >> 32));
}
