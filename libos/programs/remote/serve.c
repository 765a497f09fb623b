// SPDX-License-Identifier: BSD-2-Clause
// `remote serve`: libos/remote/lend.h from the shell, or from init (far=PAGES); with it
// counters by name, which a program in the kernel keeps (libos/code/bpf/counters.c).

#include "libos/code/program.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/remote/lend.h"
#include "libos/text/text.h"

// Without the program or room for it, there are no counters.
static void
open_counters(struct lend *lend)
{
	i64 program = program_load_boot("counters.bpf", "add", PROGRAM_INVOKE);

	if (program < 0 || lend_handler(lend, (u32)program))
		print("remote: no counters\n");
}

#define POOL_PAGE 4u		// of the region, behind the buffers

int
serve(int argc, char **argv)
{
	static struct lend lend;
	u32 block_rights = 0;
	bool pool;
	u64 count, number = 0;
	i64 error;

	if (!text_to_u64(argv[2], &count) || count < 1 ||
	    count > LEND_PAGES_MAX)
		return STATUS_USAGE;
	pool = argc > 4 && !strcmp(argv[4], "pool");
	if (argc > 4 && (argc < 6 || !text_to_u64(argv[5], &number) || !number ||
			 number > (pool ? LEND_PAGES_MAX : FABRIC_WEIGHT_MAX)))
		return STATUS_USAGE;
	if (argc > 3)
		block_rights = !strcmp(argv[3], "rw") ? CAP_READ | CAP_WRITE
						      : CAP_READ;
	error = lend_open(&lend, &io, region_page(0), (u32)count, block_rights);
	if (!error && pool)
		error = lend_pool(&lend, (u32)number, region_page(POOL_PAGE));
	if (!error) {
		if (number && !pool) {
			lend.weight = (u32)number;
			lend.weighed = node_or_exit(argv[4]);
		}
		open_counters(&lend);
		print("remote: serving %lu pages%s\n", count,
		      lend.blocks.slot == SLOT_NONE ? "" : " and the disk");
		error = lend_run(&lend);
	}
	print("remote: serves no more: %s\n", far_error_text(error));
	return STATUS_FAILED;
}
