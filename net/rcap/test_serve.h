// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Holders of an owner's pages, each with its weight, and an owner that has room when the
// test says so: for the tests of weighted service.

#include "net/rcap/state.h"
#include "net/rcap/test_pair.h"

#define PAGE 4096u
#define MANY 20u		// pages that each holder asks for at a time
#define ARRIVAL_NS (500 * NS_PER_US)

static u32 place_of[RIG_NODES];

static inline struct rcap *
owner(void)
{
	return rig.node[0].rcap;
}

// Nodes 1 and on hold pages of node 0, each with its weight and its granter there.
static inline void
holders(u32 count, const u8 *weight, const u16 *granter)
{
	rig_start(&rig, 1 + count, test_seed(), 1500, 200);
	rig.landing_pool = 200;
	for (u32 i = 1; i <= count; i++) {
		rig_crash(&rig, i);
		rig_boot(&rig, i);
	}
	rig_connect(&rig);
	for (u32 i = 1; i <= count; i++) {
		rig.weight = weight[i - 1];
		rig.granter = granter ? granter[i - 1] : 0;
		place_of[i] = rig_export(&rig, 0, i, ENV, TYPE_FRAMES, ALL, 8, 4);
	}
}

static inline void
ask(u32 node, u32 count)
{
	struct rcap_submit s = rig_submit(&rig, node, place_of[node], OP_READ, 0, PAGE, 0);

	s.window = 255;
	for (u32 i = 0; i < count; i++)
		assert_true(rcap_submit(rig.node[node].rcap, rig.now, &s) != RCAP_NONE);
}

// All of it has come to the owner, which has no room. First it gives as much credit.
static inline void
ask_all(u32 count, u32 each)
{
	for (u32 round = 0; round < 2; round++) {
		rig.node[0].starved = round;
		for (u32 i = 1; i <= count; i++) {
			u32 before = rig.node[i].completions;

			ask(i, each);
			if (!round)
				assert_true(rig_wait(&rig, i, before + each,
						     NS_PER_SECOND));
		}
		rig_run(&rig, ARRIVAL_NS);
	}
}

static inline u64
served(u32 node)
{
	return rcap_uses(owner())[rig.node[node].place[place_of[node]].remote.slot]
		.operations;
}

// Makes room for one turn after the other, until so many were served since.
static inline void
serve(u32 count)
{
	u64 before = rcap_counters(owner())->executed[OP_READ];

	rig.node[0].starved = false;
	while (rcap_counters(owner())->executed[OP_READ] < before + count) {
		rcap_tick(owner(), rig.now);
		rcap_check(owner());
	}
}

static inline void
wanted(u32 node, const struct rcap_submit *s, u32 count)
{
	for (u32 i = 0; i < count; i++)
		assert_true(rcap_submit(rig.node[node].rcap, rig.now, s) != RCAP_NONE);
}

// Two nodes with credit for MANY, of whom nothing is waiting.
static inline void
warm_holders(const u8 *weight)
{
	holders(2, weight, NULL);
	ask_all(2, MANY);
	serve(2 * MANY);
	assert_true(rig_wait(&rig, 1, 2 * MANY, NS_PER_SECOND));
	assert_true(rig_wait(&rig, 2, 2 * MANY, NS_PER_SECOND));
}

// The entry of that name, whose share is made as far ahead as if it alone had had so many
// bytes.
static inline const struct rcap_export *
put_ahead(const struct rcap_remote *of, u32 bytes)
{
	struct rcap_export *entry = (struct rcap_export *)rcap_entry(owner(), of->slot);

	entry->pass = owner()->serve.pass + bytes / 64;
	return entry;
}
