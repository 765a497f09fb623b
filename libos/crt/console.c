// SPDX-License-Identifier: BSD-2-Clause
// Console output and input over the console capability; and, beside it, the log that
// a parent may share (log.h).
//
// Reentrant: text is formatted on the caller's stack. The log is mapped at the first
// use, where its frames have their place; text of two that interrupt one another may
// overwrite itself there.

#include "libos/crt/console.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/fmt.h"
#include "libos/crt/clock.h"
#include "libos/crt/log.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

// The parent's log, mapped; NULL when it gave none.
static struct log *
shared_log(void)
{
	static struct log *mapped;
	const struct startup_cap *cap = startup_find(ROLE_LOG, 0);
	u64 va;

	if (!cap)
		return NULL;
	if (mapped)
		return mapped;
	va = (u64)direct_address(cap->base);
	if (!sys_page_map(CAP_SLOT_SELF, va, cap->slot, cap->base, LOG_PAGES,
			  PROT_READ | PROT_WRITE))
		mapped = (struct log *)va;
	return mapped;
}

void
program_ready(void)
{
	struct log *log = shared_log();

	if (log)
		__atomic_store_n(&log->ready, 1, __ATOMIC_RELEASE);
}

// Where the program has descriptors, its output is the first of them.
__attribute__((weak)) void
descriptor_put(const char *text, u32 len);

void
console_put(const char *text, u32 len)
{
	if (descriptor_put)
		descriptor_put(text, len);
	else
		console_put_raw(text, len);
}

void
console_put_raw(const char *text, u32 len)
{
	u32 slot = startup_slot(ROLE_CONSOLE);
	struct log *log = shared_log();

	if (log)
		log_write(log, text, len);
	while (len && slot != SLOT_NONE) {
		i64 taken = sys_console_write(slot, text, len);

		if (taken < 0)
			return;
		if (taken == 0)
			sys_yield(SLOT_NONE);
		text += taken;
		len -= (u32)taken;
	}
}

void
print(const char *format, ...)
{
	char text[PRINT_MAX];
	va_list args;

	va_start(args, format);
	size_t len = fmt_into_va(text, sizeof(text), format, args);
	va_end(args);
	console_put(text, (u32)MIN(len, sizeof(text) - 1));
}

u32
console_take(char *buffer, u32 size, u32 *typed)
{
	u32 slot = startup_slot(ROLE_CONSOLE);

	*typed = sys_info()->console_typed;
	if (slot == SLOT_NONE)
		return 0;
	i64 count = sys_console_read(slot, buffer, size);

	return count < 0 ? 0 : (u32)count;
}
