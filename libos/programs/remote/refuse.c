// SPDX-License-Identifier: BSD-2-Clause
// Attempts on another node that must be refused, each with its own code, touching
// nothing and leaving the link alone. The page keeps a pattern, which is read again
// after each attempt that names it. What is held at the end, copies under leases too,
// is taken back, and refused or gone. Then the owner gives the pages themselves back to
// its kernel, and serves none any more: not a byte of whoever has them next is read.

#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/revoke.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/programs/remote/remote.h"

#define PAGES 2u
#define BYTES (PAGES * 4096u)
#define UNREAD 0xee

enum code {
#define X(name, number, sentence) name = number,
#include "net/wire/codes.def"
#undef X
};

static struct far pages, readable;
static u32 attempts;
static u16 node;

static void
expect(const char *what, i64 result, i64 expected)
{
	attempts++;
	if (result == expected)
		return;
	failures++;
	print("remote: %s: %s, not %s\n", what, far_error_text(result),
	      far_error_text(expected));
}

static void
attempt_holds(const char *what, bool value)
{
	attempts++;
	holds(what, value);
}

static i64
attempt(struct fabric_submit s)
{
	s.local = s.local ? s.local : fabric_local(region_page(1));
	return far_run(&io, &s, NULL);
}

static void
untouched(void)
{
	const u8 *bytes = region_page(4);
	bool same = true;

	for (u32 page = 0; page < PAGES; page++) {
		expect("to read the page", far_read(&pages, page * PAGE_SIZE,
						    region_page(4), 4096), 0);
		for (u32 i = 0; i < 4096; i++)
			same &= bytes[i] == (u8)(i * 7 + page);
	}
	attempt_holds("the pages are untouched", same);
}

static struct fabric_submit
operation(u32 op, u32 slot, u64 offset, u32 length)
{
	return (struct fabric_submit){
		.op = (u8)op, .slot = slot, .offset = offset, .length = length,
		.clause_count = op == FABRIC_MCAS,
	};
}

