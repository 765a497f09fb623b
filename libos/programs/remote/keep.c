// SPDX-License-Identifier: BSD-2-Clause
// Pages of another node that are wanted back (docs/revocation.md): one program keeps
// some of OWNER's until OWNER asks for them, and says what became of them; another has
// OWNER ask. For a holder it is what it is for memory of its own node: a request, an
// upcall, a capability that gets shorter, a record of what was taken.

#include "libos/crt/console.h"
#include "libos/crt/revoke.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/programs/remote/remote.h"
#include "libos/remote/copy.h"
#include "libos/text/text.h"

#define LOOK_NS (20 * NS_PER_MS)
#define SETTLE_NS (200 * NS_PER_MS)	// what is taken is told of

static struct far kept;
static volatile u32 asked;		// upcalls
static volatile u32 left;		// pages
static bool giving;

// In the upcall: gives what is owed.
static void
give(void)
{
	u64 owed = revoke_owed(CAP_REMOTE);

	asked++;
	if (!giving || !owed || owed > left)
		return;
	if (owed == left ? !sys_cap_drop(kept.slot)
			 : !sys_cap_trim(kept.slot, left - owed))
		left -= (u32)owed;
}

// The records must be of this capability, of its owner, and of its end.
static u32
pages_taken(u16 owner)
{
	struct revoke_taken taken;
	u32 pages = 0;

	while (revoke_record_next(&taken)) {
		if (taken.type != CAP_REMOTE || taken.slot != kept.slot ||
		    taken.base >> REMOTE_UNIT_BITS != owner ||
		    REMOTE_UNIT(taken.base) + taken.count != left) {
			print("remote: a record of something else\n");
			continue;
		}
		pages += (u32)taken.count;
		left -= (u32)taken.count;
	}
	return pages;
}

static u32
readable(u32 pages)
{
	u32 found = 0;

	for (u32 page = 0; page < pages; page++)
		found += !far_read(&kept, (u64)page * PAGE_SIZE, region_page(1), 8);
	return found;
}

int
keep_pages(int argc, char **argv)
{
	const char *manner = argv[4];
	bool copies = !strcmp(manner, "copies");
	u16 owner = node_or_exit(argv[2]);
	struct far_copy copy;
	u32 taken;
	u64 pages;

	(void)argc;
	if (!text_to_u64(argv[3], &pages) || pages < 1 || pages > ~0u)
		return STATUS_USAGE;
	ask_or_exit(owner, FAR_ASK_PAGES, CAP_READ | CAP_WRITE, 0, pages, &kept);
	left = (u32)pages;
	giving = copies || !strcmp(manner, "gives");
	if (!strcmp(manner, "declares") && !revoke_declare(kept.slot, 0))
		return STATUS_FAILED;
	// Of the first page, which it is not asked for.
	if (copies && far_copy(&kept, 0, 1, region_page(2), &copy))
		return STATUS_FAILED;
	revoke_handler_set(give);
	print("remote: keeps %u pages\n", left);
	while (!asked)
		pause_ns(LOOK_NS);
	print("remote: is asked for %lu\n", revoke_owed(CAP_REMOTE));
	while (revoke_owed(CAP_REMOTE))
		pause_ns(LOOK_NS);
	pause_ns(SETTLE_NS);
	taken = pages_taken(owner);
	print("remote: %s: has %u of %lu pages, %u taken by force; reads %u\n", manner,
	      left, pages, taken, readable((u32)pages));
	return STATUS_OK;
}

int
recall(int argc, char **argv)
{
	struct far_ask ask = { .kind = FAR_ASK_RECALL };
	u32 slot;
	i64 error;

	(void)argc;
	if (!text_to_u64(argv[3], &ask.count) || !text_to_u64(argv[4], &ask.first))
		return STATUS_USAGE;
	error = far_ask(&io, node_or_exit(argv[2]), &ask, region_page(0), &slot);
	print("remote: %s\n", error ? far_error_text(error) : "they are asked");
	return error ? STATUS_FAILED : STATUS_OK;
}
