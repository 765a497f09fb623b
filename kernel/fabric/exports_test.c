// SPDX-License-Identifier: BSD-2-Clause
// Capabilities for blocks that other nodes lose, or may not write by any more, while their
// operations are with the disk: these count as orphans' from then on, so that nobody's later
// write goes before them, whichever way the capability went. The tree is the kernel's, the
// core a stub.
//
// links: kernel/fabric/exports.c kernel/cap/cap.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/arch/x86_64/clock.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/removal.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/wait.h"

#define POOL 64u
#define LISTS (FABRIC_LIST_FIRST + FABRIC_LISTS)
#define BASE 40u
#define COUNT 8u

struct fabric fabric;
struct cap_tree caps;
struct clock kernel_clock;
struct fabric_info fabric_info;
struct pending pendings[PENDING_MAX];

static struct cap pool[POOL];
static struct cap_list lists[LISTS];
static u64 first, count;	// what was withdrawn last
static u32 entry;

void
queue_fabric_withdrawn(u64 block, u64 blocks)
{
	first = block;
	count = blocks;
}

void
rcap_revoked(struct rcap *rcap)
{
	(void)rcap;
}

// What is not about that.

void
rcap_unexport(struct rcap *rcap, u32 index)
{
	(void)rcap;
	assert_int_equal(index, entry);
}

void
rcap_taken(struct rcap *rcap, u32 index)
{
	rcap_unexport(rcap, index);
}

void
rcap_shortened(struct rcap *rcap, u32 index, u64 units)
{
	(void)units;
	rcap_unexport(rcap, index);
}

const struct rcap_export *
rcap_entry(const struct rcap *rcap, u32 index)
{
	(void)rcap;
	(void)index;
	return NULL;
}

u32
rcap_export(struct rcap *rcap, u64 now, const struct rcap_grant *grant)
{
	(void)rcap;
	(void)now;
	(void)grant;
	return entry;
}

u32
links_session(const struct links *links, u16 peer)
{
	(void)links;
	return peer;
}

u64
links_incarnation(const struct links *links, u16 peer)
{
	(void)links;
	return peer;
}

const struct wire_version *
links_version(const struct links *links, u16 peer)
{
	(void)links;
	(void)peer;
	return NULL;
}

enum wire_code
local_grant(struct fabric_queue *queue, const struct fabric_submit *s, u8 type)
{
	(void)queue;
	(void)s;
	(void)type;
	return CODE_NONE;
}

struct pending *
pending_take(struct fabric_queue *queue, enum pending_kind kind,
	     const struct fabric_submit *s)
{
	(void)queue;
	(void)kind;
	(void)s;
	return pendings;
}

void
pending_end(struct pending *pending, struct fabric_complete *c)
{
	(void)pending;
	(void)c;
}

bool
removal_trim(u32 list, u32 slot, u64 units)
{
	(void)list;
	(void)slot;
	(void)units;
	return true;
}

void
wait_hint_memory(u64 physical, u32 len)
{
	(void)physical;
	(void)len;
}

// ---- tests

// A capability for blocks, and the node of what another node holds of it.
static u32
begin(u32 *generation)
{
	enum wire_code code;
	u32 node;
	i64 slot;

	cap_init(&caps, pool, POOL, lists, LISTS);
	exports_init();
	slot = cap_mint(&caps, 0, SLOT_NONE, CAP_BLOCKS, CAP_ALL, BASE, 2 * COUNT);
	assert_true(slot > 0);
	code = rcap_host_derive(NULL, cap_node(&caps, cap_at(&caps, 0, (u64)slot)),
				CAP_READ | CAP_WRITE, BASE, COUNT, &node, generation);
	assert_int_equal(code, CODE_NONE);
	first = count = 0;
	return node;
}

// Its holder had it and wrote; then its session ended before it could say so.
static void
a_grant_that_nobody_confirmed(void **state)
{
	u32 generation, node = begin(&generation);

	(void)state;
	rcap_host_grant_ended(NULL, entry, node, generation, CODE_SESSION);
	assert_int_equal(first, BASE);
	assert_int_equal(count, COUNT);
	assert_int_equal(caps.pool[node].type, CAP_NONE);
}

// Who hears that a holder is out has not to wait for the sweep.
static void
a_holder_that_is_expelled(void **state)
{
	u32 generation, node = begin(&generation);

	(void)state;
	rcap_host_grant_ended(NULL, entry, node, generation, CODE_NONE);
	assert_int_equal(count, 0);
	rcap_host_revoke(NULL, node, true);
	assert_int_equal(first, BASE);
	assert_int_equal(count, COUNT);
	assert_false(cap_is_live(&caps, node, generation));
}

// Nor who has taken from one the right to write.
static void
a_holder_that_may_write_no_more(void **state)
{
	u32 generation, node = begin(&generation);

	(void)state;
	rcap_host_protect(NULL, node, CAP_WRITE);
	assert_int_equal(count, 0);
	rcap_host_protect(NULL, node, CAP_READ);
	assert_int_equal(first, BASE);
	assert_int_equal(count, COUNT);
	assert_true(cap_is_live(&caps, node, generation));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_that_nobody_confirmed),
		cmocka_unit_test(a_holder_that_is_expelled),
		cmocka_unit_test(a_holder_that_may_write_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
