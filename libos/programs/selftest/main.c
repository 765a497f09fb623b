// SPDX-License-Identifier: BSD-2-Clause
// Tests of the libOS and of the kernel's promises to it, from the inside:
//
//	selftest		all of them
//	selftest NAME...	these
//
// Prints "selftest: NAME: PASS" or what did not hold, one line each.

#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/programs/selftest/selftest.h"
#include "libos/text/text.h"

static const struct test {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "clock", test_clock },
	{ "wait", test_wait },
	{ "timer", test_timer },
	{ "threads", test_threads },
	{ "thread-guard", test_thread_guard },
	{ "paging", test_paging },
	{ "bits", test_bits },
	{ "stack", test_stack },
	{ "nested-faults", test_nested_faults },
	{ "fresh-frames", test_fresh_frames },
	{ "registers", test_registers },
	{ "float", test_float },
	{ "entropy", test_entropy },
	{ "reap", test_reap },
	{ "yield", test_yield },
	{ "everywhere", test_everywhere },
	{ "wake", test_wake },
	{ "slices", test_slices },
	{ "move", test_move },
	{ "slice-upcalls", test_slice_upcalls },
	{ "sections", test_sections },
	{ "overruns", test_overruns },
	{ "migrate", test_migrate },
	{ "revoke-running", test_revoke_running },
	{ "revoke-asleep", test_revoke_asleep },
	{ "loop", test_loop },
	{ "filters", test_filters },
	{ "trim", test_trim },
	{ "rounds", test_rounds },
	{ "overlap", test_overlap },
	{ "wide", test_wide },
	{ "tables", test_tables },
	{ "secrets", test_secrets },
	{ "revoke-refusals", test_refusals },
	{ "revoke-request", test_request },
	{ "revoke-taken", test_taken },
	{ "revoke-declared", test_declared },
	{ "revoke-scribbler", test_scribbler },
	{ "revoke-reserve", test_reserve },
	{ "revoke-family", test_family },
	{ "revoke-others", test_taken_others },
	{ "revoke-lent", test_lent },
	{ "revoke-blocks", test_blocks },
	{ "programs", test_programs },
	{ "predicates", test_predicates },
	{ "handlers", test_handlers },
	{ "transfer", test_transfer },
	{ "transfer-refused", test_transfer_refused },
	{ "transfer-aborted", test_transfer_aborted },
	{ "transfer-deadline", test_transfer_deadline },
	{ "transfer-orphan", test_transfer_orphan },
	{ "transfer-float", test_transfer_float },
	{ "transfer-account", test_transfer_account },
	{ "transfer-depth", test_transfer_depth },
	{ "transfer-destroyed", test_transfer_destroyed },
	{ "transfer-revoked", test_transfer_revoked },
	{ "transfer-told", test_transfer_told },
	{ "link", test_link },
	{ "link-ended", test_link_ended },
	{ "link-lies", test_link_lies },
	{ "link-revoked", test_link_revoked },
	{ "completion", test_completion },
	{ "completion-held", test_completion_held },
	{ "completion-nested", test_completion_nested },
	{ "completion-asleep", test_completion_asleep },
	{ "completion-broken", test_completion_broken },
};

static u32 failures;

bool
check(bool holds, const char *what)
{
	if (!holds) {
		print("selftest: does not hold: %s\n", what);
		failures++;
	}
	return holds;
}

void
must(i64 result, const char *what)
{
	if (result >= 0)
		return;
	print("selftest: FAIL: %s: %s\n", what, error_text(result));
	sys_env_exit(STATUS_FAILED);
}

// The first argument that names no test, or NULL.
static const char *
unknown(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		u32 t = 0;

		while (t < ARRAY_SIZE(tests) && strcmp(argv[i], tests[t].name))
			t++;
		if (t == ARRAY_SIZE(tests))
			return argv[i];
	}
	return NULL;
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

	if (argc == 3 && !strcmp(argv[1], "child"))
		return child_main(argv[2]);
	if (unknown(argc, argv)) {
		print("selftest: there is no test '%s'\n", unknown(argc, argv));
		return STATUS_USAGE;
	}
	for (u32 i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!wanted(tests[i].name, argc, argv))
			continue;
		before = failures;
		tests[i].run();
		failed += failures != before;
		print("selftest: %s: %s\n", tests[i].name,
		      failures == before ? "PASS" : "FAIL");
	}
	return failed ? STATUS_FAILED : STATUS_OK;
}
