// SPDX-License-Identifier: BSD-2-Clause
// Entries: entry.S runs first, on the stack below, and calls the handler.

#include "libos/message/entry.h"
#include "libos/crt/clock.h"

static u8 entry_stack[ENTRY_STACK_SIZE] aligned_(16);

entry_handler *entry_current;		// entry.S

extern const u8 entry_begin[];

STATIC_ASSERT(sizeof(struct transfer) == 32);
STATIC_ASSERT(CALL_FAST == 0x80000000u);		// entry.S

i64
entry_serve(entry_handler *handler, const struct wait_set *set)
{
	entry_current = handler;
	return sys_entry_wait(set->word, set->count, set->deadline_ns,
			      (u64)entry_begin,
			      (u64)entry_stack + sizeof(entry_stack));
}

i64
entry_call(u32 entry, u64 deadline_ns, struct transfer *message)
{
	struct transfer again = *message;
	i64 result;

	while ((result = sys_entry_call(entry, deadline_ns, message, CALL_FAST)) ==
	       -E_BUSY) {
		if (deadline_ns != NEVER && now_ns() >= deadline_ns)
			return -E_TIMEOUT;
		sys_yield(SLOT_NONE);
		*message = again;
	}
	return result;
}
