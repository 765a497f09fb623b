// SPDX-License-Identifier: BSD-2-Clause
// Blocks of another node's disk: written so that they last, zeroed and trimmed without
// sending a byte of them. What its disk cannot do is refused, with nothing changed.

#include "kernel/base/string.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"

#define BLOCKS 8u

static struct far far;

static bool
is(u64 block, u8 value)
{
	const u8 *page = region_page(1);

	if (far_block_read(&far, block, region_page(1)))
		return false;
	for (u32 i = 0; i < BLOCK_SIZE; i++) {
		if (page[i] != value)
			return false;
	}
	return true;
}

static void
fill(u8 value)
{
	memset(region_page(1), value, BLOCK_SIZE);
	for (u64 i = 0; i < BLOCKS; i++)
		holds("it is written", far_block_write(&far, i, region_page(1)) == 0);
}

// All but the first and the last. Returns whether the disk can.
static bool
clear(const char *what, i64 (*how)(struct far *far, u64 block, u32 count))
{
	i64 error = how(&far, 1, BLOCKS - 2);

	print("remote: %s: %s\n", what, error ? far_error_text(error) : "done");
	holds("beyond the end it is refused", how(&far, 1, BLOCKS) != 0);
	holds("its neighbours are as they were", is(0, 0x5a) && is(BLOCKS - 1, 0x5a));
	holds("refused, it changed nothing", !error || is(1, 0x5a));
	return !error;
}

int
use_blocks(int argc, char **argv)
{
	u64 first;

	(void)argc;
	if (!text_to_u64(argv[3], &first))
		return STATUS_USAGE;
	ask_or_exit(node_or_exit(argv[2]), FAR_ASK_BLOCKS, CAP_READ | CAP_WRITE, first,
		    BLOCKS, &far);
	fill(0x5a);
	memset(region_page(1), 0x77, BLOCK_SIZE);
	holds("it is kept", far_block_keep(&far, 2, region_page(1)) == 0);
	holds("and read again", is(2, 0x77));
	fill(0x5a);
	if (clear("zero", far_block_zero)) {
		for (u64 i = 1; i < BLOCKS - 1; i++)
			holds("it is zero", is(i, 0));
		fill(0x5a);
	}
	clear("trim", far_block_trim);
	fill(0x33);
	holds("what was trimmed is written again", is(1, 0x33) && is(BLOCKS - 2, 0x33));
	print("remote: %s blocks of another node's disk\n", failures ? "FAIL" : "PASS");
	return failures ? STATUS_FAILED : STATUS_OK;
}
