// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Encoding of the x86-64 instructions that the compiler uses (Intel SDM volume 2).
// Without a target the bytes are only counted.

#include "kernel/base/assert.h"
#include "kernel/base/types.h"

// Registers by their number in an encoding.
enum x86 {
	RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,
	R8, R9, R10, R11, R12, R13, R14, R15,
};

struct emit {
	u8 *target;		// or NULL
	size_t size;
	size_t len;
};

static inline void
emit_byte(struct emit *e, u32 byte)
{
	ASSERT(!e->target || e->len < e->size);
	if (e->target)
		e->target[e->len] = (u8)byte;
	e->len++;
}

// The low `bytes` bytes of a number, least significant first.
static inline void
emit_number(struct emit *e, u64 value, u32 bytes)
{
	for (u32 i = 0; i < bytes; i++)
		emit_byte(e, (u8)(value >> 8 * i));
}

// Opcode: one byte, or two when the first, in the upper half, is 0x0f.
static inline void
emit_opcode(struct emit *e, u32 opcode)
{
	if (opcode >> 8)
		emit_byte(e, opcode >> 8);
	emit_byte(e, opcode);
}

// REX, always: it also makes sil, dil and bpl of what were ah to bh.
static inline void
emit_rex(struct emit *e, bool wide, u32 reg, u32 rm)
{
	emit_byte(e, 0x40u | (u32)wide << 3 | reg >> 3 << 2 | rm >> 3);
}

// An operation on two registers; `reg` may be the opcode's extension.
static inline void
emit_registers(struct emit *e, bool wide, u32 opcode, u32 reg, u32 rm)
{
	emit_rex(e, wide, reg, rm);
	emit_opcode(e, opcode);
	emit_byte(e, 0xc0u | (reg & 7) << 3 | (rm & 7));
}

// One on a register and memory at a register plus a displacement. No base here is
// rsp or r12, which would need another byte.
static inline void
emit_memory(struct emit *e, bool wide, u32 opcode, u32 reg, u32 base, i32 offset)
{
	ASSERT((base & 7) != RSP);
	emit_rex(e, wide, reg, base);
	emit_opcode(e, opcode);
	emit_byte(e, 0x80u | (reg & 7) << 3 | (base & 7));
	emit_number(e, (u32)offset, 4);
}

static inline void
emit_move(struct emit *e, bool wide, u32 to, u32 from)
{
	emit_registers(e, wide, 0x89, from, to);
}

// A short jump forward, to wherever emit_land() is called for it. JMP is 0xeb.
static inline size_t
emit_hop(struct emit *e, u32 opcode)
{
	emit_byte(e, opcode);
	emit_byte(e, 0);
	return e->len;
}

static inline void
emit_land(struct emit *e, size_t hop)
{
	ASSERT(e->len - hop < 128);
	if (e->target)
		e->target[hop - 1] = (u8)(e->len - hop);
}
