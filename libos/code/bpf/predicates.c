// SPDX-License-Identifier: BSD-2-Clause
// Wakeup predicates that sleep where wait() would wake: until so many of the watched
// words have changed, until a counter is far enough, or, for words that nobody tells
// about, by looking now and then.

#include "libos/code/bpf/bpf.h"

// Wakes when at least `argument` of the words differ from what was expected; says
// how many do.
u32
changed_words(const struct predicate_context *c)
{
	u32 changed = 0;

	for (u32 i = 0; i < WAIT_WORDS_MAX; i++) {
		if (i < c->count)
			changed += c->word[i] != c->expected[i];
	}
	return changed >= c->argument ? changed : 0;
}

// Wakes when the first word, which counts up and may pass zero, has reached
// `argument`.
u32
reached(const struct predicate_context *c)
{
	return (i32)(c->word[0] - (u32)c->argument) >= 0;
}

// The same for a word of somebody who does not call wake(): looks every slice.
u32
reached_unannounced(const struct predicate_context *c)
{
	if ((i32)(c->word[0] - (u32)c->argument) >= 0)
		return 1;
	look_at(c->now_ns);
	return 0;
}

// Wakes 1 when the word has changed, 2 when it is later than `argument`: a deadline
// that one word is spared for.
u32
changed_or_late(const struct predicate_context *c)
{
	if (c->word[0] != c->expected[0])
		return 1;
	if (c->now_ns >= c->argument)
		return 2;
	look_at(c->argument);
	return 0;
}
