// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The kernel around remotes.c, for its test: sessions and lives of a few owners, what is
// on its way to them, one environment that holds, and what it is asked for. Included by
// that test alone; what is not about telling owners does nothing.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/abi/errors.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/base/prng.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"
#include "kernel/sys/revoke.h"

#define PEERS 3u
#define GRANTS 4000u
#define RECORDS FABRIC_HELD_MAX
#define UNITS 8u
#define FLIGHT_MAX 16u
#define HELD_MAX 100u
#define LEFT 8u		// records, to who holds hardly any

struct fabric fabric;
struct env envs[ENVS_MAX];
u64 env_started;
struct cap_tree caps;
struct clock kernel_clock;

static struct env_info holder = { .id = 7, .state = ENV_RUNNABLE };
static struct env_info others[LEFT / 4];
static u32 grantee;		// id of who is granted to
static struct pending accept;
static struct prng prng;
static u64 now;
static bool session[PEERS];
static u64 life[PEERS];

// What the owner has of each grant, and the holder.
static struct {
	u64 life;
	u64 owner, holds;	// units
	u32 environment;
	u32 record;
	u16 peer;
} grant[GRANTS];
static u32 grants;
static struct {
	struct rcap_submit submit;
	bool used;
} flight[FLIGHT_MAX];

// Held and let go in pairs: what stands on a peer's place is counted by the core.
static u32 standing;

void
rcap_hold(struct rcap *rcap, u16 peer)
{
	(void)rcap, (void)peer;
	standing++;
}

void
rcap_let(struct rcap *rcap, u16 peer)
{
	(void)rcap, (void)peer;
	assert_true(standing > 0);
	standing--;
}

u32
links_session(const struct links *links, u16 peer)
{
	(void)links;
	return session[peer];
}

u32
rcap_submit(struct rcap *rcap, u64 at, const struct rcap_submit *submit)
{
	(void)rcap;
	assert_int_equal(at, now);
	if (!prng_below(&prng, 10))
		return RCAP_NONE;
	for (u32 i = 0; i < FLIGHT_MAX; i++) {
		if (flight[i].used)
			continue;
		flight[i].submit = *submit;
		flight[i].used = true;
		return i;
	}
	fail_msg("more than %u are on their way", FLIGHT_MAX);
	return RCAP_NONE;
}

struct pending *
pending_accept(u32 env)
{
	assert_true(env_started >> env & 1);
	return &accept;
}

static u64 minted;		// base of the last capability

i64
cap_mint(struct cap_tree *tree, u32 list, u32 slot, enum cap_type type, u32 rights,
	 u64 base, u64 count)
{
	(void)tree;
	(void)list;
	(void)slot;
	(void)rights;
	(void)count;
	assert_int_equal(type, CAP_REMOTE);
	minted = base;
	return 1;
}

// What is not about telling.

i64
cap_room(const struct cap_tree *tree, u32 list)
{
	(void)tree;
	(void)list;
	return 0;
}

const struct cap *
cap_at(const struct cap_tree *tree, u32 list, u64 slot)
{
	(void)tree;
	(void)list;
	(void)slot;
	return NULL;
}

u32
cap_node(const struct cap_tree *tree, const struct cap *cap)
{
	(void)tree;
	(void)cap;
	return 0;
}

static const struct cap *named;	// by every slot

i64
cap_lookup(const struct cap_tree *tree, u32 list, u64 slot, enum cap_type type,
	   u32 rights, const struct cap **cap)
{
	(void)tree;
	(void)list;
	(void)slot;
	(void)type;
	(void)rights;
	*cap = named;
	return named ? 0 : -E_SLOT;
}

enum wire_code
wire_code_of(i64 error)
{
	(void)error;
	return CODE_SLOT;
}

const struct rcap_secret *
rcap_granted(const struct rcap *rcap)
{
	(void)rcap;
	return NULL;
}

void
pending_end(struct pending *pending, struct fabric_complete *c)
{
	assert_ptr_equal(pending, &accept);
	assert_int_equal(c->outcome, FABRIC_DONE);
}

void
held_begin(u32 record, const struct rcap_remote *remote, const struct wire_grant *g)
{
	(void)record;
	(void)remote;
	(void)g;
}

void
held_end(u32 record)
{
	(void)record;
}

static bool asks;		// there is room for a request

bool
revoke_remote(u32 node, u64 keep, u64 deadline_ns)
{
	(void)node;
	(void)keep;
	(void)deadline_ns;
	return asks;
}

void
revoke_lost(u32 node, u64 keep, u64 left)
{
	(void)node;
	(void)keep;
	(void)left;
}

static u32 copied = ~0u;	// a record by which a copy is left,
static u64 copied_unit;		// and of what

bool
leases_left(u32 record, u64 keep)
{
	return record == copied && copied_unit >= keep;
}

void
leases_cut(u32 record, u64 keep)
{
	(void)record;
	(void)keep;
}
