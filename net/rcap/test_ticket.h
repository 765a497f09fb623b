// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Tickets on the rig: node 0 owns, node 1 makes tickets of its 4 pages, node 2 redeems,
// 3 is a stranger.

#include "net/rcap/test_pair.h"

#define OWNER 0u
#define MAKER 1u
#define REDEEMER 2u
#define STRANGER 3u
#define WHO 9u			// the redeemer's environment
#define WORD 0x77u
#define LEN WIRE_LENGTH(ticket)
#define MINUTE_NS (60 * NS_PER_SECOND)

static struct wire_derive terms;	// of the tickets that are made
static u32 place;			// the maker's

static inline void
begin(u32 nodes)
{
	rig_start(&rig, nodes, test_seed(), 1500, 64);
	rig_connect(&rig);
	place = rig_export(&rig, OWNER, MAKER, ENV, TYPE_FRAMES, ALL, 8, 4);
	terms = (struct wire_derive){
		.incarnation = rig.node[REDEEMER].incarnation, .environment = WHO,
		.rights = WIRE_RIGHT_READ, .base = 1, .count = 2,
	};
	memset(terms.uuid, REDEEMER + 1, 16);
}

static inline void
make(u32 serial, u64 lifetime_ns, u8 ticket[LEN])
{
	const struct rig_place *p = &rig.node[MAKER].place[place];

	assert_true(p->secret_known);
	rcap_ticket_write(rig.node[MAKER].rcap, rig.now,
			  &(struct rcap_ticket_terms){
				  .remote = &p->remote, .secret = &p->secret,
				  .to = &terms, .lifetime_ns = lifetime_ns,
				  .environment = p->grant.environment,
				  .serial = serial,
			  }, ticket);
}

static inline struct rcap_submit
redemption(u32 node, u32 environment, const u8 ticket[LEN])
{
	struct rcap_submit s = {
		.environment = environment, .op = OP_REDEEM, .offset = WORD,
		.remote = {
			.incarnation = rig.node[OWNER].incarnation,
			.slot = WIRE_SLOT_NONE,
			.peer = rig_peer(&rig, node, OWNER),
		},
	};

	memcpy(s.ticket, ticket, LEN);
	return s;
}

static inline void
redeem_as(u32 node, u32 environment, const u8 ticket[LEN], enum rcap_outcome outcome,
	  enum wire_code code)
{
	struct rcap_submit s = redemption(node, environment, ticket);
	struct rcap_completion c = rig_do(&rig, node, &s);

	expect(&c, outcome, code);
}

static inline void
redeems(const u8 ticket[LEN])
{
	u32 before = rig.node[REDEEMER].places;

	redeem_as(REDEEMER, WHO, ticket, RCAP_DONE, CODE_NONE);
	for (u32 i = 0; i < 100 && rig.node[REDEEMER].places == before; i++)
		rig_run(&rig, NS_PER_MS);
	assert_int_equal(rig.node[REDEEMER].places, before + 1);
}

static inline void
refused(const u8 ticket[LEN], enum wire_code code)
{
	u32 before = rig.node[REDEEMER].places;

	redeem_as(REDEEMER, WHO, ticket, RCAP_NOT_DONE, code);
	rig_run(&rig, 5 * NS_PER_MS);
	assert_int_equal(rig.node[REDEEMER].places, before);
}

// With what it got last.
static inline struct rcap_completion
third_does(u8 op, u64 offset, u32 length)
{
	const struct rig_node *n = &rig.node[REDEEMER];
	struct rcap_submit s =
		rig_submit(&rig, REDEEMER, n->places - 1, op, offset, length, 0);

	return rig_do(&rig, REDEEMER, &s);
}

static inline void
third_expects(u8 op, u64 offset, enum wire_code code)
{
	struct rcap_completion c = third_does(op, offset, 8);

	expect(&c, code == CODE_NONE ? RCAP_DONE : RCAP_NOT_DONE, code);
}

// The tables are small: the entry of what a node got last is used again.
static inline void
give_up(u32 node)
{
	const struct rig_node *n = &rig.node[node];

	rcap_unexport(rig.node[OWNER].rcap, n->place[n->places - 1].remote.slot);
}
