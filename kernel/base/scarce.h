// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Marks each place where the kernel may lack what it needs: a frame, a slot, an
// entry of a table. SCARCE(condition) is the condition. In the checked kernel
// (harness/checked) a test program can make any of these places fail once, so that
// every way out of every shortage is walked; a test compares the marks in the
// sources with those that have failed.

#include "kernel/base/types.h"

#ifdef DEOS_CHECKED
struct scarce_site {
	const char *file;
	int line;
	bool failed;
};

bool
scarce_fails(struct scarce_site *site);

#define SCARCE(condition) \
	__extension__({ \
		static struct scarce_site site_ = { __FILE__, __LINE__, false }; \
		(condition) || scarce_fails(&site_); \
	})
#else
#define SCARCE(condition) (condition)
#endif
