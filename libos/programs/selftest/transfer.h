// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Between the tests of control transfer and their children: what a server is asked
// to do, in the first word of a message.

#include "libos/programs/selftest/selftest.h"

enum transfer_order {
	ORDER_ECHO,		// replies the message plus one, each word
	ORDER_WHO,		// replies badge and caller
	ORDER_EXIT,		// ends in the middle
	ORDER_FAULT,		// faults without a handler
	ORDER_BUSY,		// uses word 1 ns of processor time
	ORDER_HANG,		// until the test writes another `order`
	ORDER_SLEEP,		// tries to; replies the error
	ORDER_CALL,		// calls the entry in slot word 1 with word 2 as order and
				// word 3 as its word 1; replies result and its word 0
	ORDER_DOWN,		// calls the entry in its slot[0] likewise, with word 1 + 1 and
				// word 2 as the path; the last replies word 1
	ORDER_FLOAT,		// changes the FPU's registers; replies what was there
	ORDER_STORE,		// tells itself, by the word that it waits for
	ORDER_SEEN,		// replies the registers that it found, or-ed
};

#define FLOAT_MARK 0x5e12e5e12eull

// Registers as they came: rax rbx rcx rdx rsi rdi rbp r8 .. r15.
#define REGISTERS 15u
enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11 };

struct server {
	struct helper helper;
	u32 entry;		// slot
};

// Starts a child that serves, on a processor; ends it; gives it an order, by the path
// that is said, and waits for the reply as long as it takes.
void
server_start(struct server *s, u32 cpu);
void
server_end(struct server *s);
i64
server_order(const struct server *s, struct transfer *m, u32 path);

// Its door is open: it sleeps.
void
server_ready(const struct server *s);

// Gives another server the capability to call it. Returns the slot there.
u32
server_introduce(const struct server *s, const struct server *to);

// main() of a child that serves.
void
transfer_serve(volatile struct shared *page);
