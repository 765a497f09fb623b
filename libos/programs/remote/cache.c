// SPDX-License-Identifier: BSD-2-Clause
// A page of another node that is read here: a copy under a lease. It is read by loads, a
// hundred at a time, while the lease lasts; when it is over, the kernel has taken the
// copy, and the page itself is asked for why.

#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/revoke.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/programs/remote/remote.h"
#include "libos/remote/copy.h"
#include "libos/text/text.h"

#define PATTERN 0x6bu
#define READS_AT_ONCE 100u
#define PAUSE_NS (5 * NS_PER_MS)
#define LASTS_NS (2 * FABRIC_LEASE_NS)	// before something is done about it

static u64 reads, wrong;

// Operations of this node's programs that have ended.
static u64
operations(void)
{
	u64 sum = 0;

	for (u32 i = 0; i < ARRAY_SIZE(fabric_info()->completed); i++)
		sum += fabric_info()->completed[i];
	return sum;
}

static i64
make_copy(struct far *far, struct far_copy *copy)
{
	i64 error;

	memset(region_page(1), PATTERN, PAGE_SIZE);
	error = far_write(far, 0, region_page(1), PAGE_SIZE);
	return error ? error : far_copy(far, 0, 1, region_page(2), copy);
}

// Until `end`, or until the copy is gone: then false.
static bool
read_copy(const struct far_copy *copy, u64 end)
{
	while (now_ns() < end) {
		for (u32 i = 0; i < READS_AT_ONCE; i++) {
			u64 word;

			if (!far_copy_read(copy, reads % (PAGE_SIZE / sizeof(word)) *
							 sizeof(word),
					   &word, sizeof(word)))
				return false;
			wrong += word != PATTERN * 0x0101010101010101ull;
			reads++;
		}
		pause_ns(PAUSE_NS);
	}
	return true;
}

// What the kernel says of it.
static u64
pages_taken(void)
{
	struct revoke_taken taken;
	u64 pages = 0;

	while (revoke_record_next(&taken)) {
		if (taken.request == REVOKE_LEASE && taken.type == CAP_FRAMES)
			pages += taken.count;
	}
	return pages;
}

static void
tell_end(struct far *far, const struct far_copy *copy, u64 began)
{
	u64 took = (now_ns() - began) / NS_PER_MS;
	bool again = far_copy_read(copy, 0, region_page(2), 8);

	print("remote: the copy is gone after %lu ms; taken: %lu pages; read again: %s\n",
	      took, pages_taken(), again ? "FAIL" : "no");
	print("remote: the page itself: %s\n",
	      far_error_text(far_read(far, 0, region_page(1), 8)));
}

static i64
ask_revoke(u16 node)
{
	struct far_ask ask = { .kind = FAR_ASK_REVOKE };

	return far_ask(&io, node, &ask, region_page(0), NULL);
}

// The owner is told of it only without copies.
static i64
give_up(struct far *far)
{
	struct fabric_submit s = { .op = FABRIC_DROP, .slot = far->slot };

	print("remote: giving the page up: %s\n", far_error_text(far_run(&io, &s, NULL)));
	return cap_drop_all(far->slot);
}

// Reads until the copy is gone, and says how many reads took how many operations.
static i64
use(u16 node, struct far *far, const struct far_copy *copy, const char *manner)
{
	u64 before = operations(), began;
	bool there = read_copy(copy, now_ns() + LASTS_NS);
	i64 error = 0;

	print("remote: %lu reads of the copy, %lu wrong, %lu operations; it is %s\n", reads,
	      wrong, operations() - before, there ? "there" : "gone");
	began = now_ns();
	if (there && !strcmp(manner, "revoke"))
		error = ask_revoke(node);
	if (there && !strcmp(manner, "drop"))
		error = give_up(far);
	while (there && !error)
		there = read_copy(copy, NEVER);
	if (!error)
		tell_end(far, copy, began);
	return error;
}

int
cache(int argc, char **argv)
{
	const char *manner = argc > 3 ? argv[3] : "";
	struct far_copy copy;
	struct far far;
	u16 node;
	i64 error;

	if (*manner && strcmp(manner, "revoke") && strcmp(manner, "drop"))
		return STATUS_USAGE;
	node = node_or_exit(argv[2]);
	ask_or_exit(node, FAR_ASK_PAGES, CAP_READ | CAP_WRITE, 0, 1, &far);
	error = make_copy(&far, &copy);
	if (!error) {
		print("remote: holds a copy under a lease\n");
		pause_ns(FABRIC_LEASE_NS / 2);		// what is counted is shown
		error = use(node, &far, &copy, manner);
		far_copy_drop(&copy);
	}
	if (error)
		print("remote: FAIL: %s\n", far_error_text(error));
	return error ? STATUS_FAILED : STATUS_OK;
}
