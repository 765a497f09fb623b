// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Between the tests of links and their child: what it does with its end, in `order`.
// Before, `slot` and `base` have its half and the test's, and `value` the test's id.

#include "libos/programs/selftest/selftest.h"

#define LINK_PAGES 1u		// of bytes, each way

enum link_order {
	LINK_ECHO = 1,		// sends back what comes, until the end, and says so
	LINK_MAP,		// tries to map the test's half to write: result in `value`
	LINK_STORE,		// tries to store there: vector of the fault
	LINK_LIE,		// says that it sent more than there can be
	LINK_READ,		// receives for ever: vector of the fault
	LINK_IDLE,
};

// main() of the child.
void
link_child(volatile struct shared *shared);