static void
outside_range(void)
{
	static const struct { u64 offset; u32 length; } spans[] = {
		{ BYTES, 1 }, { BYTES - 1, 2 }, { BYTES - 4095, 4096 },
		{ BYTES + 4096, 8 }, { 1ull << 40, 8 }, { 1ull << 63, 8 },
		{ ~0ull - 4096, 8 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(spans); i++) {
		expect("to read outside", attempt(operation(FABRIC_READ,
			pages.slot, spans[i].offset, spans[i].length)),
		       FAR_CODE(CODE_RANGE));
		expect("to write outside", attempt(operation(FABRIC_WRITE,
			pages.slot, spans[i].offset, spans[i].length)),
		       FAR_CODE(CODE_RANGE));
	}
	expect("to add outside", attempt(operation(FABRIC_FETCH_ADD, pages.slot,
		BYTES, 8)), FAR_CODE(CODE_RANGE));
	expect("to notify outside", attempt(operation(FABRIC_NOTIFY, pages.slot,
		BYTES, 4)), FAR_CODE(CODE_RANGE));
	expect("to swap outside", attempt(operation(FABRIC_MCAS, pages.slot,
		BYTES, 8)), FAR_CODE(CODE_RANGE));
}

static void
chained_outside(void)
{
	struct fabric_submit s = operation(FABRIC_MCAS, pages.slot, 0, 8);

	s.clause[0].swap_mask[0] = ~0ull;
	s.clause[0].chain_offset = BYTES;
	s.clause[0].chain_length = 8;
	expect("to chain a read outside", attempt(s), FAR_CODE(CODE_RANGE));
}

static void
wrong_rights(void)
{
	u32 slot = readable.slot;

	expect("to write what may be read", attempt(operation(FABRIC_WRITE, slot,
		0, 8)), FAR_CODE(CODE_RIGHTS));
	expect("to swap it", attempt(operation(FABRIC_MCAS, slot, 0, 8)),
	       FAR_CODE(CODE_RIGHTS));
	expect("to add to it", attempt(operation(FABRIC_FETCH_ADD, slot, 0, 8)),
	       FAR_CODE(CODE_RIGHTS));
	expect("to notify it", attempt(operation(FABRIC_NOTIFY, slot, 0, 4)),
	       FAR_CODE(CODE_RIGHTS));
	expect("to revoke what came from it", attempt(operation(FABRIC_REVOKE,
		slot, 0, 0)), FAR_CODE(CODE_RIGHTS));
	expect("to read it", attempt(operation(FABRIC_READ, slot, 0, 8)), 0);
}

static void
wrong_kind(void)
{
	expect("to read a block of pages", attempt(operation(FABRIC_BLOCK_READ,
		pages.slot, 0, 4096)), FAR_CODE(CODE_TYPE));
	expect("to write one", attempt(operation(FABRIC_BLOCK_WRITE, pages.slot,
		0, 4096)), FAR_CODE(CODE_TYPE));
	expect("to send to pages", attempt(operation(FABRIC_SEND, pages.slot, 0,
		8)), FAR_CODE(CODE_TYPE));
	expect("to add in between", attempt(operation(FABRIC_FETCH_ADD,
		pages.slot, 4, 8)), FAR_CODE(CODE_ALIGNMENT));
	expect("to swap in between", attempt(operation(FABRIC_MCAS, pages.slot,
		8, 16)), FAR_CODE(CODE_ALIGNMENT));
	expect("to add 4 bytes", attempt(operation(FABRIC_FETCH_ADD, pages.slot,
		0, 4)), FAR_CODE(CODE_SHAPE));
	expect("to read nothing", attempt(operation(FABRIC_READ, pages.slot, 0,
		0)), FAR_CODE(CODE_SHAPE));
	expect("to read too much", attempt(operation(FABRIC_READ, pages.slot, 0,
		4097)), FAR_CODE(CODE_SHAPE));
}

static void
forged(void)
{
	expect("an empty slot", attempt(operation(FABRIC_READ, 250, 0, 8)),
	       FAR_CODE(CODE_SLOT));
	expect("a slot that is none", attempt(operation(FABRIC_READ, 1u << 20,
		0, 8)), FAR_CODE(CODE_SLOT));
	expect("own frames", attempt(operation(FABRIC_READ, region.slot, 0, 8)),
	       FAR_CODE(CODE_TYPE));
	for (u32 op = FABRIC_OP_COUNT; op < 256; op += 17)
		expect("an operation that is none", attempt(operation(op,
			pages.slot, 0, 8)), FAR_CODE(CODE_SHAPE));
}

// A part that was derived here is as narrow as it says, and the node can be asked
// for no more than what the whole holds.
static void
narrowed(void)
{
	struct cap_info info;
	i64 slot, error = sys_cap_inspect(CAP_SLOT_SELF, pages.slot, &info);

	if (error)
		return;
	slot = sys_cap_derive(pages.slot, CAP_SLOT_SELF, CAP_READ, info.base + 1,
			      1);
	attempt_holds("a part is derived", slot > 0);
	expect("to read the part", attempt(operation(FABRIC_READ, (u32)slot, 0,
		4096)), 0);
	attempt_holds("it is the second page", *region_page(1) == 1);
	expect("to read behind the part", attempt(operation(FABRIC_READ,
		(u32)slot, 4096, 8)), FAR_CODE(CODE_RANGE));
	expect("to write to the part", attempt(operation(FABRIC_WRITE, (u32)slot,
		0, 8)), FAR_CODE(CODE_RIGHTS));
}

static i64
lease(u32 slot, u64 offset, u32 length, u32 frames)
{
	struct fabric_submit s = operation(FABRIC_LEASE, slot, offset, length);

	s.lease.slot = frames;
	return attempt(s);
}

// Leases of copies; and as many as one environment may have, whose frames go with the
// page in the end.
static void
leases(void)
{
	u32 own = region.slot, count = 0;
	i64 slot, result = 0;

	expect("a lease of nothing", lease(pages.slot, 0, 0, own),
	       FAR_CODE(CODE_SHAPE));
	expect("a lease by own frames", lease(own, 0, 8, own), FAR_CODE(CODE_TYPE));
	expect("a lease for what is no copy", lease(pages.slot, 0, 8, pages.slot),
	       FAR_CODE(CODE_TYPE));
	expect("a lease beyond the range", lease(pages.slot, BYTES - 7, 8, own),
	       FAR_CODE(CODE_RANGE));
	expect("a lease far beyond it", lease(pages.slot, ~0ull - 4096, 8, own),
	       FAR_CODE(CODE_RANGE));
	expect("a lease by a slot that is none", lease(250, 0, 8, own),
	       FAR_CODE(CODE_SLOT));
	while (!result && count <= FABRIC_LEASES_EACH) {
		slot = sys_frame_alloc(FRAME_ANY, 1);
		attempt_holds("there are frames for a copy", slot > 0);
		result = lease(pages.slot, 0, 8, (u32)slot);
		if (!result && !count)
			expect("a second lease of one copy",
			       lease(pages.slot, 0, 8, (u32)slot),
			       FAR_CODE(CODE_LEASED));
		count += !result;
	}
	expect("one more lease than there may be", result, FAR_CODE(CODE_TABLE));
	attempt_holds("so many there were", count == FABRIC_LEASES_EACH);
	expect("to drop what copies are by", attempt(operation(FABRIC_DROP, pages.slot,
		0, 0)), FAR_CODE(CODE_LEASED));
}

static u32
copies_taken(void)
{
	struct revoke_taken taken;
	u32 count = 0;

	while (revoke_record_next(&taken))
		count += taken.request == REVOKE_LEASE;
	return count;
}

static void
no_service(void)
{
	struct fabric_submit s = operation(FABRIC_SEND, fabric.fabric_slot,
					   FAR_SERVICE + 77, 8);

	s.node = node;
	expect("a service that nobody offers", attempt(s),
	       FAR_CODE(CODE_SERVICE));
	s.node = FABRIC_LINKS_MAX - 1;
	expect("a node that is none", attempt(s), FAR_CODE(CODE_PEER));
}

static i64
ask(enum far_asked kind)
{
	struct far_ask a = { .kind = kind };
	u32 slot;

	return far_ask(&io, node, &a, region_page(0), &slot);
}

// Once it is taken back, it is refused as that, however far the owner has come
// with cleaning up.
static void
revoked(void)
{
	i64 result;

	expect("to ask for it to be taken back", ask(FAR_ASK_REVOKE), 0);
	do
		result = attempt(operation(FABRIC_WRITE, pages.slot, 0, 8));
	while (!result);
	attempt_holds("what was taken back is refused", result == FAR_CODE(CODE_REVOKED));
	result = attempt(operation(FABRIC_READ, readable.slot, 0, 8));
	attempt_holds("all of it", result == FAR_CODE(CODE_REVOKED));
	pause_ns(FABRIC_LEASE_NS);
	attempt_holds("no copy of it is left", copies_taken() == FABRIC_LEASES_EACH);
}

// The kernel takes what was lent from its holders in the same call that frees it.
static void
freed(void)
{
	const u8 *bytes = region_page(1);
	bool same = true;
	i64 result;

	ask_or_exit(node, FAR_ASK_PAGES, CAP_READ, 0, PAGES, &readable);
	expect("to ask for the pages to be freed", ask(FAR_ASK_FREE), 0);
	do {
		memset(region_page(1), UNREAD, PAGE_SIZE);
		result = attempt(operation(FABRIC_READ, readable.slot, 0, PAGE_SIZE));
	} while (!result || result == FAR_UNKNOWN);	// that came in part before
	attempt_holds("what was freed is refused", result == FAR_CODE(CODE_REVOKED));
	for (u32 i = 0; i < PAGE_SIZE; i++)
		same &= bytes[i] == UNREAD;
	attempt_holds("no byte of it came", same);
}

static void
open_pages(void)
{
	ask_or_exit(node, FAR_ASK_PAGES, CAP_READ | CAP_WRITE | CAP_DERIVE, 0,
		    PAGES, &pages);
	ask_or_exit(node, FAR_ASK_PAGES, CAP_READ, 0, PAGES, &readable);
	for (u32 page = 0; page < PAGES; page++) {
		for (u32 i = 0; i < 4096; i++)
			region_page(1)[i] = (u8)(i * 7 + page);
		expect("to write the page", far_write(&pages, page * PAGE_SIZE,
						      region_page(1), 4096), 0);
	}
}

int
refuse(int argc, char **argv)
{
	u32 session;

	(void)argc;
	node = node_or_exit(argv[2]);
	session = link_table()[node].session;
	open_pages();
	outside_range();
	chained_outside();
	wrong_rights();
	wrong_kind();
	forged();
	no_service();
	untouched();
	narrowed();
	leases();
	revoked();
	freed();
	attempt_holds("the link is the same", link_table()[node].session == session &&
	      link_table()[node].state == FABRIC_LINK_UP);
	print("remote: %s %u attempts%s\n", failures ? "FAIL" : "PASS", attempts,
	      failures ? ", see above" : " refused");
	return failures ? STATUS_FAILED : STATUS_OK;
}
