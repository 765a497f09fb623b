// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Code that an environment hands to the kernel: eBPF instructions (RFC 9669),
// verified when they are loaded. What is accepted, and how a refusal is told.
//
// Accepted: the conformance groups base32, base64, divmul32 and divmul64, which
// is what `clang -target bpf -mcpu=v3` makes, and the signed and sign-extending
// forms of cpu v4. Refused, each with its own sentence (code_refusals.def): atomic
// operations, the packet instructions of old, maps, and calls of functions of the
// program's own (inline them).

#include "kernel/base/types.h"

struct code_insn {
	u8 opcode;
	u8 registers;		// low 4 bits: destination; high 4 bits: source
	i16 offset;
	i32 immediate;
};

STATIC_ASSERT(sizeof(struct code_insn) == 8);

#define CODE_INSNS_MAX 2048u
#define CODE_STACK_SIZE 256u	// bytes below r10
#define CODE_REGISTERS 11u

// The low three bits of an opcode, its class.
enum code_class {
	CODE_LD,
	CODE_LDX,
	CODE_ST,
	CODE_STX,
	CODE_ALU,		// 32 bits, the upper half becomes zero
	CODE_JMP,
	CODE_JMP32,
	CODE_ALU64,
};

#define CODE_SOURCE 0x08u	// operand: the source register, else the immediate
#define CODE_WIDE 0x18u		// LD: a 64-bit immediate, in two instructions

// ALU and ALU64, opcode >> 4.
enum code_alu {
	CODE_ADD,
	CODE_SUB,
	CODE_MUL,
	CODE_DIV,
	CODE_OR,
	CODE_AND,
	CODE_LSH,
	CODE_RSH,
	CODE_NEG,
	CODE_MOD,
	CODE_XOR,
	CODE_MOV,
	CODE_ARSH,
	CODE_END,
	CODE_ALU_COUNT
};

// JMP and JMP32, opcode >> 4.
enum code_jump {
	CODE_JA,
	CODE_JEQ,
	CODE_JGT,
	CODE_JGE,
	CODE_JSET,
	CODE_JNE,
	CODE_JSGT,
	CODE_JSGE,
	CODE_CALL,
	CODE_EXIT,
	CODE_JLT,
	CODE_JLE,
	CODE_JSLT,
	CODE_JSLE,
	CODE_JUMP_COUNT
};

// LD to STX: the size in bits 3 and 4, the mode in bits 5 to 7.
#define CODE_SIZE_MASK 0x18u
#define CODE_MODE_MASK 0xe0u
#define CODE_MODE_MEM 0x60u
#define CODE_MODE_MEMSX 0x80u	// LDX: the sign is extended
#define CODE_MODE_ATOMIC 0xc0u	// STX: refused

// Why a program was refused, and where.
enum code_reason {
#define X(name, sentence) name,
#include "kernel/abi/code_refusals.def"
#undef X
	CODE_REASON_COUNT
};

struct code_refusal {
	u32 reason;		// enum code_reason
	u32 insn;		// number of the instruction, from 0
};
