// SPDX-License-Identifier: BSD-2-Clause
// Never gives the processor back of its own accord:
//
//	spin			an endless loop
//	spin CALL		the same with a system call in it: null, yield,
//				wait (for a time that has passed), timer (due at
//				once), map (a page and off again), fault (which
//				a handler steps over)
//	spin overrun		a loop that does not end with its slice, though it
//				asked to be told of the end
//	spin cling		the same, in a critical section

#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/text/text.h"

static u64 timers;

static void
on_timer(struct upcall_context *context)
{
	(void)context;
	timers++;
}

static void
at_end(struct upcall_context *context)
{
	(void)context;
	for (;;)
		;
}

// mov (%rdi), %al: two bytes, which the handler skips.
static inline void
probe(u64 va)
{
	__asm__ volatile(".byte 0x8a, 0x07" : : "D"(va) : "rax", "memory");
}

static bool
step_over(struct upcall_context *context)
{
	context->frame.rip += 2;
	return true;
}

static void
map_and_unmap(const struct frame_run *page)
{
	if (sys_page_map(CAP_SLOT_SELF, REGION_BASE, page->slot, page->frame, 1,
			 PROT_READ) == 0)
		*(volatile u64 *)REGION_BASE;
	if (sys_page_unmap(CAP_SLOT_SELF, REGION_BASE, 1))
		print("spin: a page did not go\n");
}

int
main(int argc, char **argv)
{
	const char *call = argc > 1 ? argv[1] : "nothing";
	struct frame_run page;

	timer_handler_set(on_timer);
	fault_handler_add(step_over);
	if (frames_take(1, &page))
		return 1;
	print("spin: looping for ever with %s\n", call);
	if (!strcmp(call, "overrun") || !strcmp(call, "cling"))
		slice_handlers_set(NULL, at_end);
	if (!strcmp(call, "cling"))
		upcall_hold();
	for (;;) {
		if (!strcmp(call, "null"))
			sys_null();
		else if (!strcmp(call, "yield"))
			sys_yield(SLOT_NONE);
		else if (!strcmp(call, "wait"))
			(void)syscall_raw(SYS_wait, 0, 0, 1, 0, 0, 0);
		else if (!strcmp(call, "timer"))
			sys_timer_set(1);
		else if (!strcmp(call, "map"))
			map_and_unmap(&page);
		else if (!strcmp(call, "fault"))
			probe(REGION_BASE + PAGE_SIZE);
	}
}
