// SPDX-License-Identifier: BSD-2-Clause
// Collecting what to wait for. The kernel does the rest in one call.

#include "libos/io/wait.h"
#include "kernel/base/assert.h"
#include "libos/crt/syscall.h"

void
wait_begin(struct wait_set *set)
{
	set->deadline_ns = NEVER;
	set->count = 0;
}

void
wait_word_add(struct wait_set *set, const volatile u32 *word, u32 expected)
{
	ASSERT(set->count < WAIT_WORDS_MAX);
	set->word[set->count++] = (struct wait_word){
		.va = (u64)word,
		.expected = expected,
	};
}

void
wait_until(struct wait_set *set, u64 deadline_ns)
{
	set->deadline_ns = MIN(set->deadline_ns, deadline_ns);
}

i64
wait_sleep(const struct wait_set *set)
{
	i64 result = sys_wait(set->word, set->count, set->deadline_ns);

	// The set is the program's own: a refusal means that it is broken.
	ASSERT(result >= 0 || result == -E_TIMEOUT || result == -E_AGAIN);
	return result;
}

i64
wait_interrupt(const struct wait_set *set, cause_handler *handler)
{
	upcall_want(UPCALL_COMPLETION, handler);
	return sys_watch(set->word, set->count);
}
