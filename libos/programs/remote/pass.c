// SPDX-License-Identifier: BSD-2-Clause
// A capability that passes from node to node: one program holds a page of OWNER and
// has OWNER derive a part of it, to read, for a program on a third node; later it
// takes that back, from all (REVOKE) or from that one only, which it finds among the
// holders (EXPEL). The third node's program reads until it is refused.

#include "kernel/abi/errors.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"

#define LEND_NS NS_PER_SECOND
#define PAUSE_NS (20 * NS_PER_MS)

void
pause_ns(u64 ns)
{
	wait_sleep(&(struct wait_set){ .deadline_ns = now_ns() + ns });
}

// Whoever holds what was passed on, with `expel` until there is nobody.
static i64
show_holders(u32 slot, bool expel)
{
	struct fabric_holders *holders = (void *)region_page(2);
	i64 error;
	u32 next = 0;

	do {
		error = far_holders(&io, slot, next, holders);
		next = holders->next;
		for (u32 i = 0; i < holders->count && !error; i++) {
			const struct fabric_holder *h = &holders->holder[i];

			print("remote: environment %u holds %lu from %lu%s\n",
			      h->environment, h->count, h->base,
			      h->alive ? "" : ", on a node that is silent");
			if (expel)
				error = far_expel(&io, slot, h);
		}
	} while (next && !error);
	return error;
}

i64
take_back(u32 slot, bool expel)
{
	struct fabric_submit s = { .op = FABRIC_REVOKE, .slot = slot };
	i64 error = show_holders(slot, expel);

	return error || expel ? error : far_run(&io, &s, NULL);
}

void
read_on(struct far *far)
{
	i64 error;

	do {
		pause_ns(PAUSE_NS);
		error = far_read(far, 0, region_page(1), 8);
	} while (!error);
	print("remote: it is refused: %s\n", far_error_text(error));
}

int
pass(int argc, char **argv)
{
	u16 owner = node_or_exit(argv[2]), third = node_or_exit(argv[3]);
	struct far far;
	u64 environment;
	struct fabric_submit s = { .op = FABRIC_DERIVE, .node = third };
	i64 error;

	if (!text_to_u64(argv[4], &environment) || environment > ~0u)
		return STATUS_USAGE;
	ask_or_exit(owner, FAR_ASK_PAGES, CAP_READ | CAP_WRITE | CAP_DERIVE, 0, 2,
		    &far);
	memset(region_page(1), 0x5a, PAGE_SIZE);
	error = far_write(&far, PAGE_SIZE, region_page(1), PAGE_SIZE);
	s.slot = far.slot;
	s.target = (struct fabric_target){
		.incarnation = link_table()[third].incarnation,
		.environment = (u32)environment,
		.rights = CAP_READ,
		.base = 1,
		.count = 1,
		.word = 0x7a55,
	};
	if (!error)
		error = far_run(&io, &s, NULL);
	if (!error) {
		print("remote: passed on\n");
		pause_ns(LEND_NS);
		error = take_back(far.slot, argc > 5 && !strcmp(argv[5], "expel"));
	}
	if (!error)
		error = far_read(&far, 0, region_page(1), 8);
	print("remote: %s: %s\n", error ? "FAIL" : "taken back, own access stays",
	      far_error_text(error));
	return error ? STATUS_FAILED : STATUS_OK;
}

int
take(int argc, char **argv)
{
	struct fabric_submit s = { .tag = 1, .op = FABRIC_ACCEPT };
	struct fabric_complete got;
	struct far far;
	i64 error = fabric_put(&fabric, &s) ? fabric_flush(&fabric) : -E_STATE;

	(void)argc;
	(void)argv;
	print("remote: takes as environment %u\n", env_table()[self_index()].id);
	if (error || !fabric_next(&fabric, &got, NEVER) ||
	    far_open(&far, &io, got.slot))
		return STATUS_FAILED;
	error = far_read(&far, 0, region_page(1), PAGE_SIZE);
	print("remote: took %lu pages with word %lx from node %u; its bytes are "
	      "%02x\n", got.old[0], got.word, got.node, *region_page(1));
	if (!error)
		print("remote: beyond it: %s; to write: %s\n",
		      far_error_text(far_read(&far, PAGE_SIZE, region_page(1), 8)),
		      far_error_text(far_write(&far, 0, region_page(1), 8)));
	if (error)
		return STATUS_FAILED;
	read_on(&far);
	return STATUS_OK;
}
