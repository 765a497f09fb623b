// SPDX-License-Identifier: BSD-2-Clause
// Tests of libos/process from the inside:
//
//	procs			all of them
//	procs NAME...		these
//
// Prints "procs: NAME: PASS" or what did not hold, one line each. Where a test says
// how a child must end, the line of a fault on the console is part of it.

#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/procs/procs.h"
#include "libos/text/text.h"

static const struct test {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "copy", test_copy },
	{ "nested", test_nested },
	{ "many", test_many },
	{ "greedy", test_greedy },
	{ "bomb", test_bomb },
	{ "steady", test_steady },
	{ "kill", test_kill },
	{ "stack", test_stack },
	{ "buffers", test_buffers },
	{ "private", test_private },
	{ "strangers", test_strangers },
	{ "pipe", test_pipe },
	{ "reader-dies", test_reader_dies },
	{ "writer-dies", test_writer_dies },
	{ "two-writers", test_two_writers },
	{ "alone", test_alone },
	{ "nonsense", test_nonsense },
	{ "exec", test_exec },
	{ "exec-refused", test_exec_refused },
};

#define CHILD_FRAMES 300u

static u32 failures;

bool
check(bool holds, const char *what)
{
	if (!holds) {
		print("procs: does not hold: %s\n", what);
		failures++;
	}
	return holds;
}

void
must(i64 result, const char *what)
{
	if (result >= 0)
		return;
	print("procs: FAIL: %s: %s\n", what, error_text(result));
	sys_env_exit(STATUS_FAILED);
}

u32
begin(u32 (*body)(u64 argument), u64 argument, u32 generations)
{
	struct quota quota = {
		.frames = CHILD_FRAMES * (1 + generations),
		.slices = generations,
		.envs = generations,
	};
	i64 child = process_fork(&quota);

	must(child, "fork");
	if (child == 0)
		sys_env_exit(body(argument));
	return (u32)child;
}

u32
status_of(u32 id)
{
	struct child_end end;
	i64 result = process_wait(id, &end, now_ns() + PATIENCE_NS);

	must(result, "wait");
	if (!check(result == id && end.how == END_EXIT, "it exited by itself")) {
		char text[160];

		child_end_text(&end, text, sizeof(text));
		print("procs: it %s\n", text);
	}
	return end.status;
}

static bool
wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], name))
			return true;
	}
	return argc == 1;
}

int
main(int argc, char **argv)
{
	u32 before, failed = 0;

	must(process_init(), "process_init");
	for (u32 i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!wanted(tests[i].name, argc, argv))
			continue;
		before = failures;
		tests[i].run();
		check(process_children() == 0, "no child is left");
		failed += failures != before;
		print("procs: %s: %s\n", tests[i].name,
		      failures == before ? "PASS" : "FAIL");
	}
	return failed ? STATUS_FAILED : STATUS_OK;
}
