// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// How a hostile program reports: silent about attempts that were refused as
// they must be, a line for each that was not, and one line at the end,
//
//	NAME: PASS 120 attempts		or		NAME: FAIL 2 of 120
//
// which the tests of harness/guest wait for. The number shows that the attempts
// were really made.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"

#define FAILURES_SHOWN 10u

struct verdict {
	u32 attempts;
	u32 failures;
};

static struct verdict verdict;

// Counts a failure; says whether it should be shown.
static inline bool
failed(void)
{
	return verdict.failures++ < FAILURES_SHOWN;
}

// An attempt that must be answered with one error, and was answered so.
static inline bool
refused(const char *what, i64 result, enum abi_error expected)
{
	verdict.attempts++;
	if (result == -(i64)expected)
		return true;
	if (failed())
		print("%s: %s: answered %ld (%s), not '%s'\n", program_name(),
		      what, result, result < 0 ? error_text(result) : "accepted",
		      error_text(expected));
	return false;
}

// An attempt that must be answered with some error.
static inline bool
denied(const char *what, i64 result)
{
	verdict.attempts++;
	if (result < 0)
		return true;
	if (failed())
		print("%s: %s: accepted (%ld)\n", program_name(), what, result);
	return false;
}

// Anything else that must hold.
static inline bool
holds(const char *what, bool value)
{
	verdict.attempts++;
	if (!value && failed())
		print("%s: does not hold: %s\n", program_name(), what);
	return value;
}

// A step that the attack needs. Without it there is no verdict but FAIL.
static inline i64
need(const char *what, i64 result)
{
	if (result >= 0)
		return result;
	print("%s: FAIL, cannot %s: %s\n", program_name(), what,
	      error_text(result));
	sys_env_exit(STATUS_FAILED);
}

// The last line and the exit status.
static inline int
verdict_end(void)
{
	if (verdict.failures)
		print("%s: FAIL %u of %u\n", program_name(), verdict.failures,
		      verdict.attempts);
	else
		print("%s: PASS %u attempts\n", program_name(),
		      verdict.attempts);
	return verdict.failures ? STATUS_FAILED : STATUS_OK;
}
