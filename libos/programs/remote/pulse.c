// SPDX-License-Identifier: BSD-2-Clause
// Adds to a word of another node, one at a time, until that fails; tells how, and
// how long the last one took. Then it waits for the node to be back, and tells what
// becomes of the old capability.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/remote/node.h"

#define PATIENCE_NS (60 * NS_PER_SECOND)

int
pulse(int argc, char **argv)
{
	u16 node = node_or_exit(argv[2]);
	u64 incarnation = link_table()[node].incarnation;
	u64 old = 0, expected, begun;
	struct far far;
	i64 error;

	(void)argc;
	ask_or_exit(node, FAR_ASK_PAGES, CAP_READ | CAP_WRITE, 0, 1, &far);
	error = far_add(&far, 0, 1, &expected);
	print("remote: pulse begins\n");
	do {
		begun = now_ns();
		expected++;
		if (!error)
			error = far_add(&far, 0, 1, &old);
	} while (!error && old == expected);
	print("remote: pulse ended after %u ms: %s%s\n",
	      (u32)((now_ns() - begun) / NS_PER_MS), far_error_text(error),
	      error || old == expected ? "" : " (lost count)");
	if (!error)
		return STATUS_FAILED;
	node = node_wait(argv[2], now_ns() + PATIENCE_NS);
	if (node == NODE_NONE) {
		print("remote: the node did not come back\n");
		return STATUS_FAILED;
	}
	error = far_add(&far, 0, 1, &old);
	print("remote: it is back, %s: %s\n",
	      link_table()[node].incarnation == incarnation ? "as it was"
							    : "another life",
	      error ? far_error_text(error) : old == expected ||
		      old == expected + 1 ? "no add was lost or ran twice"
					  : "lost count");
	return STATUS_OK;
}
