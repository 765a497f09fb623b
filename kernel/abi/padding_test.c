// SPDX-License-Identifier: BSD-2-Clause
// What the kernel writes for programs has no holes between its fields, through which
// something that lay there before could be seen: the compiler says so here.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/base/types.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include "kernel/abi/caps.h"
#include "kernel/abi/fabric.h"
#include "kernel/abi/program.h"
#include "kernel/abi/queue.h"
#include "kernel/abi/revoke.h"
#include "kernel/abi/ring.h"
#include "kernel/abi/syscalls.h"
#include "kernel/abi/tables.h"
#include "kernel/abi/trace.h"
#include "kernel/abi/uarea.h"
#pragma GCC diagnostic pop

// Every field of what cap_inspect() answers with, added up.
static void
nothing_between(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct cap_info), 4 * sizeof(u32) + 2 * sizeof(u64));
	assert_int_equal(sizeof(struct frame_info), sizeof(u64));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
