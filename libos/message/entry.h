// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Serving protected control transfers (kernel/abi/transfer.h): a handler in C, on a
// stack of its own, one call at a time.
//
//	static void
//	add(u64 badge, u32 caller, struct transfer *message)
//	{
//		message->word[0] += message->word[1];
//	}
//
//	for (;;) {
//		wait_begin(&set);
//		...				// what else there is to wait for
//		entry_serve(add, &set);
//	}
//
// The handler runs in its callers' time, between two instructions of nobody: the
// program itself sleeps meanwhile. It may make system calls and fault, but not sleep.
// What it does not do in one go it leaves in memory, changes a word that the program
// waits for, and replies.

#include "libos/crt/syscall.h"
#include "libos/io/wait.h"

#define ENTRY_STACK_SIZE 8192u

// Serves a call. `badge` is what the caller's capability says, `caller` the id of its
// environment; *message comes with the call and goes with the reply.
typedef void entry_handler(u64 badge, u32 caller, struct transfer *message);

// Whom entry_begin calls: entry_serve() sets it.
extern entry_handler *entry_current;

// Sleeps as wait_sleep() does, and serves meanwhile. Returns what it returns.
i64
entry_serve(entry_handler *handler, const struct wait_set *set);

// Calls an entry, and again while it is busy with something else: the rest of the
// slice goes to others between two attempts. Returns what sys_entry_call() does, but
// -E_TIMEOUT instead of -E_BUSY.
must_check i64
entry_call(u32 entry, u64 deadline_ns, struct transfer *message);
