// SPDX-License-Identifier: BSD-2-Clause
// What a broken promise does in the programs of this folder: it is named on
// standard error, and the process aborts, so that a run fails loudly. (Tests
// link harness/testing/host_assert.c instead.)

#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/assert.h"

void
assert_failed(const char *expression, const char *file, int line)
{
	fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, expression);
	abort();
}
