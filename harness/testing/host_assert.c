// SPDX-License-Identifier: BSD-2-Clause
// assert_failed() for host tests, fuzzers and programs: prints the broken promise and
// aborts, so that sanitizers show a backtrace. Tests name this file on their
// `// links:` line.

#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/assert.h"

void
assert_failed(const char *expression, const char *file, int line)
{
	fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expression);
	abort();
}
