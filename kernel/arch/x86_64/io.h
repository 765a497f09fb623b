// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Ports and memory-mapped registers: the accesses that drivers need from the
// machine. MMIO goes through volatile loads and stores of the natural width.

#include "kernel/base/types.h"

static inline u8
port_in8(u16 port)
{
	u8 v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u16
port_in16(u16 port)
{
	u16 v;
	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32
port_in32(u16 port)
{
	u32 v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void
port_out8(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void
port_out16(u16 port, u16 v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void
port_out32(u16 port, u32 v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

// A full barrier, also against the compiler.
static inline void
memory_barrier(void)
{
	__asm__ volatile("mfence" : : : "memory");
}

// Keeps the compiler from moving accesses across; x86 keeps stores in order.
static inline void
compiler_barrier(void)
{
	__asm__ volatile("" : : : "memory");
}
