// SPDX-License-Identifier: BSD-2-Clause
// A broken promise in a program: it says which and ends itself. The kernel and
// the other environments go on.

#include "kernel/base/assert.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"

void
assert_failed(const char *expression, const char *file, int line)
{
	static bool failed;

	// A second failure comes from the report of the first.
	if (!failed) {
		failed = true;
		print("%s: assertion '%s' failed at %s:%d\n", program_name(),
		      expression, file, line);
	}
	sys_env_exit(STATUS_ASSERTION);
}
