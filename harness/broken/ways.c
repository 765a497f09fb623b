// SPDX-License-Identifier: BSD-2-Clause
// Which way it is: shared by the broken kernel's ways (provoke.c) and those that only the
// checked kernel notices (harness/checked/ways.c).

#include "harness/broken/ways.h"
#include "kernel/base/string.h"
#include "kernel/main/kprintf.h"

static bool
is_named(const struct way *way, const char *word)
{
	char end = word[strlen(way->name)];

	return end == 0 || end == ' ';
}

bool
ways_go(const struct way *ways, u32 count, const char *word)
{
	for (u32 i = 0; i < count; i++) {
		if (!string_starts(word, ways[i].name) || !is_named(&ways[i], word))
			continue;
		ways[i].run();
		kprintf("panic=%s: nothing stopped it\n", ways[i].name);
		return true;
	}
	return false;
}
