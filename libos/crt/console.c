// SPDX-License-Identifier: BSD-2-Clause
// Console output and input over the console capability.
//
// Reentrant: text is formatted on the caller's stack.

#include "libos/crt/console.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/fmt.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"

void
console_put(const char *text, u32 len)
{
	u32 slot = startup_slot(ROLE_CONSOLE);

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
