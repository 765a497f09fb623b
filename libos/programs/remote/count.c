// SPDX-License-Identifier: BSD-2-Clause
// `remote count`: adds to a counter by its name, on a node that serves. A program in
// that node's kernel finds or makes it (libos/code/bpf/counters.c); nobody there wakes.

#include "kernel/base/siphash.h"
#include "kernel/base/string.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"

static u64
number_of(const char *name)
{
	static const u8 key[SIPHASH_KEY_LEN] = "counters";

	return siphash64(key, name, strlen(name)) | 1;
}

int
count(int argc, char **argv)
{
	struct {
		u64 name;
		u64 add;
	} asked = { number_of(argv[3]), 1 };
	struct fabric_submit s = {
		.op = FABRIC_INVOKE, .length = sizeof(asked),
		.local = fabric_local(region_page(1)),
	};
	struct fabric_complete complete = { 0 };
	struct far far;
	i64 error;

	if (argc > 4 && !text_to_u64(argv[4], &asked.add))
		return STATUS_USAGE;
	ask_or_exit(node_or_exit(argv[2]), FAR_ASK_HANDLER, CAP_WRITE, 0, 1, &far);
	memcpy(region_page(1), &asked, sizeof(asked));
	s.slot = far.slot;
	error = far_run(&io, &s, &complete);
	if (error)
		print("remote: FAIL: %s\n", far_error_text(error));
	else if (!complete.old[0])
		print("remote: FAIL: no room for that name\n");
	else
		print("remote: %s is %lu\n", argv[3], complete.old[1]);
	return error || !complete.old[0] ? STATUS_FAILED : STATUS_OK;
}
