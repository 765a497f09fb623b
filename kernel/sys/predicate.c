// SPDX-License-Identifier: BSD-2-Clause
// Wakeup predicates: their type of program. One sees the watched words as numbers,
// read just before, and no memory: what it may look at was checked when its
// environment went to sleep.
//
// A predicate that watches what nobody tells about (stores of another environment
// without wake()) asks to be asked again. That costs at most one question a slice
// and sleeper, whatever it asks for.

#include "kernel/sys/predicate.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/wait.h"

struct asked {
	u64 now_ns;
	u64 look_ns;
};

static u64
look_at(void *host, u64 ns, u64 b, u64 c, u64 d, u64 e)
{
	struct asked *asked = host;

	(void)b;
	(void)c;
	(void)d;
	(void)e;
	asked->look_ns = MIN(asked->look_ns, MAX(ns, asked->now_ns + SLICE_NS));
	return 0;
}

#define FIELD(name, bound) { \
	.offset = offsetof(struct predicate_context, name), \
	.size = sizeof(((struct predicate_context *)0)->name), \
	.access = CODE_MAY_READ, .region = CODE_NUMBER, .max = (bound) }

static const struct code_field fields[] = {
	FIELD(now_ns, 0), FIELD(argument, 0), FIELD(count, WAIT_WORDS_MAX),
	FIELD(word, 0), FIELD(expected, 0),
};

static const struct code_helper helpers[] = {
	[PREDICATE_LOOK_AT - 1] = { look_at, 0, { CODE_ARG_NUMBER } },
};

const struct code_type predicate_type = {
	.field = fields,
	.helper = helpers,
	.field_count = ARRAY_SIZE(fields),
	.helper_count = ARRAY_SIZE(helpers),
	.steps_max = PREDICATE_STEPS_MAX,
	.result_max = PREDICATE_RESULT_MAX,
};

u32
predicate_ask(struct env *env, const struct predicate *predicate,
	      const struct env_wait *wait, u32 count, u64 now_ns, u64 *look_ns)
{
	struct asked asked = { .now_ns = now_ns, .look_ns = predicate->deadline_ns };
	struct predicate_context context = {
		.now_ns = now_ns,
		.argument = predicate->argument,
		.count = count,
	};
	u64 result;

	for (u32 i = 0; i < count; i++) {
		context.word[i] = wait_word_at(&wait[i]);
		context.expected[i] = wait[i].expected;
	}
	env->info->looks++;
	result = program_run(predicate->program, &context, &asked);
	*look_ns = asked.look_ns;
	return (u32)result;
}
