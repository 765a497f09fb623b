// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Ports and memory-mapped registers: the accesses that drivers need from the
// machine. MMIO goes through volatile loads and stores of the natural width.

#include "kernel/base/types.h"

// port_in8(), port_out8() and so on; `suffix` is the instruction's for that width.
#define PORT_PAIR(bits, suffix) \
	static inline u##bits port_in##bits(u16 port) \
	{ \
		u##bits v; \
		__asm__ volatile("in" suffix " %1, %0" : "=a"(v) : "Nd"(port)); \
		return v; \
	} \
	static inline void port_out##bits(u16 port, u##bits v) \
	{ \
		__asm__ volatile("out" suffix " %0, %1" : : "a"(v), "Nd"(port)); \
	}

PORT_PAIR(8, "b")
PORT_PAIR(16, "w")
PORT_PAIR(32, "l")
#undef PORT_PAIR
