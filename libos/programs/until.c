// SPDX-License-Identifier: BSD-2-Clause
// Sleeps until the node has so much memory free, or for so long:
//
//	until KIB [MS]
//
// The kernel counts free frames in an exported table. wait() would wake at each frame
// that comes or goes, to find too few and sleep again; here a predicate looks, in the
// kernel (`reached`, libos/code/bpf/predicates.c), and this program wakes once. Says how
// often it was asked.

#include "libos/code/program.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/text/text.h"

#define KIB_A_FRAME ((u64)PAGE_SIZE / 1024)
#define FRAMES_MAX 0x7fffffffu		// what `reached` compares

// Sleeps. Returns a negative error, or how often the predicate was asked.
static i64
sleep_until(u64 frames, u64 deadline_ns)
{
	// The low half of the counter, as wait() looks at words.
	const struct wait_word word = { .va = (u64)&sys_info()->frames_free };
	const volatile u64 *looks = &env_table()[self_index()].looks;
	i64 program = program_load_boot("predicates.bpf", "reached", PROGRAM_PREDICATE);
	i64 result;

	if (program < 0)
		return program;
	do
		result = sys_wait_for((u32)program, &word, 1, deadline_ns, frames);
	while (result == -E_AGAIN);
	return result < 0 ? result : (i64)*looks;
}

int
main(int argc, char **argv)
{
	u64 kib, ms = 0, deadline = NEVER;
	i64 asked;

	if (argc < 2 || argc > 3 || !text_to_u64(argv[1], &kib) ||
	    kib / KIB_A_FRAME >= FRAMES_MAX ||
	    (argc == 3 && (!text_to_u64(argv[2], &ms) || ms > NEVER / NS_PER_SECOND))) {
		print("usage: until KIB [MS]: until so much is free, so long at most\n");
		return STATUS_USAGE;
	}
	if (argc == 3)
		deadline = now_ns() + ms * NS_PER_MS;
	asked = sleep_until((kib + KIB_A_FRAME - 1) / KIB_A_FRAME, deadline);
	if (asked < 0) {
		print("until: %s\n", error_text(asked));
		return STATUS_FAILED;
	}
	print("until: %lu KiB are free, asked %lu times\n",
	      sys_info()->frames_free * KIB_A_FRAME, (u64)asked);
	return STATUS_OK;
}
