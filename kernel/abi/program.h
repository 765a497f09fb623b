// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Programs in the kernel, as an environment sees them: loading one, and what each
// type of program is given and asked. This header is for both sides: the programs
// themselves, compiled with `clang -target bpf`, include it too.
//
//	code_load()	copies the instructions; the capability is the program
//	code_verify()	walks a bounded piece at a time, then compiles it
//
// and then it can be named where its type is wanted. What it takes (its own
// instructions, the verifier's workspace, later its machine code) is frames of the
// quota of who loaded it. It goes with its capability, and what was bound with a
// derived one goes with that.

#include "kernel/abi/code.h"
#include "kernel/abi/syscalls.h"

#define KERNEL_PROGRAMS_MAX 64u

enum program_type {
	PROGRAM_PREDICATE,	// when to wake: wait_for()
	PROGRAM_HANDLER,	// what to do with a frame that comes: ring_handle()
	PROGRAM_OWNS_64,	// what metadata owns, by partitions of 64 bytes: volume_type()
	PROGRAM_OWNS_128,
	PROGRAM_OWNS_256,
	PROGRAM_OWNS_512,
	PROGRAM_INVOKE,		// what to do when a peer asks for it: FABRIC_HANDLE
	PROGRAM_TYPE_COUNT
};

struct program_spec {
	u64 text;		// address of `count` instructions
	u32 count;
	u32 type;		// enum program_type; contexts are below, and in volume.h
};

struct program_verdict {
	u32 reason;		// enum code_reason; CODE_FINE: accepted
	u32 insn;		// where, when it was refused
	u32 steps;		// at most, when it was accepted
	u32 compiled;		// bytes of machine code, when it was accepted
};

// A wakeup predicate. It is asked when its environment goes to sleep, when a word
// changes that the kernel writes, at each wake() for one of its words, and at the
// time that it asked for; otherwise it costs nothing. 0: sleep on. Anything else
// wakes, and is what wait_for() returns.
#define PREDICATE_STEPS_MAX 512u
#define PREDICATE_RESULT_MAX 0x7fffffffull

struct predicate_context {
	u64 now_ns;		// on the clock of sys_info
	u64 argument;		// of wait_for()
	u32 count;		// words that are watched
	u32 reserved;
	u32 word[WAIT_WORDS_MAX];	// as they are now
	u32 expected[WAIT_WORDS_MAX];	// of struct wait_word
};

// Asks to be asked again at that time, or a slice from now if that is later. The
// earliest of several counts. Returns 0.
#define PREDICATE_LOOK_AT 1

// A program on a fabric endpoint: runs when somebody of another node who holds a
// capability for that with WRITE asks (FABRIC_INVOKE), once for each time, whoever has
// the processor. What it returns, and `result`, is the answer.
#define INVOKE_STEPS_MAX 2048u
#define INVOKE_MESSAGE_SIZE 1024u
#define INVOKE_REGION_SIZE 4096u

struct invoke_context {
	const u8 *message;	// INVOKE_MESSAGE_SIZE bytes; behind `length` zeroes
	u8 *region;		// INVOKE_REGION_SIZE bytes of the endpoint's owner
	u64 length;
	u64 environment;	// of the sender, on its node
	u64 incarnation;	// of its node
	u64 result;		// may be written; 0
};

// A message handler on a packet ring: runs on each frame that the ring's filter
// takes, when it comes, whoever has the processor.
#define HANDLER_STEPS_MAX 2048u
#define HANDLER_REGION_SIZE 4096u
#define HANDLER_MESSAGE_SIZE 2048u
#define HANDLER_REPLY_MAX 96u

enum handler_result {
	HANDLER_PASS,		// the frame goes into the ring
	HANDLER_CONSUME,	// it has been dealt with; nobody is told
	HANDLER_RESULT_MAX = HANDLER_CONSUME
};

struct handler_context {
	u8 *message;		// the ring's buffer: HANDLER_MESSAGE_SIZE bytes
	u8 *region;		// HANDLER_REGION_SIZE bytes of the environment
	u64 length;		// of the frame
};

// Sends a frame of up to HANDLER_REPLY_MAX bytes, under the rules of the ring.
// Returns 1, or 0 when it may not be sent or there is no room.
#define HANDLER_SEND 1
